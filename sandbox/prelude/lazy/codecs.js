// The streams that encode, decode, compress and decompress. What they compress
// or decompress comes out at the end, in one piece: Go does it, and keeps no
// state between calls.

const { web, tagged, bytesOf } = shared;
const { TransformStream } = shared.use('streams');
const { TextDecoder } = shared.use('encoding');

class TextEncoderStream {
  #stream;
  constructor() {
    let high = '';
    const encode = (text) => new Uint8Array(web('text.encode', text));
    this.#stream = new TransformStream({
      transform(chunk, controller) {
        let text = high + `${chunk}`;
        high = '';
        const last = text.charCodeAt(text.length - 1);
        if (last >= 0xd800 && last < 0xdc00) {
          high = text[text.length - 1];
          text = text.slice(0, -1);
        }
        if (text !== '') controller.enqueue(encode(text));
      },
      flush(controller) { if (high !== '') controller.enqueue(encode(high)); },
    });
  }
  get encoding() { return 'utf-8'; }
  get readable() { return this.#stream.readable; }
  get writable() { return this.#stream.writable; }
}

class TextDecoderStream {
  #stream;
  #decoder;
  constructor(label, options) {
    const decoder = this.#decoder = new TextDecoder(label, options);
    this.#stream = new TransformStream({
      transform(chunk, controller) {
        const text = decoder.decode(chunk, { stream: true });
        if (text !== '') controller.enqueue(text);
      },
      flush(controller) {
        const text = decoder.decode();
        if (text !== '') controller.enqueue(text);
      },
    });
  }
  get encoding() { return this.#decoder.encoding; }
  get fatal() { return this.#decoder.fatal; }
  get ignoreBOM() { return this.#decoder.ignoreBOM; }
  get readable() { return this.#stream.readable; }
  get writable() { return this.#stream.writable; }
}

function codec(op, format) {
  format = `${format}`;
  if (format !== 'gzip' && format !== 'deflate' && format !== 'deflate-raw') {
    throw new TypeError(`unsupported compression format '${format}'`);
  }
  const chunks = [];
  let size = 0;
  return new TransformStream({
    transform(chunk) {
      const bytes = new Uint8Array(bytesOf(chunk, 'a chunk'));
      chunks.push(bytes);
      size += bytes.length;
    },
    flush(controller) {
      const all = new Uint8Array(size);
      let at = 0;
      for (const chunk of chunks) {
        all.set(chunk, at);
        at += chunk.length;
      }
      chunks.length = 0;
      const out = new Uint8Array(web(op, format, all.buffer));
      if (out.length > 0) controller.enqueue(out);
    },
  });
}

class CompressionStream {
  #stream;
  constructor(format) { this.#stream = codec('compress', format); }
  get readable() { return this.#stream.readable; }
  get writable() { return this.#stream.writable; }
}

class DecompressionStream {
  #stream;
  constructor(format) { this.#stream = codec('decompress', format); }
  get readable() { return this.#stream.readable; }
  get writable() { return this.#stream.writable; }
}

return tagged({ __proto__: null, TextEncoderStream, TextDecoderStream, CompressionStream, DecompressionStream });
