// The streams that encode and decode text, after the Encoding Standard.

const { web, tagged, bytesOf } = shared;
const { ReadableStream, WritableStream, TransformStream } = shared.use('streams');
const { TextDecoder } = shared.use('encoding');

class TextEncoderStream {
  #encoding = 'utf-8';
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
  get encoding() { return this.#encoding; }
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

