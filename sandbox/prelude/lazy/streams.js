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
  constructor(init) {
    if (init?.highWaterMark === undefined) throw new TypeError('highWaterMark is needed');
    this.#mark = Number(init.highWaterMark);
  }
  get highWaterMark() { return this.#mark; }
  get size() { return countSize; }
}
class ByteLengthQueuingStrategy {
  #mark;
  constructor(init) {
    if (init?.highWaterMark === undefined) throw new TypeError('highWaterMark is needed');
    this.#mark = Number(init.highWaterMark);
  }
  get highWaterMark() { return this.#mark; }
  get size() { return byteSize; }
}
const countSize = { size: () => 1 }.size;
const byteSize = { size: (chunk) => chunk.byteLength }.size;

// ---- Readable: queue, requests and pulling

const desired = (r) => (r.state === 'errored' ? null : r.state === 'closed' ? 0 : r.mark - r.total);

function pull(r) {
  if (r.state !== 'readable' || r.closing || !r.started) return;
  if (!(r.requests.length > 0 || desired(r) > 0)) return;
  if (r.pulling) {
    r.again = true;
    return;
  }
  r.pulling = true;
  attempt(r.pull, r.controller).then(() => {
    r.pulling = false;
    if (r.again) {
      r.again = false;
      pull(r);
    }
  }, (e) => fail(r, e));
}

function drop(r) {
  r.queue = [];
  r.total = 0;
}

function finish(r) {
  r.state = 'closed';
  r.byob = null;
  const requests = r.requests;
  r.requests = [];
  for (const q of requests) q.close(q.into === undefined || q.into.auto ? undefined : filled(q.into, q.into.filled - q.into.filled % q.into.unit));
  r.closed?.resolve();
}

function fail(r, e) {
  if (r.state !== 'readable') return;
  r.state = 'errored';
  r.error = e;
  r.byob = null;
  drop(r);
  const requests = r.requests;
  r.requests = [];
  for (const q of requests) q.error(e);
  r.closed?.reject(e);
}

function dequeue(r) {
  const [chunk, size] = r.queue.shift();
  r.total = r.queue.length === 0 ? 0 : r.total - size;
  if (r.closing && r.queue.length === 0) finish(r);
  else pull(r);
  return chunk;
}

function enqueue(r, chunk) {
  if (r.state !== 'readable' || r.closing) throw new TypeError('the stream is closed');
  if (r.bytes) {
    if (!ArrayBuffer.isView(chunk)) throw new TypeError('a chunk of a byte stream must be a view of an ArrayBuffer');
    if (chunk.byteLength === 0) throw new TypeError('a chunk of a byte stream must not be empty');
    const { byteOffset, byteLength } = chunk;
    r.queue.push([new Uint8Array(chunk.buffer.transfer(), byteOffset, byteLength), byteLength]);
    r.total += byteLength;
    r.byob = null;
    serve(r);
  } else if (r.requests.length > 0) {
    r.requests.shift().chunk(chunk);
  } else {
    let size;
    try {
      size = measure(r.size, chunk);
    } catch (e) {
      fail(r, e);
      throw e;
    }
    r.queue.push([chunk, size]);
    r.total += size;
  }
  pull(r);
}

function closeReadable(r) {
  if (r.state !== 'readable' || r.closing) throw new TypeError('the stream is closed');
  const into = r.requests[0]?.into;
  if (into !== undefined && into.filled % into.unit !== 0) {
    const e = new TypeError('the stream ended within an element of the view');
    fail(r, e);
    throw e;
  }
  r.closing = true;
  if (r.queue.length === 0) finish(r);
}

function cancel(r, reason) {
  r.disturbed = true;
  if (r.state === 'closed') return Promise.resolve();
  if (r.state === 'errored') return Promise.reject(r.error);
  drop(r);
  finish(r);
  return attempt(r.cancel, reason).then(noop);
}

// read serves a request, {chunk, close, error} and for BYOB into, now or later.
function read(r, request) {
  r.disturbed = true;
  if (r.state === 'errored') return request.error(r.error);
  if (r.state === 'closed') return request.close(request.into === undefined ? undefined : filled(request.into, 0));
  if (r.bytes) {
    if (request.into === undefined && r.auto !== undefined && r.queue.length === 0) {
      request.into = { buffer: new ArrayBuffer(r.auto), offset: 0, length: r.auto, filled: 0, least: 1, unit: 1, Class: Uint8Array, auto: true };
    }
    r.requests.push(request);
    serve(r);
    return pull(r);
  }
  if (r.queue.length > 0) return request.chunk(dequeue(r));
  r.requests.push(request);
  pull(r);
}

// ---- Byte streams

const filled = (into, n) => new into.Class(into.buffer, into.offset, n / into.unit);

function serve(r) {
  while (r.requests.length > 0 && r.queue.length > 0) {
    const q = r.requests[0];
    if (q.into === undefined || (q.into.auto && q.into.filled === 0)) {
      r.requests.shift();
      q.chunk(dequeue(r));
      continue;
    }
    const into = q.into;
    let room = Math.min(r.total, into.length - into.filled);
    const ready = into.filled + room >= into.least;
    if (ready) room -= (into.filled + room) % into.unit;
    const target = new Uint8Array(into.buffer, into.offset, into.length);
    while (room > 0) {
      const head = r.queue[0][0];
      const n = Math.min(room, head.length);
      target.set(head.subarray(0, n), into.filled);
      into.filled += n;
      room -= n;
      r.total -= n;
      if (n === head.length) r.queue.shift();
      else r.queue[0] = [head.subarray(n), head.length - n];
    }
    if (!ready) break;
    r.requests.shift();
    q.chunk(filled(into, into.filled));
  }
  if (r.closing && r.queue.length === 0 && r.state === 'readable') finish(r);
}

class ReadableStreamBYOBRequest {
  #r;
  #into;
  constructor(secret, r, into) {
    illegal(secret);
    this.#r = r;
    this.#into = into;
  }
  #check() { if (this.#r.byob !== this) throw new TypeError('the request has been answered'); }
  get view() {
    if (this.#r.byob !== this) return null;
    return new Uint8Array(this.#into.buffer, this.#into.offset + this.#into.filled, this.#into.length - this.#into.filled);
  }
  respond(n) {
    this.#check();
    n = Number(n);
    const into = this.#into;
    const r = this.#r;
    if (!(n >= 0 && n <= into.length - into.filled)) throw new RangeError('respond: more bytes than the view has');
    if (n === 0 && !r.closing) throw new TypeError('respond: no bytes, and the stream is not closed');
    r.byob = null;
    into.filled += n;
    if (into.filled >= into.least) {
      r.requests.shift();
      const over = into.filled % into.unit;
      if (over > 0) {
        const at = into.offset + into.filled - over;
        r.queue.unshift([new Uint8Array(into.buffer.slice(at, at + over)), over]);
        r.total += over;
      }
      const q = this.#request;
      q.chunk(filled(into, into.filled - over));
    }
    pull(r);
  }
  respondWithNewView(view) {
    this.#check();
    if (!ArrayBuffer.isView(view)) throw new TypeError('respondWithNewView: a view is needed');
    const n = view.byteLength;
    const into = this.#into;
    if (view.byteOffset !== into.offset + into.filled || n > into.length - into.filled) throw new RangeError('respondWithNewView: another part of the buffer');
    into.buffer = view.buffer.transfer();
    this.respond(n);
  }
  get #request() { return this.#into.request; }
}

class ReadableByteStreamController {
  #r;
  constructor(secret, r) { illegal(secret); this.#r = r; }
  get byobRequest() {
    const r = this.#r;
    const q = r.requests[0];
    if (r.byob === null && q?.into !== undefined) {
      q.into.request = q;
      r.byob = new ReadableStreamBYOBRequest(token, r, q.into);
    }
    return r.byob;
  }
  get desiredSize() { return desired(this.#r); }
  enqueue(chunk) { enqueue(this.#r, chunk); }
  close() { closeReadable(this.#r); }
  error(e) { fail(this.#r, e); }
}

class ReadableStreamDefaultController {
  #r;
  constructor(secret, r) { illegal(secret); this.#r = r; }
  get desiredSize() { return desired(this.#r); }
  enqueue(chunk) { enqueue(this.#r, chunk); }
  close() { closeReadable(this.#r); }
  error(e) { fail(this.#r, e); }
}

// ---- Readers

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

// ---- ReadableStream

const AsyncIteratorPrototype = Object.getPrototypeOf(Object.getPrototypeOf(async function* () {}).prototype);

class ReadableStream {
  #r;
  constructor(source, strategy) {
    if (source === null) throw new TypeError('ReadableStream: the source must be an object');
    const type = source?.type;
    if (type !== undefined && `${type}` !== 'bytes') throw new TypeError("ReadableStream: type must be 'bytes' or nothing");
    const bytes = type !== undefined;
    if (bytes && strategy?.size !== undefined) throw new RangeError('a byte stream takes no size function');
    const { mark, size } = strategyOf(strategy, bytes ? 0 : 1);
    const auto = source?.autoAllocateChunkSize;
    if (auto !== undefined && !(Number(auto) > 0)) throw new TypeError('autoAllocateChunkSize must be from 1');
    const r = this.#r = {
      state: 'readable', error: undefined, reader: null, closed: null, disturbed: false, bytes, auto: auto === undefined ? undefined : Number(auto),
      queue: [], total: 0, mark, size, requests: [], byob: null, started: false, closing: false, pulling: false, again: false,
      pull: method(source, 'pull') ?? noop, cancel: method(source, 'cancel') ?? noop, controller: null,
    };
    const start = method(source, 'start');
    r.controller = bytes ? new ReadableByteStreamController(token, r) : new ReadableStreamDefaultController(token, r);
    const begun = start === undefined ? undefined : start(r.controller);
    Promise.resolve(begun).then(() => {
      r.started = true;
      pull(r);
    }, (e) => fail(r, e));
  }
  static {
    stateOf = (stream) => {
      if (typeof stream !== 'object' || stream === null || !(#r in stream)) throw new TypeError('a ReadableStream is needed');
      return stream.#r;
    };
  }
  static from(iterable) {
    const open = iterable[Symbol.asyncIterator] ?? iterable[Symbol.iterator];
    if (typeof open !== 'function') throw new TypeError('ReadableStream.from: the value cannot be iterated over');
    const iterator = open.call(iterable);
    return new ReadableStream({
      async pull(controller) {
        const step = await iterator.next();
        if (typeof step !== 'object' || step === null) throw new TypeError('the iterator\'s result is no object');
        if (step.done) controller.close();
        else controller.enqueue(await step.value);
      },
      async cancel(reason) { await iterator.return?.(reason); },
    }, { highWaterMark: 0 });
  }
  get locked() { return this.#r.reader !== null; }
  cancel(reason) {
    return this.#r.reader === null ? cancel(this.#r, reason) : rejected(new TypeError('the stream is locked to a reader'));
  }
  getReader(options) {
    const mode = options?.mode;
    if (mode === undefined) return new ReadableStreamDefaultReader(this);
    if (`${mode}` !== 'byob') throw new TypeError("getReader: mode must be 'byob' or nothing");
    return new ReadableStreamBYOBReader(this);
  }
  pipeThrough(pair, options) {
    const w = writableOf(pair?.writable);
    stateOf(pair.readable);
    if (this.#r.reader !== null || w.writer !== null) throw new TypeError('pipeThrough: a stream is locked');
    quiet(pipe(this, pair.writable, options));
    return pair.readable;
  }
  async pipeTo(destination, options) {
    const w = writableOf(destination);
    if (this.#r.reader !== null || w.writer !== null) throw new TypeError('pipeTo: a stream is locked');
    return pipe(this, destination, options);
  }
  tee() { return tee(this, this.#r); }
  values(options) {
    const reader = this.getReader();
    const r = this.#r;
    let ended = false;
    let last = Promise.resolve();
    const end = (value) => {
      ended = true;
      reader.releaseLock();
      return { value, done: true };
    };
    let busy = 0; // reads under way
    const next = async () => {
      try {
        if (ended) return { value: undefined, done: true };
        const step = await reader.read();
        return step.done ? end(undefined) : step;
      } catch (e) {
        end();
        throw e;
      } finally {
        busy--;
      }
    };
    const leave = async (value) => {
      if (ended) return { value, done: true };
      const result = options?.preventCancel ? undefined : cancel(r, value);
      end();
      await result;
      return { value, done: true };
    };
    const iterator = Object.create(AsyncIteratorPrototype);
    iterator.next = () => {
      busy++;
      return last = last.then(next, next);
    };
    // At once where that is possible: QuickJS does not wait for it after break.
    iterator.return = (value) => (last = busy === 0 ? leave(value) : last.then(() => leave(value), () => leave(value)));
    return iterator;
  }
}
hide(ReadableStream.prototype, Symbol.asyncIterator, ReadableStream.prototype.values);

function tee(stream, r) {
  const reader = new ReadableStreamDefaultReader(stream);
  const branches = [];
  const canceled = [false, false];
  const reasons = [];
  const done = deferred();
  let busy = false;
  let again = false;
  const pullBoth = () => {
    if (busy) {
      again = true;
      return;
    }
    busy = true;
    reader.read().then(({ value, done: ended }) => {
      busy = false;
      for (let i = 0; i < 2; i++) {
        if (canceled[i]) continue;
        const branch = stateOf(branches[i]);
        if (branch.state !== 'readable' || branch.closing) continue;
        if (ended) closeReadable(branch);
        else enqueue(branch, r.bytes ? value.slice() : value);
      }
      if (ended) done.resolve();
      else if (again) {
        again = false;
        pullBoth();
      }
    }, noop);
  };
  const cancelOne = (i) => (reason) => {
    canceled[i] = true;
    reasons[i] = reason;
    if (canceled[0] && canceled[1]) cancel(r, reasons).then(done.resolve, done.reject);
    return done.promise;
  };
  for (let i = 0; i < 2; i++) {
    branches[i] = new ReadableStream({ type: r.bytes ? 'bytes' : undefined, pull: pullBoth, cancel: cancelOne(i) });
  }
  reader.closed.catch((e) => {
    for (const branch of branches) fail(stateOf(branch), e);
    done.resolve();
  });
  return branches;
}

function pipe(source, destination, options) {
  const keepOpen = Boolean(options?.preventClose);
  const noAbort = Boolean(options?.preventAbort);
  const noCancel = Boolean(options?.preventCancel);
  const signal = options?.signal;
  if (signal !== undefined && !(signal instanceof shared.use('events').AbortSignal)) throw new TypeError('signal must be an AbortSignal');
  const r = stateOf(source);
  const w = writableOf(destination);
  const reader = new ReadableStreamDefaultReader(source);
  const writer = new WritableStreamDefaultWriter(destination);
  r.disturbed = true;
  return new Promise((resolve, reject) => {
    let over = false;
    let last = Promise.resolve();
    const settle = (failed, e) => {
      writer.releaseLock();
      reader.releaseLock();
      if (failed) reject(e);
      else resolve();
    };
    const shut = (action, failed, e) => {
      if (over) return;
      over = true;
      const go = () => {
        if (action === null) settle(failed, e);
        else action().then(() => settle(failed, e), (other) => settle(true, other));
      };
      if (w.state === 'writable' && !closing(w)) last.then(go, go);
      else go();
    };
    if (signal !== undefined) {
      const onAbort = () => {
        const e = signal.reason;
        shut(() => Promise.all([
          noAbort || w.state !== 'writable' ? undefined : abortWritable(w, e),
          noCancel || r.state !== 'readable' ? undefined : cancel(r, e),
        ]), true, e);
      };
      if (signal.aborted) return onAbort();
      shared.use('events').onAbort(signal, onAbort);
    }
    reader.closed.then(
      () => shut(keepOpen ? null : () => (closing(w) || w.state === 'closed' ? Promise.resolve()
        : w.state === 'errored' ? Promise.reject(w.error) : closeWritable(w)), false),
      (e) => shut(noAbort ? null : () => abortWritable(w, e), true, e));
    const lost = (e) => shut(noCancel ? null : () => cancel(r, e), true, e);
    writer.closed.then(() => lost(new TypeError('the destination is closed')), lost);
    const step = () => {
      if (over) return;
      writer.ready.then(() => {
        if (over) return;
        read(r, {
          chunk(value) {
            last = quiet(write(w, value));
            queueMicrotask(step);
          },
          close: noop, error: noop,
        });
      }, noop);
    };
    step();
  });
}

// ---- Writable

const closing = (w) => w.closeRequest !== null || w.closeInFlight !== null;
const CLOSE = {};

function pressure(w) {
  const full = w.mark - w.total <= 0;
  if (w.writer !== null && full !== w.full) {
    if (full) w.ready = deferred();
    else w.ready.resolve();
  }
  w.full = full;
}

function startErroring(w, e) {
  w.state = 'erroring';
  w.error = e;
  if (w.writer !== null) failReady(w, e);
  if (w.inFlight === null && w.closeInFlight === null && w.started) finishErroring(w);
}
function failReady(w, e) {
  w.ready.reject(e);
  w.ready = deferred();
  w.ready.reject(e);
}

function finishErroring(w) {
  w.state = 'errored';
  w.queue = [];
  w.total = 0;
  const writes = w.writes;
  w.writes = [];
  for (const d of writes) d.reject(w.error);
  const abort = w.pendingAbort;
  w.pendingAbort = null;
  const rest = () => {
    w.closeRequest?.reject(w.error);
    w.closeRequest = null;
    w.closed?.reject(w.error);
  };
  if (abort === null) return rest();
  if (abort.erroring) {
    abort.reject(w.error);
    return rest();
  }
  attempt(w.abort, abort.reason).then(() => { abort.resolve(); rest(); }, (e) => { abort.reject(e); rest(); });
}

const lostWrite = (w, e) => (w.state === 'writable' ? startErroring(w, e) : finishErroring(w));

function advance(w) {
  if (!w.started || w.inFlight !== null || w.closeInFlight !== null) return;
  if (w.state === 'erroring') return finishErroring(w);
  if (w.queue.length === 0 || w.state !== 'writable') return;
  const [chunk, size] = w.queue[0];
  if (chunk === CLOSE) {
    w.queue.shift();
    const d = w.closeInFlight = w.closeRequest;
    w.closeRequest = null;
    attempt(w.close).then(() => {
      w.closeInFlight = null;
      d.resolve();
      if (w.state === 'erroring') {
        w.error = undefined;
        w.pendingAbort?.resolve();
        w.pendingAbort = null;
      }
      w.state = 'closed';
      w.closed?.resolve();
    }, (e) => {
      w.closeInFlight = null;
      d.reject(e);
      w.pendingAbort?.reject(e);
      w.pendingAbort = null;
      lostWrite(w, e);
    });
    return;
  }
  const d = w.inFlight = w.writes.shift();
  attempt(w.write, chunk, w.controller).then(() => {
    w.inFlight = null;
    d.resolve();
    w.queue.shift();
    w.total = w.queue.length === 0 ? 0 : w.total - size;
    if (!closing(w) && w.state === 'writable') pressure(w);
    advance(w);
  }, (e) => {
    w.inFlight = null;
    d.reject(e);
    lostWrite(w, e);
  });
}

function write(w, chunk) {
  let size = 1;
  try {
    size = measure(w.size, chunk);
  } catch (e) {
    if (w.state === 'writable') startErroring(w, e);
    return rejected(e);
  }
  if (w.state === 'errored' || w.state === 'erroring') return rejected(w.error);
  if (w.state === 'closed' || closing(w)) return rejected(new TypeError('the stream is closed'));
  const d = deferred();
  w.writes.push(d);
  w.queue.push([chunk, size]);
  w.total += size;
  pressure(w);
  advance(w);
  return d.promise;
}

function closeWritable(w) {
  if (w.state === 'closed' || w.state === 'errored') return rejected(new TypeError('the stream is closed'));
  if (closing(w)) return rejected(new TypeError('the stream is being closed'));
  const d = w.closeRequest = deferred();
  if (w.writer !== null && w.full && w.state === 'writable') w.ready.resolve();
  w.queue.push([CLOSE, 0]);
  advance(w);
  return d.promise;
}

function abortWritable(w, reason) {
  if (w.state === 'closed' || w.state === 'errored') return Promise.resolve();
  w.aborter.abort(reason);
  if (w.state === 'closed' || w.state === 'errored') return Promise.resolve();
  if (w.pendingAbort !== null) return w.pendingAbort.promise;
  const erroring = w.state === 'erroring';
  w.pendingAbort = { ...deferred(), reason: erroring ? undefined : reason, erroring };
  const { promise } = w.pendingAbort;
  if (!erroring) startErroring(w, reason);
  return promise;
}

class WritableStreamDefaultController {
  #w;
  constructor(secret, w) { illegal(secret); this.#w = w; }
  get signal() { return this.#w.aborter.signal; }
  error(e) { if (this.#w.state === 'writable') startErroring(this.#w, e); }
}

let writableOf; // writableOf(stream): w

class WritableStream {
  #w;
  constructor(sink, strategy) {
    if (sink === null) throw new TypeError('WritableStream: the sink must be an object');
    if (sink?.type !== undefined) throw new RangeError('WritableStream: type must be nothing');
    const { mark, size } = strategyOf(strategy, 1);
    const w = this.#w = {
      state: 'writable', error: undefined, writer: null, ready: null, closed: null, queue: [], total: 0, mark, size, full: mark <= 0,
      writes: [], inFlight: null, closeRequest: null, closeInFlight: null, pendingAbort: null, started: false,
      aborter: new (shared.use('events').AbortController)(), controller: null,
      write: method(sink, 'write') ?? noop, close: method(sink, 'close') ?? noop, abort: method(sink, 'abort') ?? noop,
    };
    const start = method(sink, 'start');
    w.controller = new WritableStreamDefaultController(token, w);
    const begun = start === undefined ? undefined : start(w.controller);
    Promise.resolve(begun).then(() => {
      w.started = true;
      advance(w);
    }, (e) => {
      w.started = true;
      lostWrite(w, e);
    });
  }
  static {
    writableOf = (stream) => {
      if (typeof stream !== 'object' || stream === null || !(#w in stream)) throw new TypeError('a WritableStream is needed');
      return stream.#w;
    };
  }
  get locked() { return this.#w.writer !== null; }
  abort(reason) {
    return this.#w.writer === null ? abortWritable(this.#w, reason) : rejected(new TypeError('the stream is locked to a writer'));
  }
  close() {
    return this.#w.writer === null ? closeWritable(this.#w) : rejected(new TypeError('the stream is locked to a writer'));
  }
  getWriter() { return new WritableStreamDefaultWriter(this); }
}

class WritableStreamDefaultWriter {
  #w;
  #closed = null;
  #ready = null;
  constructor(stream) {
    const w = writableOf(stream);
    if (w.writer !== null) throw new TypeError('the stream is locked to a writer');
    this.#w = w;
    w.writer = this;
    w.ready = deferred();
    w.closed = deferred();
    if (w.state === 'erroring' || w.state === 'errored') w.ready.reject(w.error);
    else if (w.state === 'closed' || closing(w) || !w.full) w.ready.resolve();
    if (w.state === 'closed') w.closed.resolve();
    if (w.state === 'errored') w.closed.reject(w.error);
  }
  #lost() { return new TypeError('the writer has been released'); }
  get closed() { return this.#closed ?? this.#w.closed.promise; }
  get ready() { return this.#ready ?? this.#w.ready.promise; }
  get desiredSize() {
    if (this.#w === null) throw this.#lost();
    const w = this.#w;
    return w.state === 'errored' || w.state === 'erroring' ? null : w.state === 'closed' ? 0 : w.mark - w.total;
  }
  abort(reason) { return this.#w === null ? rejected(this.#lost()) : abortWritable(this.#w, reason); }
  close() { return this.#w === null ? rejected(this.#lost()) : closeWritable(this.#w); }
  write(chunk) { return this.#w === null ? rejected(this.#lost()) : write(this.#w, chunk); }
  releaseLock() {
    const w = this.#w;
    if (w === null) return;
    const e = this.#lost();
    w.ready.reject(e);
    w.closed.reject(e);
    this.#ready = rejected(e);
    this.#closed = rejected(e);
    w.writer = w.ready = w.closed = this.#w = null;
  }
}

// ---- Transform

class TransformStreamDefaultController {
  #t;
  constructor(secret, t) { illegal(secret); this.#t = t; }
  get desiredSize() { return desired(this.#t.r); }
  enqueue(chunk) {
    const t = this.#t;
    try {
      enqueue(t.r, chunk);
    } catch (e) {
      if (t.r.state === 'errored') {
        unblock(t, t.r.error);
        throw t.r.error;
      }
      throw e;
    }
    const full = !(t.r.requests.length > 0 || desired(t.r) > 0);
    if (full !== t.full) turn(t, true);
  }
  error(e) { ruin(this.#t, e); }
  terminate() {
    const t = this.#t;
    if (t.r.state === 'readable' && !t.r.closing) closeReadable(t.r);
    unblock(t, new TypeError('the stream has been terminated'));
  }
}

function turn(t, full) {
  t.change?.resolve();
  t.change = deferred();
  t.full = full;
}
function unblock(t, e) {
  if (t.w.state === 'writable') startErroring(t.w, e);
  if (t.full) turn(t, false);
}
function ruin(t, e) {
  fail(t.r, e);
  unblock(t, e);
}

class TransformStream {
  #readable;
  #writable;
  constructor(transformer, writableStrategy, readableStrategy) {
    if (transformer === null) throw new TypeError('TransformStream: the transformer must be an object');
    if (transformer?.readableType !== undefined || transformer?.writableType !== undefined) throw new RangeError('TransformStream: types are reserved');
    const transform = method(transformer, 'transform') ?? ((chunk, controller) => controller.enqueue(chunk));
    const flush = method(transformer, 'flush') ?? noop;
    const leave = method(transformer, 'cancel') ?? noop;
    const start = method(transformer, 'start');
    const begun = deferred();
    const t = { r: null, w: null, full: undefined, change: null, ending: null };
    const controller = new TransformStreamDefaultController(token, t);
    const run = (chunk) => attempt(transform, chunk, controller).catch((e) => { ruin(t, e); throw e; });
    this.#writable = new WritableStream({
      start: () => begun.promise,
      async write(chunk) {
        if (t.full) {
          await t.change.promise;
          if (t.w.state === 'erroring') throw t.w.error;
        }
        await run(chunk);
      },
      close() {
        if (t.ending !== null) return t.ending;
        return t.ending = attempt(flush, controller).then(() => {
          if (t.r.state === 'errored') throw t.r.error;
          if (t.r.state === 'readable' && !t.r.closing) closeReadable(t.r);
        }, (e) => { fail(t.r, e); throw e; });
      },
      abort(reason) {
        if (t.ending !== null) return t.ending;
        return t.ending = attempt(leave, reason).then(() => {
          if (t.r.state === 'errored') throw t.r.error;
          fail(t.r, reason);
        }, (e) => { fail(t.r, e); throw e; });
      },
    }, writableStrategy);
    this.#readable = new ReadableStream({
      start: () => begun.promise,
      pull() {
        turn(t, false);
        return t.change.promise;
      },
      cancel(reason) {
        if (t.ending !== null) return t.ending;
        return t.ending = attempt(leave, reason).then(() => {
          if (t.w.state === 'errored') throw t.w.error;
          unblock(t, reason);
        }, (e) => { unblock(t, e); throw e; });
      },
    }, readableStrategy ?? { highWaterMark: 0 });
    t.r = stateOf(this.#readable);
    t.w = writableOf(this.#writable);
    if (readableStrategy !== undefined && readableStrategy?.highWaterMark === undefined) t.r.mark = 0;
    turn(t, true);
    if (start === undefined) begun.resolve();
    else begun.resolve(start(controller));
  }
  get readable() { return this.#readable; }
  get writable() { return this.#writable; }
}

return {
  ...tagged({
    __proto__: null, ReadableStream, ReadableStreamDefaultReader, ReadableStreamBYOBReader, ReadableStreamDefaultController,
    ReadableByteStreamController, ReadableStreamBYOBRequest, WritableStream, WritableStreamDefaultWriter,
    WritableStreamDefaultController, TransformStream, TransformStreamDefaultController, CountQueuingStrategy, ByteLengthQueuingStrategy,
  }),
  disturbed: (stream) => stateOf(stream).disturbed,
};
