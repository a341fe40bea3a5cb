// Blob, File (File API) and FormData (XMLHttpRequest Standard).

const { web, tagged, bytesOf, isBufferSource, hide } = shared;

const clamp = (n, size) => {
  n = Math.trunc(Number(n)) || 0;
  return n < 0 ? Math.max(size + n, 0) : Math.min(n, size);
};
const typeText = (type) => {
  type = `${type}`;
  return /[^\x20-\x7e]/.test(type) ? '' : type.toLowerCase();
};

let bytesOfBlob; // the bytes of a Blob, which nothing changes
let blobOf; // a Blob of bytes that nobody else has

class Blob {
  #bytes = new Uint8Array(0);
  #type = '';
  constructor(parts, options) {
    if (parts === undefined) parts = [];
    if (typeof parts !== 'object' || parts === null || typeof parts[Symbol.iterator] !== 'function') {
      throw new TypeError('Blob: the parts must be a list');
    }
    const native = options?.endings === 'native';
    this.#type = options?.type === undefined ? '' : typeText(options.type);
    const chunks = [];
    let size = 0;
    for (const part of parts) {
      const chunk = part instanceof Blob ? part.#bytes
        : new Uint8Array(isBufferSource(part) ? bytesOf(part) : web('text.encode', native ? `${part}`.replace(/\r\n?/g, '\n') : `${part}`));
      chunks.push(chunk);
      size += chunk.length;
    }
    if (chunks.length === 1) {
      this.#bytes = chunks[0];
      return;
    }
    this.#bytes = new Uint8Array(size);
    let at = 0;
    for (const chunk of chunks) {
      this.#bytes.set(chunk, at);
      at += chunk.length;
    }
  }
  static {
    bytesOfBlob = (blob) => (typeof blob === 'object' && blob !== null && #bytes in blob ? blob.#bytes : undefined);
    blobOf = (bytes, type) => {
      const blob = new Blob();
      blob.#bytes = bytes;
      blob.#type = typeText(type);
      return blob;
    };
  }
  get size() { return this.#bytes.length; }
  get type() { return this.#type; }
  slice(start = 0, end = this.#bytes.length, type = '') {
    const from = clamp(start, this.#bytes.length);
    return blobOf(this.#bytes.subarray(from, Math.max(clamp(end, this.#bytes.length), from)), type);
  }
  async arrayBuffer() { return this.#bytes.slice().buffer; }
  async bytes() { return this.#bytes.slice(); }
  async text() { return decode(this.#bytes); }
  stream() {
    const bytes = this.#bytes;
    const { ReadableStream } = shared.use('streams');
    return new ReadableStream({
      type: 'bytes',
      start(controller) {
        if (bytes.length > 0) controller.enqueue(bytes.slice());
        controller.close();
      },
    });
  }
}

// decode is the Encoding Standard's UTF-8 decode.
function decode(bytes) {
  const text = web('text.decode', 'utf-8', bytesOf(bytes));
  return text[0] === '\ufeff' ? text.slice(1) : text;
}

class File extends Blob {
  #name;
  #modified;
  constructor(parts, name, options) {
    if (arguments.length < 2) throw new TypeError('File: 2 arguments are needed');
    super(parts, options);
    this.#name = `${name}`.toWellFormed();
    this.#modified = options?.lastModified === undefined ? Date.now() : Math.trunc(Number(options.lastModified)) || 0;
  }
  get name() { return this.#name; }
  get lastModified() { return this.#modified; }
}

const fileOf = (blob, name) => {
  if (blob instanceof File && name === undefined) return blob;
  return new File([blob], name === undefined ? 'blob' : `${name}`, {
    type: blob.type, lastModified: blob instanceof File ? blob.lastModified : undefined,
  });
};

const iterate = shared.use('iteration').iteratorOf('FormData');

class FormData {
  #entries = [];
  constructor(form) {
    if (form !== undefined) throw new TypeError('FormData: there are no form elements here');
  }
  #entry(method, args) {
    if (args.length < 2) throw new TypeError(method + ': 2 arguments are needed');
    if (args.length > 2 && !(args[1] instanceof Blob)) throw new TypeError(method + ': with a file name, the value must be a Blob');
    return [`${args[0]}`.toWellFormed(), args[1] instanceof Blob ? fileOf(args[1], args[2]) : `${args[1]}`.toWellFormed()];
  }
  append(name, value, filename) { this.#entries.push(this.#entry('append', arguments)); }
  set(name, value, filename) {
    const entry = this.#entry('set', arguments);
    const at = this.#entries.findIndex((e) => e[0] === entry[0]);
    if (at < 0) this.#entries.push(entry);
    else this.#entries = this.#entries.filter((e, i) => i <= at || e[0] !== entry[0]).with(at, entry);
  }
  delete(name) { this.#entries = this.#entries.filter((e) => e[0] !== `${name}`); }
  get(name) { return this.#entries.find((e) => e[0] === `${name}`)?.[1] ?? null; }
  getAll(name) { return this.#entries.filter((e) => e[0] === `${name}`).map((e) => e[1]); }
  has(name) { return this.#entries.some((e) => e[0] === `${name}`); }
  forEach(callback, self) {
    if (typeof callback !== 'function') throw new TypeError('forEach: the callback must be a function');
    for (let i = 0; i < this.#entries.length; i++) callback.call(self, this.#entries[i][1], this.#entries[i][0], this);
  }
  entries() { return this.#iterate((e) => [e[0], e[1]]); }
  keys() { return this.#iterate((e) => e[0]); }
  values() { return this.#iterate((e) => e[1]); }
  #iterate(show) { return iterate(() => this.#entries, show); }
}
hide(FormData.prototype, Symbol.iterator, FormData.prototype.entries);

// multipart is a form as multipart/form-data: [bytes, content type].
function multipart(form) {
  const boundary = '----BulkheadFormBoundary' + web('crypto.uuid').replaceAll('-', '');
  const escape = (name) => name.replace(/\r\n|\n|\r/g, '%0D%0A').replaceAll('"', '%22');
  const parts = [];
  for (const [name, value] of form) {
    let head = `--${boundary}\r\nContent-Disposition: form-data; name="${escape(name)}"`;
    if (typeof value === 'string') {
      parts.push(`${head}\r\n\r\n${value.replace(/\r\n|\n|\r/g, '\r\n')}\r\n`);
      continue;
    }
    head += `; filename="${escape(value.name)}"\r\nContent-Type: ${value.type || 'application/octet-stream'}`;
    parts.push(head + '\r\n\r\n', value, '\r\n');
  }
  parts.push(`--${boundary}--\r\n`);
  return [bytesOfBlob(new Blob(parts)), 'multipart/form-data; boundary=' + boundary];
}

// parseForm is the form in bytes of a content type.
function parseForm(bytes, type) {
  const form = new FormData();
  if (/^\s*application\/x-www-form-urlencoded\s*(;|$)/i.test(type)) {
    for (const [name, value] of web('url.query', web('text.decode', 'utf-8', bytesOf(bytes))).pairs) form.append(name, value);
    return form;
  }
  for (const part of web('form.parse', type, bytesOf(bytes)).parts) {
    const data = bytes.slice(part.start, part.end);
    if (part.filename === undefined) form.append(part.name, web('text.decode', 'utf-8', data.buffer));
    else form.append(part.name, new File([data], part.filename, { type: part.type || 'text/plain' }));
  }
  return form;
}

const serializable = shared.use('clone').serializable;
serializable.push((value) => {
  const bytes = bytesOfBlob(value);
  if (bytes === undefined) return undefined;
  return value instanceof File
    ? new File([value], value.name, { type: value.type, lastModified: value.lastModified }) : blobOf(bytes, value.type);
});

return { ...tagged({ __proto__: null, Blob, File, FormData }), bytesOfBlob, blobOf, multipart, parseForm, decode };
