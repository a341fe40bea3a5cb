// Response, after the Fetch Standard.

const { web, tagged, json } = shared;
const { guard, adopt, listed, listOf, indexIn } = shared.use('headers');
const { Body, extract, mixin, given } = shared.use('body');

const nullStatus = new Set([101, 103, 204, 205, 304]);

// What a Response keeps, by its place in an array, which is made sooner than
// anything else. Headers and Body are made when somebody asks for them.
const STATUS = 0;
const STATUS_TEXT = 1;
const LIST = 2; // of headers; null while TYPE is all there is
const HEADERS = 3; // Headers, or null
const BODY = 4; // null for none, a text, or a Body
const ORIGIN = 5; // {url, redirected, type}, or null for a Response of the function's own
const TYPE = 6; // the content type, or null

let stateOf; // stateOf(response): that array
let received; // received(answer): {response, abort} of a host call's answer; abort(reason) ends its body

// listIn is the list of a Response's headers.
const listIn = (s) => (s[HEADERS] === null ? s[LIST] ??= s[TYPE] === null ? [] : ['content-type', s[TYPE]] : listed(s[HEADERS]));
const headersIn = (s) => s[HEADERS] ??= adopt(listIn(s));

const TEXT = 'text/plain;charset=UTF-8';
const DATA = 'application/json';

// headOf is what a Response says before its body, as Go sends it on.
const heads = { __proto__: null, [TEXT]: `200\ncontent-type\n${TEXT}\n\n`, [DATA]: `200\ncontent-type\n${DATA}\n\n` };
function headOf(s) {
  if (s[LIST] === null && s[STATUS] === 200) {
    const head = heads[s[TYPE]];
    if (head !== undefined) return head;
  }
  if (s[STATUS] === 0) throw new TypeError('Response.error() cannot be sent');
  const list = listIn(s);
  return list.length === 0 ? s[STATUS] + '\n\n' : s[STATUS] + '\n' + list.join('\n') + '\n\n';
}
const bodyIn = (s) => {
  const body = s[BODY];
  return body !== null && typeof body === 'object' ? body : s[BODY] = new Body(body === null ? null : { data: body });
};

const needBody = (s) => {
  if (s[STATUS] !== 200 && nullStatus.has(s[STATUS])) throw new TypeError(`Response: a ${s[STATUS]} has no body`);
};
// fill gives a new Response its body.
function fill(s, body, type) {
  s[BODY] = body;
  if (s[LIST] === null) s[TYPE] = type;
  else if (type !== null && indexIn(s[LIST], 'content-type') < 0) s[LIST].push('content-type', type);
}

class Response {
  #s;
  constructor(body, init) {
    const s = this.#s = [200, '', null, null, null, null, null];
    if (init !== undefined && init !== null) {
      if (typeof init !== 'object' && typeof init !== 'function') throw new TypeError('Response: init must be an object');
      if (init.status !== undefined) {
        const status = Math.trunc(Number(init.status));
        if (!(status >= 200 && status <= 599)) throw new RangeError('Response: the status must be from 200 to 599');
        s[STATUS] = status;
      }
      if (init.statusText !== undefined) {
        s[STATUS_TEXT] = `${init.statusText}`;
        if (/[^\t\x20-\x7e\x80-\xff]/.test(s[STATUS_TEXT])) throw new TypeError('Response: not a status text');
      }
      if (init.headers !== undefined) s[LIST] = listOf(init.headers);
    }
    if (body === undefined || body === null) return;
    needBody(s);
    if (typeof body === 'string') {
      fill(s, body.toWellFormed(), TEXT);
      return;
    }
    const source = extract(body);
    fill(s, new Body(source), source.type);
  }
  static {
    stateOf = (response) => {
      if (typeof response !== 'object' || response === null || !(#s in response)) throw new TypeError('the fetch handler must return a Response');
      return response.#s;
    };
    received = (answer) => {
      const response = new Response(null, { headers: answer.headers });
      const s = response.#s;
      s[STATUS] = answer.status;
      s[STATUS_TEXT] = answer.statusText ?? '';
      s[ORIGIN] = { url: answer.url ?? '', redirected: Boolean(answer.redirected), type: 'basic' };
      guard(headersIn(s));
      const body = given(answer);
      if (body !== null && !(body.data === '' && nullStatus.has(answer.status))) s[BODY] = new Body(body);
      return { __proto__: null, response, abort: (reason) => body?.incoming?.abort(reason) };
    };
    mixin(this, (response) => bodyIn(response.#s));
  }
  static error() {
    const response = new Response();
    const s = response.#s;
    s[STATUS] = 0;
    s[ORIGIN] = { url: '', redirected: false, type: 'error' };
    guard(headersIn(s));
    return response;
  }
  static redirect(url, status = 302) {
    if (arguments.length === 0) throw new TypeError('redirect: 1 argument is needed');
    const { href } = web('url.parse', `${url}`);
    if (![301, 302, 303, 307, 308].includes(Number(status))) throw new RangeError('redirect: the status must be 301, 302, 303, 307 or 308');
    const response = new Response(null, { headers: { location: href } });
    response.#s[STATUS] = Number(status);
    guard(headersIn(response.#s));
    return response;
  }
  static json(value, init) {
    const text = json(value) ?? JSON.stringify(value);
    if (text === undefined) throw new TypeError('Response.json: the value has no JSON');
    const response = new Response(null, init);
    needBody(response.#s);
    fill(response.#s, text, DATA);
    return response;
  }
  get type() { return this.#s[ORIGIN]?.type ?? 'default'; }
  get url() { return this.#s[ORIGIN]?.url ?? ''; }
  get redirected() { return this.#s[ORIGIN]?.redirected ?? false; }
  get status() { return this.#s[STATUS]; }
  get ok() { return this.#s[STATUS] >= 200 && this.#s[STATUS] <= 299; }
  get statusText() { return this.#s[STATUS_TEXT]; }
  get headers() { return headersIn(this.#s); }
  clone() {
    const s = this.#s;
    const body = typeof s[BODY] === 'object' && s[BODY] !== null ? s[BODY].clone() : s[BODY];
    const copy = new Response();
    copy.#s = [s[STATUS], s[STATUS_TEXT], listIn(s).slice(), null, body, s[ORIGIN], null];
    return copy;
  }
}

return { ...tagged({ __proto__: null, Response }), stateOf, received, headOf, STATUS, BODY };
