// TextEncoder, TextDecoder, atob and btoa, after the Encoding and HTML Standards.

const { web, tagged, viewOf, bytesOf } = shared;

class TextEncoder {
  #encoding = 'utf-8';
  get encoding() { return this.#encoding; }
  encode(input = '') {
    void this.#encoding; // which no other object has
    return new Uint8Array(web('text.encode', `${input}`));
  }
  encodeInto(source, destination) {
    source = `${source}`;
    if (!(destination instanceof Uint8Array)) throw new TypeError('encodeInto: the destination must be a Uint8Array');
    let written = 0;
    let read = 0;
    if (source.length <= destination.length / 3) {
      const bytes = this.encode(source);
      destination.set(bytes);
      return { read: source.length, written: bytes.length };
    }
    const bytes = this.encode(source.slice(0, destination.length + 1));
    while (written < bytes.length) {
      const c = bytes[written];
      const size = c < 0x80 ? 1 : c < 0xe0 ? 2 : c < 0xf0 ? 3 : 4;
      if (written + size > destination.length) break;
      written += size;
      read += size === 4 ? 2 : 1;
    }
    destination.set(bytes.subarray(0, written));
    return { read, written };
  }
}

class TextDecoder {
  #encoding;
  #fatal;
  #ignoreBOM;
  #rest = null;
  #started = false;
  constructor(label = 'utf-8', options = {}) {
    label = `${label}`;
    this.#encoding = label === 'utf-8' ? label : web('text.label', label);
    this.#fatal = Boolean(options?.fatal);
    this.#ignoreBOM = Boolean(options?.ignoreBOM);
  }
  get encoding() { return this.#encoding; }
  get fatal() { return this.#fatal; }
  get ignoreBOM() { return this.#ignoreBOM; }
  decode(input, options) {
    const more = Boolean(options?.stream);
    let bytes = input === undefined ? new ArrayBuffer(0) : bytesOf(input, 'decode: the input');
    if (this.#rest !== null) {
      const joined = new Uint8Array(this.#rest.length + bytes.byteLength);
      joined.set(this.#rest);
      joined.set(new Uint8Array(bytes), this.#rest.length);
      bytes = joined.buffer;
      this.#rest = null;
    }
    let text;
    try {
      text = web('text.decode', this.#encoding, bytes, this.#fatal ? 1 : 0, more ? 1 : 0);
    } catch (e) {
      this.#started = false;
      throw e;
    }
    if (typeof text !== 'string') {
      this.#rest = new Uint8Array(bytes).slice(bytes.byteLength - text.rest);
      text = text.text;
    }
    if (!this.#started && text !== '') {
      this.#started = true;
      if (!this.#ignoreBOM && text[0] === '\ufeff' && this.#encoding.startsWith('utf-')) text = text.slice(1);
    }
    if (!more) this.#started = false;
    return text;
  }
}

const needed = (n, name) => {
  if (n === 0) throw new TypeError(name + ': 1 argument is needed');
};
const functions = {
  __proto__: null,
  atob(data) { needed(arguments.length, 'atob'); return web('base64.atob', `${data}`); },
  btoa(data) { needed(arguments.length, 'btoa'); return web('base64.btoa', `${data}`); },
};

return { ...tagged({ __proto__: null, TextEncoder, TextDecoder }), ...functions };
