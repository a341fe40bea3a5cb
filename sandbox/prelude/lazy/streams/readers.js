// The readers of a ReadableStream.

let stateOf; // stateOf(stream): r

function lock(r, reader) {
  if (r.reader !== null) throw new TypeError('the stream is locked to a reader');
  r.reader = reader;
  r.closed = deferred();
  if (r.state === 'closed') r.closed.resolve();
  if (r.state === 'errored') r.closed.reject(r.error);
  return r.closed.promise;
}
function unlock(r) {
  const e = new TypeError('the reader has been released');
  const requests = r.requests;
  r.requests = [];
  r.byob = null;
  for (const q of requests) q.error(e);
  if (r.state === 'readable') r.closed.reject(e);
  r.reader = r.closed = null;
  return rejected(e);
}

const reading = (r, into) => new Promise((resolve, reject) => {
  read(r, {
    chunk: (value) => resolve({ value, done: false }), close: (value) => resolve({ value, done: true }), error: reject, into,
  });
});
const released = () => rejected(new TypeError('the reader has been released'));

class ReadableStreamDefaultReader {
  #r;
  #closed;
  constructor(stream) {
    this.#r = stateOf(stream);
    this.#closed = lock(this.#r, this);
  }
  get closed() { return this.#closed; }
  read() { return this.#r === null ? released() : reading(this.#r); }
  cancel(reason) { return this.#r === null ? released() : cancel(this.#r, reason); }
  releaseLock() {
    if (this.#r === null) return;
    this.#closed = unlock(this.#r);
    this.#r = null;
  }
}

class ReadableStreamBYOBReader {
  #r;
  #closed;
  constructor(stream) {
    const r = stateOf(stream);
    if (!r.bytes) throw new TypeError('the stream is not a byte stream');
    this.#closed = lock(r, this);
    this.#r = r;
  }
  get closed() { return this.#closed; }
  async read(view, options) {
    if (this.#r === null) return released();
    if (!ArrayBuffer.isView(view)) throw new TypeError('read: a view is needed');
    if (view.byteLength === 0) throw new TypeError('read: the view is empty');
    const { byteOffset, byteLength } = view;
    const unit = view.BYTES_PER_ELEMENT ?? 1;
    const least = Number(options?.min ?? 1) * unit;
    if (!(least > 0)) throw new TypeError('read: min must be from 1');
    if (least > byteLength) throw new RangeError('read: min is more than the view holds');
    return reading(this.#r, {
      buffer: view.buffer.transfer(), offset: byteOffset, length: byteLength, filled: 0, least, unit, Class: view.constructor,
    });
  }
  cancel(reason) { return this.#r === null ? released() : cancel(this.#r, reason); }
  releaseLock() {
    if (this.#r === null) return;
    this.#closed = unlock(this.#r);
    this.#r = null;
  }
}
