// How values cross that JSON cannot hold. Package value describes the form: a
// flat list of the objects, so that nothing here recurses into a value.

// Kept equal to the list in bridge.go.
const JSON_OF = 7, CLASS = 8, BASE64 = 9, BYTES = 10;

const { keys: objectKeys, prototype: { toString: objectToString } } = Object;
const getterOf = (proto, name) => getOwnPropertyDescriptor(proto, name).get;
const bigintToString = BigInt.prototype.toString;
const BigIntClass = BigInt;
const DateClass = Date;
const RegExpClass = RegExp;
const SyntaxErrorClass = SyntaxError;
const SetClass = Set;
const setAdd = Set.prototype.add;
const regexpSource = getterOf(RegExp.prototype, 'source');
const regexpFlags = getterOf(RegExp.prototype, 'flags');
const bufferLength = getterOf(ArrayBuffer.prototype, 'byteLength');
const typedArray = getPrototypeOf(Uint8Array.prototype);
const typedBuffer = getterOf(typedArray, 'buffer');
const typedOffset = getterOf(typedArray, 'byteOffset');
const typedLength = getterOf(typedArray, 'byteLength');
const typedElements = getterOf(typedArray, 'length');
const Uint8ArrayClass = Uint8Array;
const typedTag = getterOf(typedArray, tagSymbol);
const viewBuffer = getterOf(DataView.prototype, 'buffer');
const viewOffset = getterOf(DataView.prototype, 'byteOffset');
const viewLength = getterOf(DataView.prototype, 'byteLength');
const unboxers = [Number.prototype.valueOf, String.prototype.valueOf, Boolean.prototype.valueOf, BigInt.prototype.valueOf];
const views = {
  __proto__: null,
  Int8Array, Uint8Array, Uint8ClampedArray, Int16Array, Uint16Array, Int32Array, Uint32Array,
  BigInt64Array, BigUint64Array, Float16Array, Float32Array, Float64Array, DataView,
};

// What an object is, by the number that the engine has for its class: no
// prototype and no tag can disguise it.
const OBJECT = 1, ARRAY = 2, FAULT = 3, DATE = 4, REGEXP = 5, MAP = 6, SET = 7, BUFFER = 8, TYPED = 9, VIEW = 10, PROXY = 11, BOXED = 12;
const kinds = { __proto__: null };
{
  const learn = (kind, sample) => { kinds[host(CLASS, sample)] = kind; };
  learn(OBJECT, {});
  learn(OBJECT, (function () { return arguments; })());
  learn(OBJECT, Function('return arguments')());
  learn(ARRAY, []);
  learn(FAULT, new Error());
  learn(FAULT, new DOMException('', 'Error'));
  learn(DATE, new Date(0));
  learn(REGEXP, /x/);
  learn(MAP, new Map());
  learn(SET, new Set());
  learn(BUFFER, new ArrayBuffer(0));
  for (const name of ownKeys(views)) {
    if (name === 'DataView') learn(VIEW, new DataView(new ArrayBuffer(0)));
    else learn(TYPED, new views[name](0));
  }
  learn(PROXY, new Proxy({}, {}));
  learn(BOXED, new Number(0));
  learn(BOXED, new String(''));
  learn(BOXED, new Boolean(false));
  learn(BOXED, Object(0n));
}

const MOST_ELEMENTS = 1 << 20;

// pack describes a value for Go, which it calls root.
function pack(value, root = 'result') {
  const p = { __proto__: null, root, at: new MapClass(), values: bare(), kinds: bare(), parents: bare(), keys: bare() };
  let out = '[' + slot(p, value, -1, '', true);
  for (let n = 0; n < p.values.length; n++) {
    out += ',' + entry(p, n);
    p.values[n] = undefined;
  }
  return out + ']';
}

// slot describes a value in its place: itself, or where its entry will be.
function slot(p, v, parent, key, mayConvert) {
  switch (typeof v) {
    case 'string': return stringify(v);
    case 'boolean': return v ? 'true' : 'false';
    case 'undefined': return '[-1]';
    case 'number':
      if (v - v === 0) return v === 0 && 1 / v < 0 ? '[-5]' : '' + v;
      return v !== v ? '[-2]' : v > 0 ? '[-3]' : '[-4]';
    case 'bigint': return '["' + apply(bigintToString, v, [16]) + '"]';
    case 'object': break;
    default: refuse(p, v, parent, key);
  }
  if (v === null) return 'null';
  const known = apply(mapGet, p.at, [v]);
  if (known !== undefined) return '[' + known + ']';
  const kind = kindOf(p, v, parent, key);
  if (kind === BOXED) return slot(p, unbox(v), parent, key, false);
  if (mayConvert && kind <= ARRAY) {
    const toJSON = v.toJSON;
    if (typeof toJSON === 'function') return slot(p, apply(toJSON, v, [toText(key)]), parent, key, false);
  }
  const n = p.values.length;
  if (n >= MOST_ELEMENTS) throw new RangeError(p.root + ' holds over ' + MOST_ELEMENTS + ' objects');
  apply(mapSet, p.at, [v, n]);
  p.values[n] = v;
  p.kinds[n] = kind;
  p.parents[n] = parent;
  p.keys[n] = key;
  return '[' + n + ']';
}

function kindOf(p, v, parent, key) {
  const kind = kinds[host(CLASS, v)];
  if (kind === undefined) refuse(p, v, parent, key);
  if (kind !== PROXY) return kind;
  try {
    return isArray(v) ? ARRAY : OBJECT;
  } catch {
    throw new TypeError(pathOf(p, parent, key) + ' is a revoked Proxy');
  }
}

function unbox(v) {
  for (let i = 0; i < unboxers.length; i++) {
    try { return apply(unboxers[i], v, []); } catch { /* it is boxed otherwise */ }
  }
}

function entry(p, n) {
  const v = p.values[n];
  let out = '';
  switch (p.kinds[n]) {
    case OBJECT:
      return '["o"' + members(p, v, n, false) + ']';
    case ARRAY: {
      const length = v.length;
      if (!(length <= MOST_ELEMENTS)) {
        throw new RangeError(pathOf(p, p.parents[n], p.keys[n]) + ' has ' + toText(length) + ' elements; the most is ' + MOST_ELEMENTS);
      }
      for (let i = 0; i < length; i++) out += ',' + slot(p, v[i], n, i, true);
      return '["a"' + out + ']';
    }
    case MAP: {
      const each = apply(mapEntries, v, []);
      for (let i = 0, step; !(step = apply(mapNext, each, [])).done; i += 2) {
        out += ',' + slot(p, step.value[0], n, i, true) + ',' + slot(p, step.value[1], n, i + 1, true);
      }
      return '["m"' + out + ']';
    }
    case SET: {
      const each = apply(setValues, v, []);
      for (let i = 0, step; !(step = apply(setNext, each, [])).done; i++) out += ',' + slot(p, step.value, n, i, true);
      return '["s"' + out + ']';
    }
    case FAULT:
      return '["e"' + errorParts(p, v, n) + ']';
    case DATE: {
      const time = apply(getTime, v, []);
      return time === time ? '["d",' + time + ']' : '["d"]';
    }
    case REGEXP: {
      const last = v.lastIndex;
      const index = typeof last === 'number' && last - last === 0 ? '' + last : '0';
      return '["r",' + stringify(apply(regexpSource, v, [])) + ',' + stringify(toText(apply(regexpFlags, v, []))) + ',' + index + ']';
    }
    case BUFFER:
      return bytes(p, n, 'ArrayBuffer', v, 0, apply(bufferLength, v, []));
    case TYPED:
      return bytes(p, n, apply(typedTag, v, []), apply(typedBuffer, v, []), apply(typedOffset, v, []), apply(typedLength, v, []));
    default:
      return bytes(p, n, 'DataView', apply(viewBuffer, v, []), apply(viewOffset, v, []), apply(viewLength, v, []));
  }
}

// members reads each property once.
function members(p, v, n, ofError) {
  const keys = objectKeys(v);
  let out = '';
  for (let i = 0; i < keys.length; i++) {
    const key = keys[i];
    if (ofError && (key === 'name' || key === 'message' || key === 'stack' || key === 'cause' || key === 'errors')) continue;
    out += ',' + stringify(key) + ',' + slot(p, v[key], n, key, true);
  }
  return out;
}

function errorParts(p, v, n) {
  const own = (name) => (getOwnPropertyDescriptor(v, name) === undefined ? undefined : v[name]);
  const stack = v.stack;
  const errors = own('errors');
  return ',' + stringify(toText(v.name)) + ',' + stringify(toText(v.message)) +
    ',' + stringify(typeof stack !== 'string' ? '' : apply(indexOf, stack, ['<bulkhead>']) < 0 ? stack : frames(stack)) +
    ',' + slot(p, own('cause'), n, 'cause', true) +
    ',' + (isArray(errors) ? slot(p, errors, n, 'errors', false) : '[-1]') + members(p, v, n, true);
}

function bytes(p, n, kind, buffer, offset, length) {
  const text = length === 0 ? '' : host(BASE64, buffer, offset, length);
  if (text === undefined) throw new TypeError(pathOf(p, p.parents[n], p.keys[n]) + ' is on memory that cannot be sent: a SharedArrayBuffer, or one that was detached');
  return '["b","' + kind + '","' + text + '"]';
}

function refuse(p, v, parent, key) {
  const what = typeof v === 'function' ? 'function' : typeof v === 'symbol' ? 'symbol' : apply(slice, apply(objectToString, v, []), [8, -1]);
  throw new TypeError(pathOf(p, parent, key) + ' is ' + (apply(indexOf, 'AEIOU', [what[0]]) < 0 ? 'a ' : 'an ') + what);
}

// pathOf says where in the value something is: result.items[3].
function pathOf(p, parent, key) {
  let path = '';
  for (; parent >= 0; key = p.keys[parent], parent = p.parents[parent]) {
    switch (p.kinds[parent]) {
      case ARRAY: path = '[' + key + ']' + path; break;
      case MAP: path = '.entries()[' + floor(key / 2) + '][' + (key % 2) + ']' + path; break;
      case SET: path = '.values()[' + key + ']' + path; break;
      default: path = (isIdentifier(key) ? '.' + key : '[' + stringify(key) + ']') + path;
    }
    if (path.length > 1024) return '…' + path;
  }
  return p.root + path;
}

function isIdentifier(text) {
  for (let i = 0; i < text.length; i++) {
    const c = apply(charCodeAt, text, [i]);
    const letter = (c >= 97 && c <= 122) || (c >= 65 && c <= 90) || c === 95 || c === 36;
    if (!letter && !(i > 0 && c >= 48 && c <= 57)) return false;
  }
  return text !== '';
}

// unpack makes the value of what package value wrote, parsed. Errors call it root.
function unpack(heap, root = 'result') {
  const made = bare();
  for (let n = 1; n < heap.length; n++) {
    try {
      made[n - 1] = shell(heap[n]);
    } catch (e) {
      if (heap[n][0] !== 'r') throw e;
      throw new SyntaxErrorClass(pathIn(heap, n - 1, root) + ' is a RegExp that cannot be compiled: ' + e.message);
    }
  }
  for (let n = 1; n < heap.length; n++) fill(made[n - 1], heap[n], made);
  return valueOf(heap[0], made);
}

// pathIn says where in a packed value an object is.
function pathIn(heap, n, root) {
  const p = { __proto__: null, root, kinds: bare(), parents: bare(), keys: bare() };
  const note = (slot, parent, key) => {
    if (!isArray(slot) || !(slot[0] >= 0) || p.parents[slot[0]] !== undefined) return;
    p.parents[slot[0]] = parent;
    p.keys[slot[0]] = key;
  };
  note(heap[0], -1, '');
  for (let at = 1; at < heap.length; at++) {
    const e = heap[at];
    p.kinds[at - 1] = e[0] === 'a' ? ARRAY : e[0] === 'm' ? MAP : e[0] === 's' ? SET : OBJECT;
    if (e[0] === 'e') {
      note(e[4], at - 1, 'cause');
      note(e[5], at - 1, 'errors');
    }
    if (e[0] === 'o' || e[0] === 'e') {
      for (let i = e[0] === 'o' ? 1 : 6; i < e.length; i += 2) note(e[i + 1], at - 1, e[i]);
    } else if (e[0] === 'a' || e[0] === 'm' || e[0] === 's') {
      for (let i = 1; i < e.length; i++) note(e[i], at - 1, i - 1);
    }
  }
  return pathOf(p, p.parents[n] ?? -1, p.keys[n]);
}

function shell(e) {
  switch (e[0]) {
    case 'o': return {};
    case 'a': return [];
    case 'm': return new MapClass();
    case 's': return new SetClass();
    case 'd': return new DateClass(e.length > 1 ? e[1] : NaN);
    case 'r': {
      const re = new RegExpClass(e[1], e[2]);
      re.lastIndex = e[3];
      return re;
    }
    case 'b': {
      const buffer = host(BYTES, e[2]);
      return e[1] === 'ArrayBuffer' ? buffer : new views[e[1]](buffer);
    }
    default: return madeError(e[1], e[2], e[3]);
  }
}

function madeError(name, message, stack) {
  const Class = errorClasses[name] ?? ErrorClass;
  const error = name === 'AggregateError' ? new Class([], message) : new Class(message);
  if (error.name !== name) hide(error, 'name', name);
  hide(error, 'stack', stack);
  return error;
}

function valueOf(slot, made) {
  if (typeof slot !== 'object' || slot === null) return slot;
  const at = slot[0];
  if (typeof at === 'string') {
    return at[0] === '-' ? -BigIntClass('0x' + apply(slice, at, [1])) : BigIntClass('0x' + at);
  }
  if (at >= 0) return made[at];
  return at === -1 ? undefined : at === -2 ? NaN : at === -3 ? Infinity : at === -4 ? -Infinity : -0;
}

const put = (target, key, value) =>
  defineProperty(target, key, { __proto__: null, value, writable: true, configurable: true, enumerable: true });

function fill(target, e, made) {
  switch (e[0]) {
    case 'o':
      for (let i = 1; i < e.length; i += 2) put(target, e[i], valueOf(e[i + 1], made));
      return;
    case 'a':
      for (let i = 1; i < e.length; i++) target[i - 1] = valueOf(e[i], made);
      return;
    case 'm':
      for (let i = 1; i < e.length; i += 2) apply(mapSet, target, [valueOf(e[i], made), valueOf(e[i + 1], made)]);
      return;
    case 's':
      for (let i = 1; i < e.length; i++) apply(setAdd, target, [valueOf(e[i], made)]);
      return;
    case 'e': {
      const cause = valueOf(e[4], made), errors = valueOf(e[5], made);
      if (cause !== undefined) hide(target, 'cause', cause);
      if (errors !== undefined) hide(target, 'errors', errors);
      for (let i = 6; i < e.length; i += 2) put(target, e[i], valueOf(e[i + 1], made));
    }
  }
}
