// TransformStream.

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
