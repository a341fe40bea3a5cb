// Reads a result in the CBOR that docs/values.md describes, for showing: not
// into the values themselves, whose differences would be lost on the way.

export interface Shown {
  /** What it is, for colours and for those who cannot see them. */
  kind: 'string' | 'number' | 'bigint' | 'boolean' | 'empty' | 'date' | 'regexp' | 'bytes' | 'array' | 'object' | 'map' | 'set' | 'error' | 'ref';
  /** One line. Of a string, its whole text. */
  text: string;
  children?: Member[];
  /** Set where something else refers to it. */
  id?: number;
}
export interface Member { key?: string | Shown; value: Shown }

const own = 1112886347;
const maxDepth = 256;
const elements: Record<number, [string, number, (v: DataView, at: number) => number | bigint]> = {
  68: ['Uint8ClampedArray', 1, (v, i) => v.getUint8(i)], 72: ['Int8Array', 1, (v, i) => v.getInt8(i)],
  77: ['Int16Array', 2, (v, i) => v.getInt16(i, true)], 69: ['Uint16Array', 2, (v, i) => v.getUint16(i, true)],
  78: ['Int32Array', 4, (v, i) => v.getInt32(i, true)], 70: ['Uint32Array', 4, (v, i) => v.getUint32(i, true)],
  79: ['BigInt64Array', 8, (v, i) => v.getBigInt64(i, true)], 71: ['BigUint64Array', 8, (v, i) => v.getBigUint64(i, true)],
  84: ['Float16Array', 2, (v, i) => half(v.getUint16(i, true))], 85: ['Float32Array', 4, (v, i) => v.getFloat32(i, true)],
  86: ['Float64Array', 8, (v, i) => v.getFloat64(i, true)],
};

function half(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1, exponent = bits >> 10 & 31, fraction = bits & 1023;
  if (exponent === 31) return fraction ? NaN : sign * Infinity;
  return sign * (exponent ? (1 + fraction / 1024) * 2 ** (exponent - 15) : fraction * 2 ** -24);
}

const digits = (n: number | bigint) => Object.is(n, -0) ? '-0' : String(n);
const hex = (b: Uint8Array) => Array.from(b.subarray(0, 64), (x) => x.toString(16).padStart(2, '0')).join(' ') + (b.length > 64 ? ' …' : '');

export function fromBase64(text: string): Uint8Array {
  const raw = atob(text);
  const out = new Uint8Array(raw.length);
  for (let i = 0; i < raw.length; i++) out[i] = raw.charCodeAt(i);
  return out;
}

/** WTF-8: UTF-8 in which a lone surrogate is three bytes. */
function wtf8(b: Uint8Array): string {
  let out = '';
  for (let i = 0; i < b.length;) {
    const lead = b[i];
    const n = lead < 0x80 ? 1 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;
    let code = n === 1 ? lead : lead & (0xff >> (n + 1));
    for (let j = 1; j < n; j++) code = code << 6 | b[i + j] & 63;
    out += String.fromCodePoint(Math.min(code, 0x10ffff));
    i += n;
  }
  return out;
}

export function show(data: Uint8Array): Shown {
  const view = new DataView(data.buffer, data.byteOffset, data.byteLength);
  const shared: Shown[] = [];
  let at = 0;
  const take = (n: number) => {
    if (n > data.length - at) throw new RangeError('the result ends early');
    at += n;
    return data.subarray(at - n, at);
  };
  const argument = (low: number): number => {
    if (low < 24) return low;
    const start = at;
    take(1 << (low - 24));
    switch (low) {
      case 24: return view.getUint8(start);
      case 25: return view.getUint16(start);
      case 26: return view.getUint32(start);
      case 27: return Number(view.getBigUint64(start));
    }
    throw new RangeError('a length without end');
  };
  const keyed = (key: string | Shown, value: Shown): Member => ({ key, value });

  function item(depth: number, into?: Shown): Shown {
    if (depth > maxDepth) throw new RangeError('too deep');
    const fill = (s: Shown): Shown => into ? Object.assign(into, s, { id: into.id }) : s;
    const first = take(1)[0], major = first >> 5, low = first & 31;
    if (major === 7) {
      const start = at;
      switch (low) {
        case 20: case 21: return fill({ kind: 'boolean', text: String(low === 21) });
        case 22: return fill({ kind: 'empty', text: 'null' });
        case 23: return fill({ kind: 'empty', text: 'undefined' });
        case 25: take(2); return fill({ kind: 'number', text: digits(half(view.getUint16(start))) });
        case 26: take(4); return fill({ kind: 'number', text: digits(view.getFloat32(start)) });
        case 27: take(8); return fill({ kind: 'number', text: digits(view.getFloat64(start)) });
      }
      throw new RangeError('an unknown simple value');
    }
    const n = argument(low);
    switch (major) {
      case 0: return fill({ kind: 'number', text: String(n) });
      case 1: return fill({ kind: 'number', text: String(-1 - n) });
      case 2: { const b = take(n); return fill({ kind: 'bytes', text: `Uint8Array(${b.length})`, children: [{ key: 'hex', value: { kind: 'bytes', text: hex(b) } }] }); }
      case 3: return fill({ kind: 'string', text: new TextDecoder().decode(take(n)) });
      case 4: {
        const s = fill({ kind: 'array', text: `Array(${n})`, children: [] });
        for (let i = 0; i < n; i++) s.children!.push(keyed(String(i), item(depth + 1)));
        return s;
      }
      case 5: return entries(depth, n, fill, false);
      case 6: return tagged(depth, n, fill, into);
    }
    throw new RangeError('an unknown item');
  }

  function entries(depth: number, n: number, fill: (s: Shown) => Shown, map: boolean): Shown {
    const s = fill({ kind: map ? 'map' : 'object', text: map ? `Map(${n})` : n ? 'Object' : '{}', children: [] });
    for (let i = 0; i < n; i++) {
      const key = item(depth + 1);
      s.children!.push(keyed(key.kind === 'string' && !map ? key.text : key, item(depth + 1)));
    }
    if (!map && s.children!.some((m) => typeof m.key !== 'string')) Object.assign(s, { kind: 'map', text: `Map(${n})` });
    return s;
  }

  const rawBytes = (): Uint8Array => {
    const first = take(1)[0];
    if (first >> 5 !== 2) throw new RangeError('bytes were expected');
    return take(argument(first & 31));
  };
  const list = (): number => {
    const first = take(1)[0];
    if (first >> 5 !== 4) throw new RangeError('a list was expected');
    return argument(first & 31);
  };

  function tagged(depth: number, tag: number, fill: (s: Shown) => Shown, into?: Shown): Shown {
    if (elements[tag]) {
      const [name, width, read] = elements[tag], b = rawBytes(), v = new DataView(b.buffer, b.byteOffset, b.byteLength);
      const count = Math.floor(b.length / width), children: Member[] = [];
      for (let i = 0; i < Math.min(count, 1000); i++) {
        const e = read(v, i * width);
        children.push(keyed(String(i), { kind: typeof e === 'bigint' ? 'bigint' : 'number', text: digits(e) + (typeof e === 'bigint' ? 'n' : '') }));
      }
      return fill({ kind: 'bytes', text: `${name}(${count})`, children });
    }
    switch (tag) {
      case 1: {
        const seconds = Number(item(depth + 1).text), d = new Date(Math.round(seconds * 1000));
        return fill({ kind: 'date', text: Number.isNaN(+d) ? 'Invalid Date' : d.toISOString() });
      }
      case 2: case 3: {
        let big = 0n;
        for (const b of rawBytes()) big = big << 8n | BigInt(b);
        return fill({ kind: 'bigint', text: `${tag === 3 ? -1n - big : big}n` });
      }
      case 28: {
        const s = into ?? { kind: 'empty', text: '' };
        s.id = shared.push(s) - 1;
        return item(depth + 1, s);
      }
      case 29: { const n = Number(item(depth + 1).text); return fill({ kind: 'ref', text: `same as *${n}` }); }
      case 258: {
        const n = list(), s = fill({ kind: 'set', text: `Set(${n})`, children: [] });
        for (let i = 0; i < n; i++) s.children!.push({ value: item(depth + 1) });
        return s;
      }
      case 259: {
        const first = take(1)[0];
        if (first >> 5 !== 5) throw new RangeError('a map was expected');
        return entries(depth, argument(first & 31), fill, true);
      }
      case 273: return fill({ kind: 'string', text: wtf8(rawBytes()) });
      case 21066: { list(); const source = item(depth + 1), flags = item(depth + 1); return fill({ kind: 'regexp', text: `/${source.text}/${flags.text}` }); }
      case own: return ours(depth, fill);
    }
    throw new RangeError(`an unknown tag ${tag}`);
  }

  function ours(depth: number, fill: (s: Shown) => Shown): Shown {
    const n = list(), kind = item(depth + 1).text;
    if (kind === 'Error') {
      const s = fill({ kind: 'error', text: 'Error', children: [] });
      const names = ['name', 'message', 'stack', 'cause', 'errors', 'properties'];
      for (let i = 1; i < n; i++) {
        const value = item(depth + 1);
        if (value.text !== 'undefined' && !(value.kind === 'string' && value.text === '' && i === 3)) s.children!.push(keyed(names[i - 1] ?? String(i), value));
      }
      const text = (key: string) => s.children!.find((c) => c.key === key)?.value.text ?? '';
      s.text = text('name') + (text('message') ? ': ' + text('message') : '');
      return s;
    }
    const b = rawBytes();
    return fill({ kind: 'bytes', text: `${kind}(${b.length})`, children: [{ key: 'hex', value: { kind: 'bytes', text: hex(b) } }] });
  }

  return item(0);
}
