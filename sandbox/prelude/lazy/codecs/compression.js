// CompressionStream and DecompressionStream, after the Compression Standard. Go
// does a piece at a time, and what it needs to go on is kept here. A piece is
// made when someone reads: nothing runs ahead of the reader.

const MOST_PIECE = 262144; // what Go takes at once
const PIECE = 65536;
const INFLATED = 5; // the first byte of inflate's state at the end

// piece calls Go, and returns [state, how much of the input was used, output].
function piece(op, format, state, input, last) {
  const result = web(op, format, state, bytesOf(input), last);
  const head = new DataView(result);
  const end = 8 + head.getUint32(0, true);
  return [result.slice(8, end), head.getUint32(4, true), new Uint8Array(result.slice(end))];
}

function joined(a, b) {
  if (a.length === 0) return b;
  const all = new Uint8Array(a.length + b.length);
  all.set(a);
  all.set(b, a.length);
  return all;
}

// A codec is given bytes, and asked for the next piece until that is null: it
// wants more, or at the end is done.

class Compressor {
  #format;
  #state;
  #pending = new Uint8Array(0);
  #done = false;
  constructor(format) { this.#format = format; }
  put(bytes) { this.#pending = joined(this.#pending, bytes); }
  next(ended) {
    while (!this.#done && (ended || this.#pending.length >= PIECE)) {
      this.#done = ended && this.#pending.length <= MOST_PIECE;
      const [state, used, out] = piece('deflate', this.#format, this.#state, this.#pending.subarray(0, MOST_PIECE), this.#done ? 1 : 0);
      this.#state = state;
      this.#pending = this.#pending.slice(used);
      if (out.length > 0) return out;
    }
    return null;
  }
}

class Decompressor {
  #format;
  #state;
  #pending = new Uint8Array(0);
  #done = false;
  constructor(format) { this.#format = format; }
  put(bytes) { this.#pending = joined(this.#pending, bytes); }
  next(ended) {
    for (let most = PIECE; !this.#done;) {
      const [state, used, out] = piece('inflate', this.#format, this.#state, this.#pending.subarray(0, most));
      this.#state = state;
      this.#done = new Uint8Array(state)[0] === INFLATED;
      this.#pending = this.#pending.subarray(used);
      if (out.length > 0) return out;
      if (used > 0 || this.#done) continue;
      if (this.#pending.length <= most) break;
      most = MOST_PIECE;
    }
    if (this.#done && this.#pending.length > 0) throw new TypeError('The compressed data goes on behind its end');
    if (ended && !this.#done) throw new TypeError('The compressed data ends too early');
    return null;
  }
}

// streamsOf makes the two ends of a codec. A write is done when all of its bytes
// have been used.
function streamsOf(codec) {
  let ended = false;
  let arrived = Promise.withResolvers(); // a write or the close, for the reader
  let busy = null; // the write or the close under way
  let source;
  let sink;
  const stop = (e) => {
    source.error(e);
    busy?.reject(e);
    throw e;
  };
  const hand = () => {
    busy = Promise.withResolvers();
    arrived.resolve();
    return busy.promise;
  };
  const readable = new ReadableStream({
    start(controller) { source = controller; },
    async pull() {
      for (;;) {
        let chunk;
        try {
          chunk = codec.next(ended);
        } catch (e) {
          stop(e);
        }
        if (chunk !== null) return source.enqueue(chunk);
        if (ended) source.close();
        busy?.resolve();
        if (ended) return;
        await arrived.promise;
        arrived = Promise.withResolvers();
      }
    },
    cancel(reason) {
      sink.error(reason);
      busy?.reject(reason);
    },
  }, { highWaterMark: 0 });
  const writable = new WritableStream({
    start(controller) { sink = controller; },
    write(chunk) {
      try {
        codec.put(new Uint8Array(bytesOf(chunk, 'a chunk')));
      } catch (e) {
        stop(e);
      }
      return hand();
    },
    close() {
      ended = true;
      return hand();
    },
    abort(reason) { source.error(reason); },
  });
  return { readable, writable };
}

function formatOf(format) {
  format = `${format}`;
  if (format !== 'gzip' && format !== 'deflate' && format !== 'deflate-raw') {
    throw new TypeError(`unsupported compression format '${format}'`);
  }
  return format;
}

class CompressionStream {
  #streams;
  constructor(format) { this.#streams = streamsOf(new Compressor(formatOf(format))); }
  get readable() { return this.#streams.readable; }
  get writable() { return this.#streams.writable; }
}

class DecompressionStream {
  #streams;
  constructor(format) { this.#streams = streamsOf(new Decompressor(formatOf(format))); }
  get readable() { return this.#streams.readable; }
  get writable() { return this.#streams.writable; }
}

return tagged({ __proto__: null, TextEncoderStream, TextDecoderStream, CompressionStream, DecompressionStream });
