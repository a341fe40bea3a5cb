// Request, after the Fetch Standard.

const { web, tagged } = shared;
const { Headers, adopt } = shared.use('headers');
const { Body, extract, mixin, given } = shared.use('body');

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

const defaults = { url: '', method: 'GET', redirect: 'follow', mode: 'cors', credentials: 'same-origin', cache: 'default', referrer: 'about:client', referrerPolicy: '', integrity: '', keepalive: false };
const incoming = {}; // nobody else has it

let requestState;
let receive; // receive(event, watch): the same of an event that the supervisor made
let arrive; // arrive(event): the Request that an event describes

class Request {
  #q;
  #headers;
  #body;
  #signal = null;
  #watch = undefined;
  constructor(input, init) {
    if (input === incoming) return; // arrive does the rest
    if (arguments.length === 0) throw new TypeError('Request: 1 argument is needed');
    init = init ?? {};
    if (typeof init !== 'object' && typeof init !== 'function') throw new TypeError('Request: init must be an object');
    const from = typeof input === 'object' && input !== null && #q in input ? input : null;
    if (from === null) {
      const url = web('url.parse', `${input}`);
      if (url.username !== '' || url.password !== '') throw new TypeError('Request: the URL holds credentials');
      this.#q = { ...defaults, url: url.href };
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
    const has = init.body !== undefined && init.body !== null;
    if ((has || (from !== null && !from.#body.none)) && (q.method === 'GET' || q.method === 'HEAD')) {
      throw new TypeError(`Request: a ${q.method} has no body`);
    }
    if (has) {
      const source = extract(init.body);
      if (source.stream !== undefined && init.duplex !== undefined && init.duplex !== 'half') throw new TypeError("Request: duplex must be 'half'");
      if (source.type !== null && !this.#headers.has('content-type')) this.#headers.append('content-type', source.type);
      this.#body = new Body(source);
    } else if (from !== null && !from.#body.none) {
      if (from.#body.isUsed || from.#body.isLocked) throw new TypeError('Request: the body has been read already');
      this.#body = from.#body.passOn();
    } else {
      this.#body = new Body(null);
    }
  }
  static {
    requestState = (request) => ({ q: request.#q, headers: request.#headers, body: request.#body, signal: request.#signal });
    arrive = (event) => {
      const request = new Request(place(`${event?.url ?? ''}`), { method: event?.method, headers: event?.headers });
      request.#body = new Body(given(event));
      return request;
    };
    // watch(controller) is called when the signal is first asked for, and aborts
    // it.
    receive = (event, watch) => {
      const request = new Request(incoming);
      request.#q = { ...defaults, url: plainURL.test(event.url) ? event.url : web('url.parse', event.url).href, method: methodText(event.method) };
      request.#headers = adopt(event.headers);
      request.#body = new Body(given(event));
      request.#watch = watch;
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
  get signal() {
    if (this.#signal === null) {
      const controller = new (shared.use('events').AbortController)();
      this.#signal = controller.signal;
      this.#watch?.(controller);
    }
    return this.#signal;
  }
  clone() {
    const body = this.#body.clone();
    const copy = new Request(this.#q.url, { method: this.#q.method, headers: this.#headers });
    copy.#q = { ...this.#q };
    copy.#body = body;
    copy.#signal = this.#signal;
    return copy;
  }
}

// plainURL is of URLs that are as the URL Standard would write them: no port, no
// dots in the path but between letters.
const plainURL = /^https?:\/\/[a-z][a-z0-9-]*(\.[a-z][a-z0-9-]*)*(:8\d\d\d)?\/(?:[A-Za-z0-9_~\/-]|[A-Za-z0-9_]\.(?=[A-Za-z0-9_]))*(\?[A-Za-z0-9_.~=&%+\/-]+)?$/;

// place makes an absolute URL of what an event has for one.
function place(url) {
  try { return web('url.parse', url).href; } catch { return web('url.parse', url, 'http://localhost/').href; }
}

return { ...tagged({ __proto__: null, Request }), requestState, arrive, receive };
