// The class WritableStream, its controller and its writer.

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
