// structuredClone, after the HTML Standard.

const { domException, isBuffer, isError } = shared;

const refuse = (what) => { throw domException('DataCloneError', what + ' cannot be cloned'); };
const brand = (method, value) => {
  try { return method.call(value); } catch { return undefined; }
};
const get = (proto, name) => Object.getOwnPropertyDescriptor(proto, name).get;
const mapSize = get(Map.prototype, 'size');
const setSize = get(Set.prototype, 'size');
const flags = get(RegExp.prototype, 'flags');
const source = get(RegExp.prototype, 'source');
const typedTag = get(Object.getPrototypeOf(Uint8Array.prototype), Symbol.toStringTag);
const toTime = Date.prototype.getTime;
const unboxes = [Boolean, Number, String, BigInt, Symbol].map((Class) => [Class.prototype.valueOf, Class]);
const errors = { __proto__: null, EvalError, RangeError, ReferenceError, SyntaxError, TypeError, URIError };

// Classes of the prelude that can be cloned tell how: test → clone.
const serializable = [];

function structuredClone(value, options) {
  if (arguments.length === 0) throw new TypeError('structuredClone: 1 argument is needed');
  const transfer = [...(options?.transfer ?? [])];
  const seen = new Map();
  for (let i = 0; i < transfer.length; i++) {
    if (!isBuffer(transfer[i])) refuse('a value of the transfer list that is no ArrayBuffer');
    if (transfer[i].detached) refuse('a detached ArrayBuffer');
    if (transfer.indexOf(transfer[i]) !== i) refuse('an ArrayBuffer that is in the transfer list twice');
  }
  const result = clone(value, seen);
  // Only now, so that a failure leaves it as it was.
  for (const buffer of transfer) buffer.transfer();
  return result;
}

function clone(value, seen) {
  switch (typeof value) {
    case 'function': return refuse('a function');
    case 'symbol': return refuse('a symbol');
    case 'object': break;
    default: return value;
  }
  if (value === null) return null;
  const known = seen.get(value);
  if (known !== undefined) return known;
  const keep = (copy) => { seen.set(value, copy); return copy; };

  if (Array.isArray(value)) {
    const copy = keep(new Array(value.length));
    return fill(copy, value, seen);
  }
  const time = brand(toTime, value);
  if (time !== undefined) return keep(new Date(time));
  if (isBuffer(value)) {
    if (value.detached) refuse('a detached ArrayBuffer');
    return keep(value.slice(0));
  }
  if (ArrayBuffer.isView(value)) {
    const buffer = clone(value.buffer, seen);
    const name = typedTag.call(value);
    return keep(name === undefined
      ? new DataView(buffer, value.byteOffset, value.byteLength)
      : new views[name](buffer, value.byteOffset, value.length));
  }
  if (brand(mapSize, value) !== undefined) {
    const copy = keep(new Map());
    for (const [k, v] of [...Map.prototype.entries.call(value)]) copy.set(clone(k, seen), clone(v, seen));
    return copy;
  }
  if (brand(setSize, value) !== undefined) {
    const copy = keep(new Set());
    for (const v of [...Set.prototype.values.call(value)]) copy.add(clone(v, seen));
    return copy;
  }
  if (value instanceof RegExp && value !== RegExp.prototype) return keep(new RegExp(brand(source, value), brand(flags, value)));
  for (let i = 0; i < unboxes.length; i++) {
    const inner = brand(unboxes[i][0], value);
    if (inner === undefined) continue;
    return typeof inner === 'symbol' ? refuse('a symbol') : keep(Object(inner));
  }
  if (value instanceof DOMException) return keep(new DOMException(value.message, value.name));
  if (isError(value)) return cloneError(value, seen, keep);
  for (let i = 0; i < serializable.length; i++) {
    const copy = serializable[i](value);
    if (copy !== undefined) return keep(copy);
  }
  const name = shared.platformName(value);
  if (name !== undefined) refuse('an object of class ' + name);
  // What has state that no property holds says so by its tag.
  const tag = Object.prototype.toString.call(value).slice(8, -1);
  if (unclonable.has(tag)) refuse('a ' + tag);
  return fill(keep({}), value, seen);
}

const views = {
  __proto__: null, Int8Array, Uint8Array, Uint8ClampedArray, Int16Array, Uint16Array, Int32Array, Uint32Array,
  BigInt64Array, BigUint64Array, Float16Array, Float32Array, Float64Array,
};
const unclonable = new Set(['Generator', 'AsyncGenerator', 'Promise', 'WeakRef', 'WeakMap', 'WeakSet']);

function fill(copy, value, seen) {
  for (const key of Object.keys(value)) {
    if (Object.hasOwn(value, key)) {
      Object.defineProperty(copy, key, {
        value: clone(value[key], seen), writable: true, enumerable: true, configurable: true,
      });
    }
  }
  return copy;
}

function cloneError(value, seen, keep) {
  const message = Object.getOwnPropertyDescriptor(value, 'message');
  const copy = keep(new (errors[value.name] ?? Error)(message !== undefined && 'value' in message ? `${message.value}` : undefined));
  shared.hide(copy, 'stack', `${value.stack ?? ''}`);
  if (Object.hasOwn(value, 'cause')) shared.hide(copy, 'cause', clone(value.cause, seen));
  return copy;
}

return { __proto__: null, structuredClone, serializable };
