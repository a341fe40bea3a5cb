// StringDecoder, as https://nodejs.org/api/string_decoder.html describes it:
// what is left of a character waits for the next piece.
'use strict';

const { Buffer } = require('bulkhead:buffer');

// incomplete is how many bytes at the end begin a character that goes on.
function incomplete(bytes, encoding) {
  const n = bytes.length;
  switch (encoding) {
    case 'base64': case 'base64url':
      return n % 3;
    case 'utf16le': {
      const odd = n % 2;
      const last = n - odd >= 2 ? bytes[n - odd - 1] : 0;
      return odd + (last >= 0xd8 && last <= 0xdb ? 2 : 0);
    }
    case 'utf8':
      for (let back = 1; back <= Math.min(3, n); back++) {
        const b = bytes[n - back];
        if ((b & 0xc0) === 0x80) continue;
        const length = b >= 0xf0 && b <= 0xf4 ? 4 : b >= 0xe0 && b < 0xf0 ? 3 : b >= 0xc2 && b < 0xe0 ? 2 : 1;
        return back < length ? back : 0;
      }
  }
  return 0;
}

class StringDecoder {
  #rest = Buffer.alloc(0);

  constructor(encoding = 'utf8') {
    if (!Buffer.isEncoding(encoding)) {
      const e = new TypeError('Unknown encoding: ' + encoding);
      e.code = 'ERR_UNKNOWN_ENCODING';
      throw e;
    }
    const name = encoding.toLowerCase();
    this.encoding = { 'utf-8': 'utf8', ucs2: 'utf16le', 'ucs-2': 'utf16le', 'utf-16le': 'utf16le', binary: 'latin1' }[name] ?? name;
  }

  write(piece) {
    if (typeof piece === 'string') return piece;
    const bytes = this.#rest.length > 0 ? Buffer.concat([this.#rest, piece]) : Buffer.from(piece.buffer, piece.byteOffset, piece.byteLength);
    const cut = bytes.length - incomplete(bytes, this.encoding);
    this.#rest = Buffer.from(bytes.subarray(cut));
    return bytes.toString(this.encoding, 0, cut);
  }

  end(piece) {
    const text = piece === undefined ? '' : this.write(piece);
    const rest = this.#rest.toString(this.encoding);
    this.#rest = Buffer.alloc(0);
    return text + rest;
  }
}

module.exports = { StringDecoder };
