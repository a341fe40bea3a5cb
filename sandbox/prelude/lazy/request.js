// Request, after the Fetch Standard.

const { web, tagged, plainURL, knowPlain } = shared;
const { Headers, adopt } = shared.use('headers');
const { Body, extract, mixin, given } = shared.use('body');

const forbiddenMethods = new Set(['CONNECT', 'TRACE', 'TRACK']);
const usualMethods = { __proto__: null, DELETE: true, GET: true, HEAD: true, OPTIONS: true, POST: true, PUT: true };
function methodText(method) {
  method = `${method}`;
  if (usualMethods[method]) return method;
  if (!/^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/.test(method) || forbiddenMethods.has(method.toUpperCase())) {
    throw new TypeError('not a method for a request: ' + shared.stringify(method.slice(0, 100)));
  }
  return usualMethods[method.toUpperCase()] ? method.toUpperCase() : method;
}
const oneOf = (value, allowed, what) => {
  value = `${value}`;
  if (!allowed.includes(value)) throw new TypeError(`${what} must be one of ${allowed.join(', ')}`);
  return value;
};
const redirects = ['follow', 'error', 'manual'];

const defaults = { redirect: 'follow', mode: 'cors', credentials: 'same-origin', cache: 'default', referrer: 'about:client', referrerPolicy: '', integrity: '', keepalive: false };
const incoming = {}; // nobody else has it

let requestState;
let blank; // blank(watch): a Request that receive is still to make of
let receive; // receive(request, ...): makes the Request of what the supervisor says
let arrive; // arrive(event): the Request that an event describes

// What a Request keeps, by its place in an array, which is made sooner than
// anything else. Headers and Body are made when somebody asks for them.
const METHOD = 0;
const ADDRESS = 1;
const HEADERS = 2; // Headers, or the text that an event has
const BODY = 3; // a Body, or null for none
const SIGNAL = 4; // or null
const WATCH = 5; // see blank
const MODES = 6; // the rest, which nobody changes

const headersIn = (s) => (typeof s[HEADERS] === 'string' ? s[HEADERS] = adopt(s[HEADERS] === '' ? [] : s[HEADERS].split('\n')) : s[HEADERS]);
const bodyIn = (s) => s[BODY] ??= new Body(null);
const hrefOf = (url) => (plainURL(url) ? url : web('url.parse', url).href);

class Request {
  #s;
  constructor(input, init) {
    if (input === incoming) {
      this.#s = init;
      return;
    }
    init = init ?? {};
    if (typeof init !== 'object' && typeof init !== 'function') throw new TypeError('Request: init must be an object');
    const from = typeof input === 'object' && input !== null && #s in input ? input.#s : null;
    const s = this.#s = from === null ? ['GET', '', null, null, null, undefined, defaults] : [from[METHOD], from[ADDRESS], null, null, null, undefined, from[MODES]];
    if (from === null) {
      const text = `${input}`;
      if (plainURL(text)) {
        s[ADDRESS] = text;
      } else {
        const url = web('url.parse', text);
        if (url.username !== '' || url.password !== '') throw new TypeError('Request: the URL holds credentials');
        s[ADDRESS] = url.href;
      }
    }
    if (init.method !== undefined) s[METHOD] = methodText(init.method);
    const q = s[MODES] = { ...s[MODES] };
    if (init.redirect !== undefined) q.redirect = oneOf(init.redirect, redirects, 'redirect');
    if (init.credentials !== undefined) q.credentials = oneOf(init.credentials, ['omit', 'same-origin', 'include'], 'credentials');
    if (init.mode !== undefined) q.mode = oneOf(init.mode, ['same-origin', 'no-cors', 'cors'], 'mode');
    if (init.cache !== undefined) q.cache = oneOf(init.cache, ['default', 'no-store', 'reload', 'no-cache', 'force-cache', 'only-if-cached'], 'cache');
    if (init.referrer !== undefined) q.referrer = `${init.referrer}`;
    if (init.referrerPolicy !== undefined) q.referrerPolicy = `${init.referrerPolicy}`;
    if (init.integrity !== undefined) q.integrity = `${init.integrity}`;
    if (init.keepalive !== undefined) q.keepalive = Boolean(init.keepalive);
    const signal = 'signal' in init ? init.signal : from?.[SIGNAL];
    if (signal !== undefined && signal !== null) {
      const { AbortSignal } = shared.use('events');
      if (!(signal instanceof AbortSignal)) throw new TypeError('Request: signal must be an AbortSignal');
      s[SIGNAL] = signal;
    }
    const headers = s[HEADERS] = new Headers(init.headers ?? (from === null ? undefined : headersIn(from)));
    const has = init.body !== undefined && init.body !== null;
    const old = from === null || from[BODY] === null || from[BODY].none ? null : from[BODY];
    if ((has || old !== null) && (s[METHOD] === 'GET' || s[METHOD] === 'HEAD')) {
      throw new TypeError(`Request: a ${s[METHOD]} has no body`);
    }
    if (has) {
      const source = extract(init.body);
      if (source.stream !== undefined && init.duplex !== undefined && init.duplex !== 'half') throw new TypeError("Request: duplex must be 'half'");
      if (source.type !== null && !headers.has('content-type')) headers.append('content-type', source.type);
      s[BODY] = new Body(source);
    } else if (old !== null) {
      if (old.isUsed || old.isLocked) throw new TypeError('Request: the body has been read already');
      s[BODY] = old.passOn();
    }
  }
  static {
    requestState = (request) => {
      const s = request.#s;
      return { url: s[ADDRESS], method: s[METHOD], redirect: s[MODES].redirect, headers: headersIn(s), body: bodyIn(s), signal: s[SIGNAL] };
    };
    arrive = (event) => {
      const request = new Request(place(`${event?.url ?? ''}`), { method: event?.method, headers: event?.headers });
      request.#s[BODY] = new Body(given(event));
      return request;
    };
    // watch(controller) is called when the signal is first asked for, and aborts it.
    blank = (watch) => new Request(incoming, ['GET', '', '', null, null, watch, defaults]);
    receive = (request, method, url, plain, stream, headers) => {
      const s = request.#s;
      if (method !== 'GET') s[METHOD] = methodText(method);
      if (plain) knowPlain(url);
      s[ADDRESS] = plain ? url : hrefOf(url);
      s[HEADERS] = headers;
      if (stream !== 0) s[BODY] = new Body(given({ bodyStream: stream }));
    };
    mixin(this, (request) => bodyIn(request.#s));
  }
  get method() { return this.#s[METHOD]; }
  get url() { return this.#s[ADDRESS]; }
  get headers() { return headersIn(this.#s); }
  get destination() { return ''; }
  get referrer() { return this.#s[MODES].referrer; }
  get referrerPolicy() { return this.#s[MODES].referrerPolicy; }
  get mode() { return this.#s[MODES].mode; }
  get credentials() { return this.#s[MODES].credentials; }
  get cache() { return this.#s[MODES].cache; }
  get redirect() { return this.#s[MODES].redirect; }
  get integrity() { return this.#s[MODES].integrity; }
  get keepalive() { return this.#s[MODES].keepalive; }
  get duplex() { return 'half'; }
  get signal() {
    const s = this.#s;
    if (s[SIGNAL] === null) {
      const controller = new (shared.use('events').AbortController)();
      s[SIGNAL] = controller.signal;
      s[WATCH]?.(controller);
    }
    return s[SIGNAL];
  }
  clone() {
    const s = this.#s;
    const body = s[BODY] === null ? null : s[BODY].clone();
    return new Request(incoming, [s[METHOD], s[ADDRESS], new Headers(headersIn(s)), body, s[SIGNAL], undefined, s[MODES]]);
  }
}

// place makes an absolute URL of what an event has for one.
function place(url) {
  try { return web('url.parse', url).href; } catch { return web('url.parse', url, 'http://localhost/').href; }
}

return { ...tagged({ __proto__: null, Request }), requestState, arrive, blank, receive };
