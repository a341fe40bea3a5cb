// Buffer, as https://nodejs.org/api/buffer.html describes it, without Blob,
// File, transcode and pooling. A Buffer is a Uint8Array.
'use strict';

const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/';
const alphabetURL = alphabet.slice(0, 62) + '-_';
const values = new Int8Array(128).fill(-1);
for (let i = 0; i < 64; i++) {
  values[alphabet.charCodeAt(i)] = i;
  values[alphabetURL.charCodeAt(i)] = i;
}
const hexDigits = '0123456789abcdef';

function utf8Encode(text) {
  const out = [];
  for (let i = 0; i < text.length; i++) {
    let c = text.charCodeAt(i);
    if (c >= 0xd800 && c <= 0xdfff) {
      const low = i + 1 < text.length ? text.charCodeAt(i + 1) : 0;
      if (c < 0xdc00 && low >= 0xdc00 && low <= 0xdfff) {
        c = 0x10000 + ((c - 0xd800) << 10) + (low - 0xdc00);
        i++;
      } else c = 0xfffd;
    }
    if (c < 0x80) out.push(c);
    else if (c < 0x800) out.push(0xc0 | (c >> 6), 0x80 | (c & 63));
    else if (c < 0x10000) out.push(0xe0 | (c >> 12), 0x80 | ((c >> 6) & 63), 0x80 | (c & 63));
    else out.push(0xf0 | (c >> 18), 0x80 | ((c >> 12) & 63), 0x80 | ((c >> 6) & 63), 0x80 | (c & 63));
  }
  return out;
}

// utf8Decode replaces what is not UTF-8 as the Encoding standard says.
function utf8Decode(bytes, start, end) {
  const units = [];
  let text = '';
  let need = 0, seen = 0, point = 0, lower = 0x80, upper = 0xbf;
  for (let i = start; i < end; i++) {
    const b = bytes[i];
    if (need === 0) {
      if (b < 0x80) units.push(b);
      else if (b >= 0xc2 && b <= 0xdf) { need = 1; point = b & 31; }
      else if (b >= 0xe0 && b <= 0xef) {
        if (b === 0xe0) lower = 0xa0;
        if (b === 0xed) upper = 0x9f;
        need = 2; point = b & 15;
      } else if (b >= 0xf0 && b <= 0xf4) {
        if (b === 0xf0) lower = 0x90;
        if (b === 0xf4) upper = 0x8f;
        need = 3; point = b & 7;
      } else units.push(0xfffd);
    } else if (b < lower || b > upper) {
      need = seen = 0; lower = 0x80; upper = 0xbf;
      units.push(0xfffd);
      i--;
    } else {
      lower = 0x80; upper = 0xbf;
      point = (point << 6) | (b & 63);
      if (++seen === need) {
        if (point > 0xffff) units.push(0xd800 + ((point - 0x10000) >> 10), 0xdc00 + ((point - 0x10000) & 0x3ff));
        else units.push(point);
        need = seen = 0;
      }
    }
    if (units.length >= 4096) {
      text += String.fromCharCode.apply(null, units);
      units.length = 0;
    }
  }
  if (need > 0) units.push(0xfffd);
  return text + String.fromCharCode.apply(null, units);
}

function base64Encode(bytes, start, end, digits, pad) {
  let out = '';
  for (let i = start; i < end; i += 3) {
    const left = end - i;
    const n = (bytes[i] << 16) | (left > 1 ? bytes[i + 1] << 8 : 0) | (left > 2 ? bytes[i + 2] : 0);
    out += digits[n >> 18] + digits[(n >> 12) & 63];
    if (left > 1) out += digits[(n >> 6) & 63];
    else if (pad) out += '=';
    if (left > 2) out += digits[n & 63];
    else if (pad) out += '=';
  }
  return out;
}

function base64Decode(text) {
  const out = [];
  let bits = 0, n = 0;
  for (let i = 0; i < text.length; i++) {
    const c = text.charCodeAt(i);
    if (c === 61) break; // "="
    const v = c < 128 ? values[c] : -1;
    if (v < 0) continue;
    n = (n << 6) | v;
    bits += 6;
    if (bits >= 8) {
      bits -= 8;
      out.push((n >> bits) & 255);
      n &= (1 << bits) - 1;
    }
  }
  return out;
}

function hexDecode(text) {
  const out = [];
  for (let i = 0; i + 1 < text.length; i += 2) {
    const n = parseInt(text.slice(i, i + 2), 16);
    if (!/^[0-9a-fA-F]{2}$/.test(text.slice(i, i + 2))) break;
    out.push(n);
  }
  return out;
}

function canonical(encoding) {
  switch (String(encoding ?? 'utf8').toLowerCase()) {
    case 'utf8': case 'utf-8': return 'utf8';
    case 'hex': return 'hex';
    case 'base64': return 'base64';
    case 'base64url': return 'base64url';
    case 'ascii': return 'ascii';
    case 'latin1': case 'binary': return 'latin1';
    case 'ucs2': case 'ucs-2': case 'utf16le': case 'utf-16le': return 'utf16le';
  }
  return undefined;
}

function known(encoding) {
  const name = canonical(encoding);
  if (name !== undefined) return name;
  const e = new TypeError('Unknown encoding: ' + encoding);
  e.code = 'ERR_UNKNOWN_ENCODING';
  throw e;
}

function encode(text, encoding) {
  switch (known(encoding)) {
    case 'utf8': return utf8Encode(text);
    case 'hex': return hexDecode(text);
    case 'base64': case 'base64url': return base64Decode(text);
    case 'utf16le': {
      const out = [];
      for (let i = 0; i < text.length; i++) {
        const c = text.charCodeAt(i);
        out.push(c & 255, c >> 8);
      }
      return out;
    }
  }
  const out = new Array(text.length);
  for (let i = 0; i < text.length; i++) out[i] = text.charCodeAt(i) & 255;
  return out;
}

function decode(bytes, encoding, start, end) {
  switch (known(encoding)) {
    case 'utf8': return utf8Decode(bytes, start, end);
    case 'base64': return base64Encode(bytes, start, end, alphabet, true);
    case 'base64url': return base64Encode(bytes, start, end, alphabetURL, false);
    case 'hex': {
      let out = '';
      for (let i = start; i < end; i++) out += hexDigits[bytes[i] >> 4] + hexDigits[bytes[i] & 15];
      return out;
    }
    case 'utf16le': {
      let out = '';
      for (let i = start; i + 1 < end; i += 2) out += String.fromCharCode(bytes[i] | (bytes[i + 1] << 8));
      return out;
    }
    case 'ascii': {
      let out = '';
      for (let i = start; i < end; i++) out += String.fromCharCode(bytes[i] & 127);
      return out;
    }
  }
  let out = '';
  for (let i = start; i < end; i++) out += String.fromCharCode(bytes[i]);
  return out;
}

function typeFault(name, expected, value) {
  const e = new TypeError(`The ${name} must be ${expected}. Received ${value === null ? 'null' : typeof value}`);
  e.code = 'ERR_INVALID_ARG_TYPE';
  return e;
}

function rangeFault(what) {
  const e = new RangeError(what);
  e.code = 'ERR_OUT_OF_RANGE';
  return e;
}

const isBytes = (v) => v instanceof Uint8Array;
// view makes a Buffer of memory that exists.
const view = (buffer, offset, length) => Object.setPrototypeOf(new Uint8Array(buffer, offset, length), Buffer.prototype);
const wrap = (bytes) => Object.setPrototypeOf(Uint8Array.from(bytes), Buffer.prototype);

class Buffer extends Uint8Array {
  static from(value, encodingOrOffset, length) {
    if (typeof value === 'string') return wrap(encode(value, encodingOrOffset));
    if (value instanceof ArrayBuffer || (typeof SharedArrayBuffer !== 'undefined' && value instanceof SharedArrayBuffer)) return view(value, encodingOrOffset, length);
    if (ArrayBuffer.isView(value) || Array.isArray(value)) return wrap(value);
    if (value !== null && typeof value === 'object') {
      const primitive = typeof value.valueOf === 'function' ? value.valueOf() : undefined;
      if (primitive != null && primitive !== value) return Buffer.from(primitive, encodingOrOffset, length);
      if (value.type === 'Buffer' && Array.isArray(value.data)) return wrap(value.data);
      if (typeof value.length === 'number') return wrap(Array.from(value));
    }
    throw typeFault('first argument', 'of type string or an instance of Buffer, ArrayBuffer, or Array or an Array-like Object', value);
  }

  static alloc(size, fill, encoding) {
    if (typeof size !== 'number') throw typeFault('"size" argument', 'of type number', size);
    if (!(size >= 0 && size <= 0x7fffffff)) throw rangeFault(`The value of "size" is out of range. Received ${size}`);
    const b = view(new ArrayBuffer(size));
    return fill === undefined || fill === 0 || size === 0 ? b : b.fill(fill, encoding);
  }

  static allocUnsafe(size) { return Buffer.alloc(size); }
  static allocUnsafeSlow(size) { return Buffer.alloc(size); }
  static isBuffer(v) { return v instanceof Buffer; }
  static isEncoding(encoding) { return typeof encoding === 'string' && canonical(encoding) !== undefined; }

  static byteLength(value, encoding) {
    if (typeof value !== 'string') {
      if (ArrayBuffer.isView(value) || value instanceof ArrayBuffer) return value.byteLength;
      throw typeFault('"string" argument', 'of type string or an instance of Buffer or ArrayBuffer', value);
    }
    switch (canonical(encoding)) {
      case 'hex': return value.length >>> 1;
      case 'base64': case 'base64url': return (value.replace(/={1,2}$/, '').length * 3) >>> 2;
    }
    return encode(value, canonical(encoding) ?? 'utf8').length;
  }

  static concat(list, total) {
    if (!Array.isArray(list)) throw typeFault('"list" argument', 'an instance of Array', list);
    const length = total ?? list.reduce((n, b) => n + b.length, 0);
    const out = Buffer.alloc(length);
    let at = 0;
    for (const b of list) {
      if (!isBytes(b)) throw typeFault('"list" argument\'s elements', 'instances of Buffer or Uint8Array', b);
      if (at >= length) break;
      out.set(b.length > length - at ? b.subarray(0, length - at) : b, at);
      at += b.length;
    }
    return out;
  }

  static compare(a, b) {
    if (!isBytes(a) || !isBytes(b)) throw typeFault('arguments', 'instances of Buffer or Uint8Array', isBytes(a) ? b : a);
    const n = Math.min(a.length, b.length);
    for (let i = 0; i < n; i++) if (a[i] !== b[i]) return a[i] < b[i] ? -1 : 1;
    return Math.sign(a.length - b.length);
  }

  get parent() { return this.buffer; }
  get offset() { return this.byteOffset; }

  toString(encoding, start = 0, end = this.length) {
    start = Math.max(0, Math.trunc(start) || 0);
    end = Math.min(this.length, Math.trunc(end) || 0);
    return end <= start ? '' : decode(this, encoding, start, end);
  }

  toLocaleString(...args) { return this.toString(...args); }
  toJSON() { return { type: 'Buffer', data: Array.from(this) }; }
  equals(other) { return Buffer.compare(this, other) === 0; }

  compare(other, start = 0, end = other.length, from = 0, to = this.length) {
    return Buffer.compare(this.subarray(from, to), other.subarray(start, end));
  }

  subarray(start, end) {
    const part = super.subarray(start, end);
    return part instanceof Buffer ? part : Object.setPrototypeOf(part, Buffer.prototype);
  }

  slice(start, end) { return this.subarray(start, end); }

  write(text, offset, length, encoding) {
    if (typeof offset === 'string') [encoding, offset, length] = [offset, 0, undefined];
    else if (typeof length === 'string') [encoding, length] = [length, undefined];
    offset = offset ?? 0;
    const room = this.length - offset;
    const bytes = encode(text, encoding);
    let n = Math.min(bytes.length, room, length ?? room);
    if (known(encoding) === 'utf8' && n < bytes.length) while (n > 0 && (bytes[n] & 0xc0) === 0x80) n--; // no part of a character
    for (let i = 0; i < n; i++) this[offset + i] = bytes[i];
    return n;
  }

  copy(target, targetStart = 0, start = 0, end = this.length) {
    const part = this.subarray(start, Math.min(end, start + Math.max(0, target.length - targetStart)));
    target.set(part, targetStart);
    return part.length;
  }

  fill(value, offset, end, encoding) {
    if (typeof offset === 'string') [encoding, offset, end] = [offset, 0, undefined];
    else if (typeof end === 'string') [encoding, end] = [end, undefined];
    if (typeof value === 'number' || typeof value === 'boolean') return super.fill(Number(value) & 255, offset, end);
    const bytes = typeof value === 'string' ? encode(value, encoding) : value;
    if (bytes.length === 0) return super.fill(0, offset, end);
    for (let i = offset ?? 0, n = 0; i < (end ?? this.length); i++, n++) this[i] = bytes[n % bytes.length];
    return this;
  }

  indexOf(value, offset, encoding) { return find(this, value, offset, encoding, 1); }
  lastIndexOf(value, offset, encoding) { return find(this, value, offset, encoding, -1); }
  includes(value, offset, encoding) { return this.indexOf(value, offset, encoding) !== -1; }

  readUIntBE(at, size) { return readInt(this, at, size, false, false); }
  readUIntLE(at, size) { return readInt(this, at, size, false, true); }
  readIntBE(at, size) { return readInt(this, at, size, true, false); }
  readIntLE(at, size) { return readInt(this, at, size, true, true); }
  writeUIntBE(value, at, size) { return writeInt(this, value, at, size, false); }
  writeUIntLE(value, at, size) { return writeInt(this, value, at, size, true); }
  writeIntBE(value, at, size) { return writeInt(this, value, at, size, false); }
  writeIntLE(value, at, size) { return writeInt(this, value, at, size, true); }

  swap16() { return swap(this, 2); }
  swap32() { return swap(this, 4); }
  swap64() { return swap(this, 8); }
}

function checkRange(b, at, size) {
  if (typeof at !== 'number') throw typeFault('"offset" argument', 'of type number', at);
  if (!Number.isInteger(at) || at < 0 || at + size > b.length) throw rangeFault(`The value of "offset" is out of range. Received ${at}`);
}

function readInt(b, at, size, signed, little) {
  checkRange(b, at, size);
  let n = 0;
  for (let i = 0; i < size; i++) n = n * 256 + b[little ? at + size - 1 - i : at + i];
  return signed && n >= 2 ** (8 * size - 1) ? n - 2 ** (8 * size) : n;
}

function writeInt(b, value, at, size, little) {
  checkRange(b, at, size);
  let n = value < 0 ? value + 2 ** (8 * size) : +value;
  for (let i = 0; i < size; i++) {
    b[little ? at + i : at + size - 1 - i] = n % 256;
    n = Math.floor(n / 256);
  }
  return at + size;
}

function swap(b, size) {
  if (b.length % size !== 0) throw rangeFault(`Buffer size must be a multiple of ${size * 8}-bits`);
  for (let i = 0; i < b.length; i += size) Uint8Array.prototype.reverse.call(b.subarray(i, i + size));
  return b;
}

function find(b, value, offset, encoding, step) {
  if (typeof offset === 'string') [encoding, offset] = [offset, undefined];
  if (typeof value === 'number') value = [value & 255];
  else if (typeof value === 'string') value = encode(value, encoding);
  else if (!isBytes(value)) throw typeFault('"value" argument', 'of type number or string or an instance of Buffer or Uint8Array', value);
  const last = b.length - value.length;
  let at = Math.trunc(offset ?? (step > 0 ? 0 : last));
  if (Number.isNaN(at)) at = step > 0 ? 0 : last;
  if (at < 0) at += b.length;
  if (step > 0) at = Math.max(at, 0);
  else at = Math.min(at, last);
  search: for (; at >= 0 && at <= last; at += step) {
    for (let i = 0; i < value.length; i++) if (b[at + i] !== value[i]) continue search;
    return at;
  }
  return -1;
}

// The readers and writers of one number each.
const proto = Buffer.prototype;
const define = (name, value) => Object.defineProperty(proto, name, { value, writable: true, configurable: true });
for (const [name, size] of [['Int8', 1], ['Int16', 2], ['Int32', 4]]) {
  for (const u of ['', 'U']) {
    for (const order of size === 1 ? [''] : ['BE', 'LE']) {
      const whole = u + 'Int' + (order || 'BE');
      define('read' + u + name + order, function (at = 0) { return this['read' + whole](at, size); });
      define('write' + u + name + order, function (value, at = 0) { return this['write' + whole](value, at, size); });
    }
  }
}
for (const [name, size] of [['Float', 4], ['Double', 8], ['BigInt64', 8], ['BigUint64', 8]]) {
  const type = { Float: 'Float32', Double: 'Float64' }[name] ?? name;
  const short = name === 'BigInt64' ? 'BigInt64' : name === 'BigUint64' ? 'BigUInt64' : name;
  for (const little of [false, true]) {
    const order = little ? 'LE' : 'BE';
    const data = (b) => new DataView(b.buffer, b.byteOffset, b.byteLength);
    define('read' + short + order, function (at = 0) { return data(this)['get' + type](at, little); });
    define('write' + short + order, function (value, at = 0) { data(this)['set' + type](at, value, little); return at + size; });
  }
}
for (const name of Object.getOwnPropertyNames(proto)) {
  if (name.includes('UInt')) define(name.replace('UInt', 'Uint'), proto[name]);
}

// Buffer may be called without new, which is old but not dead.
const callable = new Proxy(Buffer, {
  apply: (_, __, args) => make(...args),
  construct: (_, args) => make(...args),
});
const make = (value, ...rest) => (typeof value === 'number' ? Buffer.alloc(value) : Buffer.from(value, ...rest));
proto.constructor = callable;
Object.defineProperty(Buffer, Symbol.species, { value: Uint8Array });

module.exports = {
  Buffer: callable,
  SlowBuffer: callable,
  INSPECT_MAX_BYTES: 50,
  kMaxLength: 0x7fffffff,
  constants: { MAX_LENGTH: 0x7fffffff, MAX_STRING_LENGTH: 0x1fffffff },
  isUtf8: (b) => !utf8Decode(b, 0, b.length).includes('\ufffd'),
  isAscii: (b) => b.every((c) => c < 128),
  get atob() { return atob; },
  get btoa() { return btoa; },
};
