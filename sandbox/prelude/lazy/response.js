// Response, after the Fetch Standard.

const { web, tagged } = shared;
const { Headers, guard } = shared.use('headers');
const { Body, extract, mixin, given } = shared.use('body');

const nullStatus = new Set([101, 103, 204, 205, 304]);

let responseState;
let received; // received(answer): {response, abort} of a host call's answer; abort(reason) ends its body

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
      const body = given(answer);
      if (body !== null && !(body.data === '' && nullStatus.has(answer.status))) response.#body = new Body(body);
      return { __proto__: null, response, abort: (reason) => body?.incoming?.abort(reason) };
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

return { ...tagged({ __proto__: null, Response }), responseState, received };
