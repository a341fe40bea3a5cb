// The bodies of Request and Response, after the Fetch Standard.

const { web, bytesOf, isBufferSource, hostStream } = shared;

// extract takes a body as tenants give it: {data, type} where data is text or
// bytes, or {stream, type}.
function extract(body) {
  if (typeof body === 'object' && body !== null) {
    if (isBufferSource(body)) return { data: new Uint8Array(bytesOf(body)), type: null };
    const tag = Object.prototype.toString.call(body);
    if (tag === '[object URLSearchParams]') {
      return { data: body.toString(), type: 'application/x-www-form-urlencoded;charset=UTF-8' };
    }
    if (tag === '[object Blob]' || tag === '[object File]') {
      const bytes = shared.use('blob').bytesOfBlob(body);
      if (bytes !== undefined) return { data: bytes, type: body.type === '' ? null : body.type };
    }
    if (tag === '[object FormData]') {
      const [data, type] = shared.use('blob').multipart(body);
      return { data, type };
    }
    if (tag === '[object ReadableStream]') {
      if (body.locked || shared.use('streams').disturbed(body)) throw new TypeError('the body\'s stream is locked or has been read');
      return { stream: body, type: null };
    }
  }
  return { data: `${body}`.toWellFormed(), type: 'text/plain;charset=UTF-8' };
}

const encode = (data) => (typeof data === 'string' ? new Uint8Array(web('text.encode', data)) : data);
const decode = (data) => {
  if (typeof data === 'string') return data[0] === '\ufeff' ? data.slice(1) : data;
  const text = web('text.decode', 'utf-8', data.length === data.buffer.byteLength ? data.buffer : bytesOf(data));
  return text[0] === '\ufeff' ? text.slice(1) : text;
};

// joined is all chunks as one; it lets go of each as it is copied.
function joined(chunks) {
  const all = new Uint8Array(chunks.reduce((size, chunk) => size + chunk.length, 0));
  let at = 0;
  for (let i = 0; i < chunks.length; i++) {
    all.set(chunks[i], at);
    at += chunks[i].length;
    chunks[i] = undefined;
  }
  return all;
}

const notBytes = () => new TypeError('a chunk of a body must be a Uint8Array');

async function drain(stream) {
  const reader = stream.getReader();
  const chunks = [];
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return joined(chunks);
    if (!(value instanceof Uint8Array)) throw notBytes();
    chunks.push(value);
  }
}

// Incoming is a body that comes from the host in pieces, as they are asked for.
class Incoming {
  constructor(id) {
    this.host = hostStream(id);
    this.over = false;
    this.failed = null; // {reason}, once it was aborted
    this.controller = null;
  }
  // read gives the next piece, undefined at the end.
  async read() {
    try {
      if (this.failed !== null) throw this.failed.reason;
      const piece = await this.host.read();
      if (this.failed !== null) throw this.failed.reason;
      if (piece === undefined) this.over = true;
      return piece === undefined ? undefined : new Uint8Array(piece);
    } catch (e) {
      this.over = true;
      throw this.failed !== null ? this.failed.reason : e;
    }
  }
  async drain() {
    const chunks = [];
    for (let piece; (piece = await this.read()) !== undefined;) chunks.push(piece);
    return chunks.length === 1 ? chunks[0] : joined(chunks);
  }
  async cancel() {
    if (this.over) return;
    this.over = true;
    await this.host.cancel();
  }
  // abort ends it with an error that whoever reads it gets.
  abort(reason) {
    if (this.over) return;
    this.failed = { reason };
    this.controller?.error(reason);
    this.cancel().catch(() => {});
  }
  stream() {
    const { ReadableStream } = shared.use('streams');
    return new ReadableStream({
      type: 'bytes',
      start: (controller) => { this.controller = controller; },
      pull: async (controller) => {
        const piece = await this.read();
        if (piece !== undefined) return controller.enqueue(piece);
        controller.close();
        controller.byobRequest?.respond(0);
      },
      cancel: () => this.cancel(),
    });
  }
}

// Body is the state that Request and Response keep of a body: null, data, a
// stream, or what comes from the host.
class Body {
  constructor(source) {
    this.data = source?.data;
    this.given = source?.stream ?? null;
    this.incoming = source?.incoming ?? null;
    this.none = source === null;
    this.used = false;
  }
  get stream() {
    if (this.none) return null;
    if (this.given === null) {
      const { data, used, incoming } = this;
      const { ReadableStream } = shared.use('streams');
      this.given = incoming !== null ? incoming.stream() : new ReadableStream({
        type: 'bytes',
        pull(controller) {
          const bytes = encode(data);
          if (bytes.length > 0 && !used) controller.enqueue(bytes.slice());
          controller.close();
          controller.byobRequest?.respond(0);
        },
      });
      if (used) this.given.getReader();
    }
    return this.given;
  }
  get isUsed() {
    return this.used || (!this.none && this.given !== null && shared.use('streams').disturbed(this.given));
  }
  get isData() { return !this.none && this.data !== undefined && this.given === null; }
  get isLocked() { return this.given !== null && this.given.locked; }
  // take reads it all, once: text or bytes. Bytes that came from a stream are
  // nobody else's.
  async take() {
    if (this.none) return '';
    if (this.isUsed || this.isLocked) throw new TypeError('the body has been read already, or is locked');
    this.used = true;
    if (this.given !== null) return drain(this.given);
    return this.incoming !== null ? this.incoming.drain() : this.data;
  }
  // takeBytes is take for bytes that the caller may keep.
  async takeBytes() {
    const taken = await this.take();
    return taken === this.data ? encode(taken).slice() : encode(taken);
  }
  // passOn makes a body of this one, which is used up.
  passOn() {
    const body = new Body({ data: this.data, stream: this.given ?? undefined, incoming: this.incoming ?? undefined });
    this.used = true;
    return body;
  }
  clone() {
    if (this.none) return new Body(null);
    if (this.isUsed || this.isLocked) throw new TypeError('a body that has been read cannot be cloned');
    if (this.given === null && this.incoming === null) return new Body({ data: this.data });
    const [a, b] = this.stream.tee();
    this.given = a;
    this.data = undefined;
    this.incoming = null;
    return new Body({ stream: b });
  }
}

// mixin gives a class what Request and Response share. bodyOf and typeOf read an
// instance, and throw on anything else.
function mixin(Class, bodyOf) {
  const members = {
    get body() { return bodyOf(this).stream; },
    get bodyUsed() { return bodyOf(this).isUsed; },
    async text() { return decode(await bodyOf(this).take()); },
    async json() { return JSON.parse(decode(await bodyOf(this).take())); },
    async bytes() { return bodyOf(this).takeBytes(); },
    async arrayBuffer() { return (await bodyOf(this).takeBytes()).buffer; },
    async blob() {
      const type = this.headers.get('content-type') ?? '';
      return shared.use('blob').blobOf(await bodyOf(this).takeBytes(), type);
    },
    async formData() {
      const type = this.headers.get('content-type') ?? '';
      return shared.use('blob').parseForm(encode(await bodyOf(this).take()), type);
    },
  };
  Object.defineProperties(Class.prototype, Object.getOwnPropertyDescriptors(members));
}

// wire is a body as the host takes it: body for text, bodyBase64 for bytes that
// are not.
function wire(out, data) {
  if (typeof data === 'string') {
    out.body = data;
    return out;
  }
  try {
    out.body = web('text.decode', 'utf-8', bytesOf(data), 1);
  } catch {
    out.bodyBase64 = web('base64.encode', bytesOf(data));
  }
  return out;
}

// given is a body as an event or a host call's answer has it.
function given(from) {
  if (from?.bodyStream !== undefined) return { incoming: new Incoming(from.bodyStream) };
  if (from?.bodyBase64 !== undefined && from.bodyBase64 !== null) return { data: new Uint8Array(web('base64.decode', `${from.bodyBase64}`)) };
  const body = from?.body;
  if (body === undefined || body === null) return null;
  return { data: isBufferSource(body) ? new Uint8Array(bytesOf(body)) : `${body}` };
}

return { Body, extract, encode, mixin, wire, given, notBytes };
