// Byte streams, whose requests bring their own buffer, and the controllers.

const filled = (into, n) => new into.Class(into.buffer, into.offset, n / into.unit);

function serve(r) {
  while (r.requests.length > 0 && r.queue.length > 0) {
    const q = r.requests[0];
    if (q.into === undefined || (q.into.auto && q.into.filled === 0)) {
      r.requests.shift();
      q.chunk(dequeue(r));
      continue;
    }
    const into = q.into;
    let room = Math.min(r.total, into.length - into.filled);
    const ready = into.filled + room >= into.least;
    if (ready) room -= (into.filled + room) % into.unit;
    const target = new Uint8Array(into.buffer, into.offset, into.length);
    while (room > 0) {
      const head = r.queue[0][0];
      const n = Math.min(room, head.length);
      target.set(head.subarray(0, n), into.filled);
      into.filled += n;
      room -= n;
      r.total -= n;
      if (n === head.length) r.queue.shift();
      else r.queue[0] = [head.subarray(n), head.length - n];
    }
    if (!ready) break;
    r.requests.shift();
    q.chunk(filled(into, into.filled));
  }
  if (r.closing && r.queue.length === 0 && r.state === 'readable') finish(r);
}

class ReadableStreamBYOBRequest {
  #r;
  #into;
  constructor(secret, r, into) {
    illegal(secret);
    this.#r = r;
    this.#into = into;
  }
  #check() { if (this.#r.byob !== this) throw new TypeError('the request has been answered'); }
  get view() {
    if (this.#r.byob !== this) return null;
    return new Uint8Array(this.#into.buffer, this.#into.offset + this.#into.filled, this.#into.length - this.#into.filled);
  }
  respond(n) {
    this.#check();
    n = Number(n);
    const into = this.#into;
    const r = this.#r;
    if (!(n >= 0 && n <= into.length - into.filled)) throw new RangeError('respond: more bytes than the view has');
    if (n === 0 && !r.closing) throw new TypeError('respond: no bytes, and the stream is not closed');
    r.byob = null;
    into.filled += n;
    if (into.filled >= into.least) {
      r.requests.shift();
      const over = into.filled % into.unit;
      if (over > 0) {
        const at = into.offset + into.filled - over;
        r.queue.unshift([new Uint8Array(into.buffer.slice(at, at + over)), over]);
        r.total += over;
      }
      const q = this.#request;
      q.chunk(filled(into, into.filled - over));
    }
    pull(r);
  }
  respondWithNewView(view) {
    this.#check();
    if (!ArrayBuffer.isView(view)) throw new TypeError('respondWithNewView: a view is needed');
    const n = view.byteLength;
    const into = this.#into;
    if (view.byteOffset !== into.offset + into.filled || n > into.length - into.filled) throw new RangeError('respondWithNewView: another part of the buffer');
    into.buffer = view.buffer.transfer();
    this.respond(n);
  }
  get #request() { return this.#into.request; }
}

class ReadableByteStreamController {
  #r;
  constructor(secret, r) { illegal(secret); this.#r = r; }
  get byobRequest() {
    const r = this.#r;
    const q = r.requests[0];
    if (r.byob === null && q?.into !== undefined) {
      q.into.request = q;
      r.byob = new ReadableStreamBYOBRequest(token, r, q.into);
    }
    return r.byob;
  }
  get desiredSize() { return desired(this.#r); }
  enqueue(chunk) { enqueue(this.#r, chunk); }
  close() { closeReadable(this.#r); }
  error(e) { fail(this.#r, e); }
}

class ReadableStreamDefaultController {
  #r;
  constructor(secret, r) { illegal(secret); this.#r = r; }
  get desiredSize() { return desired(this.#r); }
  enqueue(chunk) { enqueue(this.#r, chunk); }
  close() { closeReadable(this.#r); }
  error(e) { fail(this.#r, e); }
}
