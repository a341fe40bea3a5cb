// The class ReadableStream.

// StreamIterator is what for await gets.
class StreamIterator {
  #reader;
  #r;
  #keep; // the stream is not canceled
  #ended = false;
  #busy = 0; // reads under way
  #last = Promise.resolve();
  constructor(reader, r, keep) {
    this.#reader = reader;
    this.#r = r;
    this.#keep = keep;
  }
  #end(value) {
    this.#ended = true;
    this.#reader.releaseLock();
    return { value, done: true };
  }
  async #read() {
    try {
      if (this.#ended) return { value: undefined, done: true };
      const step = await this.#reader.read();
      return step.done ? this.#end(undefined) : step;
    } catch (e) {
      this.#end();
      throw e;
    } finally {
      this.#busy--;
    }
  }
  async #leave(value) {
    if (this.#ended) return { value, done: true };
    const result = this.#keep ? undefined : cancel(this.#r, value);
    this.#end();
    await result;
    return { value, done: true };
  }
  next() {
    this.#busy++;
    const read = () => this.#read();
    return this.#last = this.#last.then(read, read);
  }
  // At once where that is possible: QuickJS does not wait for it after break.
  return(value) {
    const leave = () => this.#leave(value);
    return this.#last = this.#busy === 0 ? leave() : this.#last.then(leave, leave);
  }
}
delete StreamIterator.prototype.constructor;
Object.setPrototypeOf(StreamIterator.prototype, Object.getPrototypeOf(Object.getPrototypeOf(async function* () {}).prototype));
for (const name of ['next', 'return']) Object.defineProperty(StreamIterator.prototype, name, { enumerable: true });

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
  values(options) { return new StreamIterator(this.getReader(), this.#r, Boolean(options?.preventCancel)); }
}
hide(ReadableStream.prototype, Symbol.asyncIterator, ReadableStream.prototype.values);
