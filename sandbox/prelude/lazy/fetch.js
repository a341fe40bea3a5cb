// Headers, Request, Response and fetch, after the Fetch Standard.

const { web, tagged, bytesOf, isBufferSource, hide } = shared;

const nameText = (name) => {
  name = `${name}`;
  if (!/^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/.test(name)) throw new TypeError('not a header name: ' + shared.stringify(name.slice(0, 100)));
  return name.toLowerCase();
};
const valueText = (value) => {
  value = `${value}`.replace(/^[\t\n\r ]+|[\t\n\r ]+$/g, '');
  if (/[\0\r\n]|[^\0-\xff]/.test(value)) throw new TypeError('not a header value: ' + shared.stringify(value.slice(0, 100)));
  return value;
};

let guard; // guard(headers): makes them immutable

class Headers {
  #list = []; // [lower name, value]
  #fixed = false;
  constructor(init) {
    if (init === undefined) return;
    if (init === null || (typeof init !== 'object' && typeof init !== 'function')) throw new TypeError('Headers: pairs or an object are needed');
    if (#list in init && init[Symbol.iterator] === Headers.prototype.entries) {
      this.#list = init.#list.map((h) => [h[0], h[1]]);
      return;
    }
    const iterate = init[Symbol.iterator];
    if (iterate !== undefined && iterate !== null) {
      for (const item of init) {
        const pair = typeof item === 'object' && item !== null ? [...item] : [];
        if (pair.length !== 2) throw new TypeError('Headers: each item must be a pair of a name and a value');
        this.append(pair[0], pair[1]);
      }
    } else {
      for (const key of Reflect.ownKeys(init)) {
        if (!Object.getOwnPropertyDescriptor(init, key)?.enumerable) continue;
        if (typeof key === 'symbol') throw new TypeError('Headers: a name cannot be a symbol');
        this.append(key, init[key]);
      }
    }
  }
  static { guard = (headers) => { headers.#fixed = true; return headers; }; }
  #change() { if (this.#fixed) throw new TypeError('these headers cannot be changed'); }
  append(name, value) {
    name = nameText(name);
    value = valueText(value);
    this.#change();
    this.#list.push([name, value]);
  }
  delete(name) {
    name = nameText(name);
    this.#change();
    this.#list = this.#list.filter((h) => h[0] !== name);
  }
  get(name) {
    name = nameText(name);
    const found = this.#list.filter((h) => h[0] === name);
    return found.length === 0 ? null : found.map((h) => h[1]).join(', ');
  }
  getSetCookie() { return this.#list.filter((h) => h[0] === 'set-cookie').map((h) => h[1]); }
  has(name) {
    name = nameText(name);
    return this.#list.some((h) => h[0] === name);
  }
  set(name, value) {
    name = nameText(name);
    value = valueText(value);
    this.#change();
    const at = this.#list.findIndex((h) => h[0] === name);
    if (at < 0) this.#list.push([name, value]);
    else this.#list = this.#list.filter((h, i) => i <= at || h[0] !== name).with(at, [name, value]);
  }
  #sorted() {
    const out = [];
    const names = [...new Set(this.#list.map((h) => h[0]))].sort();
    for (const name of names) {
      if (name === 'set-cookie') for (const value of this.getSetCookie()) out.push([name, value]);
      else out.push([name, this.get(name)]);
    }
    return out;
  }
  forEach(callback, self) {
    if (typeof callback !== 'function') throw new TypeError('forEach: the callback must be a function');
    for (const [name, value] of this.entries()) callback.call(self, value, name, this);
  }
  *entries() {
    for (let i = 0; ; i++) {
      const list = this.#sorted();
      if (i >= list.length) return;
      yield list[i];
    }
  }
  *keys() { for (const h of this.entries()) yield h[0]; }
  *values() { for (const h of this.entries()) yield h[1]; }
}
hide(Headers.prototype, Symbol.iterator, Headers.prototype.entries);

// ---- Bodies

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
  const text = web('text.decode', 'utf-8', bytesOf(data));
  return text[0] === '\ufeff' ? text.slice(1) : text;
};

async function drain(stream) {
  const reader = stream.getReader();
  const chunks = [];
  let size = 0;
  for (;;) {
    const { value, done } = await reader.read();
    if (done) break;
    if (!(value instanceof Uint8Array)) throw new TypeError('a chunk of a body must be a Uint8Array');
    chunks.push(value);
    size += value.length;
  }
  const all = new Uint8Array(size);
  let at = 0;
  for (const chunk of chunks) {
    all.set(chunk, at);
    at += chunk.length;
  }
  return all;
}

// Body is the state that Request and Response keep of a body: null, or data, or
// a stream.
class Body {
  constructor(source) {
    this.data = source?.data;
    this.given = source?.stream ?? null;
    this.none = source === null;
    this.used = false;
  }
  get stream() {
    if (this.none) return null;
    if (this.given === null) {
      const { data, used } = this;
      const { ReadableStream } = shared.use('streams');
      this.given = new ReadableStream({
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
  get isLocked() { return this.given !== null && this.given.locked; }
  // take reads it all, once: text or bytes.
  async take() {
    if (this.none) return '';
    if (this.isUsed || this.isLocked) throw new TypeError('the body has been read already, or is locked');
    this.used = true;
    if (this.data !== undefined && this.given === null) return this.data;
    return drain(this.given);
  }
  clone() {
    if (this.none) return new Body(null);
    if (this.isUsed || this.isLocked) throw new TypeError('a body that has been read cannot be cloned');
    if (this.given === null) return new Body({ data: this.data });
    const [a, b] = this.given.tee();
    this.given = a;
    this.data = undefined;
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
    async bytes() { return encode(await bodyOf(this).take()).slice(); },
    async arrayBuffer() { return encode(await bodyOf(this).take()).slice().buffer; },
    async blob() {
      const type = this.headers.get('content-type') ?? '';
      return shared.use('blob').blobOf(encode(await bodyOf(this).take()).slice(), type);
    },
    async formData() {
      const type = this.headers.get('content-type') ?? '';
      return shared.use('blob').parseForm(encode(await bodyOf(this).take()), type);
    },
  };
  Object.defineProperties(Class.prototype, Object.getOwnPropertyDescriptors(members));
}

const forbiddenMethods = new Set(['CONNECT', 'TRACE', 'TRACK']);
const usualMethods = new Set(['DELETE', 'GET', 'HEAD', 'OPTIONS', 'POST', 'PUT']);
function methodText(method) {
  method = `${method}`;
  if (!/^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/.test(method) || forbiddenMethods.has(method.toUpperCase())) {
    throw new TypeError('not a method for a request: ' + shared.stringify(method.slice(0, 100)));
  }
  return usualMethods.has(method.toUpperCase()) ? method.toUpperCase() : method;
}
const oneOf = (value, allowed, what) => {
  value = `${value}`;
  if (!allowed.includes(value)) throw new TypeError(`${what} must be one of ${allowed.join(', ')}`);
  return value;
};
const redirects = ['follow', 'error', 'manual'];

let requestState;
let arrive; // arrive(event): the Request that an event describes

class Request {
  #q;
  #headers;
  #body;
  #signal = null;
  constructor(input, init) {
    if (arguments.length === 0) throw new TypeError('Request: 1 argument is needed');
    init = init ?? {};
    if (typeof init !== 'object' && typeof init !== 'function') throw new TypeError('Request: init must be an object');
    const from = typeof input === 'object' && input !== null && #q in input ? input : null;
    if (from === null) {
      const url = web('url.parse', `${input}`);
      if (url.username !== '' || url.password !== '') throw new TypeError('Request: the URL holds credentials');
      this.#q = { url: url.href, method: 'GET', redirect: 'follow', mode: 'cors', credentials: 'same-origin', cache: 'default', referrer: 'about:client', referrerPolicy: '', integrity: '', keepalive: false };
    } else {
      this.#q = { ...from.#q };
    }
    const q = this.#q;
    if (init.method !== undefined) q.method = methodText(init.method);
    if (init.redirect !== undefined) q.redirect = oneOf(init.redirect, redirects, 'redirect');
    if (init.credentials !== undefined) q.credentials = oneOf(init.credentials, ['omit', 'same-origin', 'include'], 'credentials');
    if (init.mode !== undefined) q.mode = oneOf(init.mode, ['same-origin', 'no-cors', 'cors'], 'mode');
    if (init.cache !== undefined) q.cache = oneOf(init.cache, ['default', 'no-store', 'reload', 'no-cache', 'force-cache', 'only-if-cached'], 'cache');
    if (init.referrer !== undefined) q.referrer = `${init.referrer}`;
    if (init.referrerPolicy !== undefined) q.referrerPolicy = `${init.referrerPolicy}`;
    if (init.integrity !== undefined) q.integrity = `${init.integrity}`;
    if (init.keepalive !== undefined) q.keepalive = Boolean(init.keepalive);
    const signal = 'signal' in init ? init.signal : from?.#signal;
    if (signal !== undefined && signal !== null) {
      const { AbortSignal } = shared.use('events');
      if (!(signal instanceof AbortSignal)) throw new TypeError('Request: signal must be an AbortSignal');
      this.#signal = signal;
    }
    this.#headers = new Headers(init.headers ?? from?.headers);
    const given = init.body !== undefined && init.body !== null;
    if ((given || (from !== null && !from.#body.none)) && (q.method === 'GET' || q.method === 'HEAD')) {
      throw new TypeError(`Request: a ${q.method} has no body`);
    }
    if (given) {
      const source = extract(init.body);
      if (source.stream !== undefined && init.duplex !== undefined && init.duplex !== 'half') throw new TypeError("Request: duplex must be 'half'");
      if (source.type !== null && !this.#headers.has('content-type')) this.#headers.append('content-type', source.type);
      this.#body = new Body(source);
    } else if (from !== null && !from.#body.none) {
      if (from.#body.isUsed || from.#body.isLocked) throw new TypeError('Request: the body has been read already');
      this.#body = new Body({ data: from.#body.data, stream: from.#body.given ?? undefined });
      from.#body.used = true;
    } else {
      this.#body = new Body(null);
    }
  }
  static {
    requestState = (request) => ({ q: request.#q, headers: request.#headers, body: request.#body, signal: request.#signal });
    arrive = (event) => {
      const request = new Request(place(`${event?.url ?? ''}`), { method: event?.method, headers: event?.headers });
      const body = bodyOfEvent(event);
      if (body !== undefined) request.#body = new Body({ data: body });
      return request;
    };
    mixin(this, (request) => request.#body);
  }
  get method() { return this.#q.method; }
  get url() { return this.#q.url; }
  get headers() { return this.#headers; }
  get destination() { return ''; }
  get referrer() { return this.#q.referrer; }
  get referrerPolicy() { return this.#q.referrerPolicy; }
  get mode() { return this.#q.mode; }
  get credentials() { return this.#q.credentials; }
  get cache() { return this.#q.cache; }
  get redirect() { return this.#q.redirect; }
  get integrity() { return this.#q.integrity; }
  get keepalive() { return this.#q.keepalive; }
  get duplex() { return 'half'; }
  get signal() { return this.#signal ??= new (shared.use('events').AbortController)().signal; }
  clone() {
    const body = this.#body.clone();
    const copy = new Request(this.#q.url, { method: this.#q.method, headers: this.#headers });
    copy.#q = { ...this.#q };
    copy.#body = body;
    copy.#signal = this.#signal;
    return copy;
  }
}

// place makes an absolute URL of what an event has for one.
function place(url) {
  try { return web('url.parse', url).href; } catch { return web('url.parse', url, 'http://localhost/').href; }
}

function bodyOfEvent(event) {
  if (event?.bodyBase64 !== undefined && event.bodyBase64 !== null) return new Uint8Array(web('base64.decode', `${event.bodyBase64}`));
  const body = event?.body;
  if (body === undefined || body === null) return undefined;
  return isBufferSource(body) ? new Uint8Array(bytesOf(body)) : `${body}`;
}

const nullStatus = new Set([101, 103, 204, 205, 304]);

let responseState;
let received; // received(answer): the Response that a host call answered

class Response {
  #p = { status: 200, statusText: '', url: '', redirected: false, type: 'default' };
  #headers;
  #body = new Body(null);
  constructor(body, init) {
    init = init ?? {};
    if (typeof init !== 'object' && typeof init !== 'function') throw new TypeError('Response: init must be an object');
    if (init.status !== undefined) {
      const status = Math.trunc(Number(init.status));
      if (!(status >= 200 && status <= 599)) throw new RangeError('Response: the status must be from 200 to 599');
      this.#p.status = status;
    }
    if (init.statusText !== undefined) {
      this.#p.statusText = `${init.statusText}`;
      if (/[^\t\x20-\x7e\x80-\xff]/.test(this.#p.statusText)) throw new TypeError('Response: not a status text');
    }
    this.#headers = new Headers(init.headers);
    if (body === undefined || body === null) return;
    if (nullStatus.has(this.#p.status)) throw new TypeError(`Response: a ${this.#p.status} has no body`);
    const source = extract(body);
    if (source.type !== null && !this.#headers.has('content-type')) this.#headers.append('content-type', source.type);
    this.#body = new Body(source);
  }
  static {
    responseState = (response) => {
      if (typeof response !== 'object' || response === null || !(#p in response)) throw new TypeError('the fetch handler must return a Response');
      return { status: response.#p.status, statusText: response.#p.statusText, headers: response.#headers, body: response.#body };
    };
    received = (answer) => {
      const response = new Response(null, { headers: answer.headers });
      response.#p = {
        status: answer.status, statusText: answer.statusText ?? '', url: answer.url ?? '', redirected: Boolean(answer.redirected), type: 'basic',
      };
      guard(response.#headers);
      const body = bodyOfEvent(answer);
      if (body !== undefined && !(body === '' && nullStatus.has(answer.status))) response.#body = new Body({ data: body });
      return response;
    };
    mixin(this, (response) => response.#body);
  }
  static error() {
    const response = new Response();
    response.#p = { ...response.#p, status: 0, type: 'error' };
    guard(response.#headers);
    return response;
  }
  static redirect(url, status = 302) {
    if (arguments.length === 0) throw new TypeError('redirect: 1 argument is needed');
    const { href } = web('url.parse', `${url}`);
    if (![301, 302, 303, 307, 308].includes(Number(status))) throw new RangeError('redirect: the status must be 301, 302, 303, 307 or 308');
    const response = new Response(null, { headers: { location: href } });
    response.#p.status = Number(status);
    guard(response.#headers);
    return response;
  }
  static json(value, init) {
    const text = JSON.stringify(value);
    if (text === undefined) throw new TypeError('Response.json: the value has no JSON');
    const headers = new Headers(init?.headers);
    if (!headers.has('content-type')) headers.set('content-type', 'application/json');
    return new Response(text, { status: init?.status, statusText: init?.statusText, headers });
  }
  get type() { return this.#p.type; }
  get url() { return this.#p.url; }
  get redirected() { return this.#p.redirected; }
  get status() { return this.#p.status; }
  get ok() { return this.#p.status >= 200 && this.#p.status <= 299; }
  get statusText() { return this.#p.statusText; }
  get headers() { return this.#headers; }
  clone() {
    const body = this.#body.clone();
    const copy = new Response(null, { headers: this.#headers });
    copy.#p = { ...this.#p };
    copy.#body = body;
    return copy;
  }
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

// answered is what an invocation of a fetch handler results in.
async function answered(response) {
  const { status, headers, body } = responseState(response);
  return wire({ __proto__: null, status, headers: [...headers], body: '' }, await body.take());
}

// send is fetch over the host call.
function send(call, input, init) {
  const { q, headers, body, signal } = requestState(new Request(input, init));
  if (signal?.aborted) throw signal.reason;
  const out = { __proto__: null, method: q.method, redirect: q.redirect, headers: [...headers] };
  const go = (data) => {
    if (signal?.aborted) throw signal.reason;
    return call(q.url, data === undefined ? out : wire(out, data)).then(received);
  };
  const answer = body.none ? go() : body.data !== undefined && body.given === null ? go(body.data) : body.take().then(go);
  if (signal === null) return answer;
  return new Promise((resolve, reject) => {
    shared.use('events').onAbort(signal, reject);
    answer.then(resolve, reject);
  });
}

return { ...tagged({ __proto__: null, Headers, Request, Response }), answered, arrive, send };
