// Streams, after the Streams Standard. A stream's state is an object that its
// classes share: r of a ReadableStream, w of a WritableStream.

const { tagged, hide } = shared;

const noop = () => {};
const token = {};
const illegal = (secret) => { if (secret !== token) throw new TypeError('Illegal constructor'); };
const quiet = (promise) => { promise.then(undefined, noop); return promise; };
const deferred = () => {
  const d = Promise.withResolvers();
  quiet(d.promise);
  return d;
};
const rejected = (e) => quiet(Promise.reject(e));
const attempt = (f, ...args) => {
  try { return Promise.resolve(f(...args)); } catch (e) { return Promise.reject(e); }
};
const method = (object, name) => {
  const f = object?.[name];
  if (f === undefined || f === null) return undefined;
  if (typeof f !== 'function') throw new TypeError(name + ' must be a function');
  return f.bind(object);
};
function strategyOf(strategy, fallback) {
  const size = strategy?.size;
  if (size !== undefined && typeof size !== 'function') throw new TypeError('size must be a function');
  const mark = strategy?.highWaterMark === undefined ? fallback : Number(strategy.highWaterMark);
  if (!(mark >= 0)) throw new RangeError('highWaterMark must not be negative');
  return { mark, size: size === undefined ? () => 1 : (chunk) => size(chunk) };
}
function measure(size, chunk) {
  const n = Number(size(chunk));
  if (!(n >= 0 && n < Infinity)) throw new RangeError('a chunk\'s size must be a finite number, and not negative');
  return n;
}

class CountQueuingStrategy {
  #mark;
  #size = countSize;
  constructor(init) {
    if (init?.highWaterMark === undefined) throw new TypeError('highWaterMark is needed');
    this.#mark = Number(init.highWaterMark);
  }
  get highWaterMark() { return this.#mark; }
  get size() { return this.#size; }
}
class ByteLengthQueuingStrategy {
  #mark;
  #size = byteSize;
  constructor(init) {
    if (init?.highWaterMark === undefined) throw new TypeError('highWaterMark is needed');
    this.#mark = Number(init.highWaterMark);
  }
  get highWaterMark() { return this.#mark; }
  get size() { return this.#size; }
}
const countSize = { size: () => 1 }.size;
const byteSize = { size: (chunk) => chunk.byteLength }.size;
