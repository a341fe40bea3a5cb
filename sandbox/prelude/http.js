// fetch, Headers, Request and Response, with bodies that are text.

// wrapFetch gives the host call named fetch the shape that people know.
function wrapFetch(call) {
  return function fetch(resource, init) {
    let request;
    try {
      request = fetchRequest(resource, init);
    } catch (e) {
      return new PromiseClass((_, reject) => reject(e));
    }
    return apply(promiseThen, call(request.url, request.init), [fetched]);
  };
}

function fetchRequest(resource, init) {
  init = init ?? {};
  const out = { __proto__: null };
  if (init.method !== undefined) out.method = toText(init.method);
  if (init.redirect !== undefined) out.redirect = toText(init.redirect);
  if (init.headers !== undefined) out.headers = headerPairs(init.headers);
  if (init.body !== undefined && init.body !== null) {
    if (typeof init.body !== 'string') throw new TypeError('fetch: the body must be a string');
    out.body = init.body;
  }
  return { __proto__: null, url: toText(resource), init: out };
}

function headerPairs(headers) {
  const pairs = [];
  const add = (name, value) => { pairs[pairs.length] = [toText(name), toText(value)]; };
  if (headers instanceof Headers) {
    const own = pairsOf(headers);
    for (let i = 0; i < own.length; i++) add(own[i][0], own[i][1]);
  } else if (typeof headers?.[iteratorSymbol] === 'function') {
    for (const pair of headers) add(pair[0], pair[1]);
  } else {
    const keys = ownKeys(headers);
    for (let i = 0; i < keys.length; i++) add(keys[i], headers[keys[i]]);
  }
  return pairs;
}

class Headers {
  #pairs;
  constructor(init) { this.#pairs = init === undefined ? [] : headerPairs(init); }
  get(name) {
    const wanted = apply(toLowerCase, toText(name), []);
    let found = null;
    for (let i = 0; i < this.#pairs.length; i++) {
      if (apply(toLowerCase, this.#pairs[i][0], []) !== wanted) continue;
      found = found === null ? this.#pairs[i][1] : found + ', ' + this.#pairs[i][1];
    }
    return found;
  }
  has(name) { return this.get(name) !== null; }
  append(name, value) { this.#pairs[this.#pairs.length] = [toText(name), toText(value)]; }
  set(name, value) {
    this.delete(name);
    this.append(name, value);
  }
  delete(name) {
    const wanted = apply(toLowerCase, toText(name), []);
    const kept = [];
    for (let i = 0; i < this.#pairs.length; i++) {
      if (apply(toLowerCase, this.#pairs[i][0], []) !== wanted) kept[kept.length] = this.#pairs[i];
    }
    this.#pairs = kept;
  }
  forEach(callback) {
    for (let i = 0; i < this.#pairs.length; i++) callback(this.#pairs[i][1], apply(toLowerCase, this.#pairs[i][0], []), this);
  }
  *entries() {
    for (let i = 0; i < this.#pairs.length; i++) yield [apply(toLowerCase, this.#pairs[i][0], []), this.#pairs[i][1]];
  }
  *keys() { for (let i = 0; i < this.#pairs.length; i++) yield apply(toLowerCase, this.#pairs[i][0], []); }
  *values() { for (let i = 0; i < this.#pairs.length; i++) yield this.#pairs[i][1]; }
  [iteratorSymbol]() { return this.entries(); }
  static pairs(headers) { return #pairs in headers ? headers.#pairs : []; }
}
const pairsOf = Headers.pairs;
delete Headers.pairs;
hide(Headers.prototype, tagSymbol, 'Headers');
hide(globalThis, 'Headers', Headers);

// Body is what Request and Response share: a text that is read once.
class Body {
  #text;
  #used = false;
  constructor(text) { this.#text = text; }
  get bodyUsed() { return this.#used; }
  async text() {
    if (this.#used) throw new TypeError('the body has been read already');
    this.#used = true;
    return this.#text;
  }
  async json() { return parse(await this.text()); }
  static take(body) { return #text in body ? body.#text : ''; }
}
const takeBody = Body.take;
delete Body.take;

const bodyText = (body, what) => {
  if (body === undefined || body === null) return '';
  if (typeof body === 'string') return body;
  throw new TypeError(what + ': the body must be a string');
};

class Request extends Body {
  constructor(url, init = {}) {
    super(bodyText(init.body, 'Request'));
    this.url = toText(url);
    this.method = init.method === undefined ? 'GET' : toText(init.method);
    this.headers = new Headers(init.headers);
  }
}
hide(Request.prototype, tagSymbol, 'Request');
hide(globalThis, 'Request', Request);

class Response extends Body {
  constructor(body, init = {}) {
    super(bodyText(body, 'Response'));
    this.status = init.status === undefined ? 200 : toNumber(init.status);
    if (!(isInteger(this.status) && this.status >= 200 && this.status <= 599)) {
      throw new RangeError('Response: the status must be from 200 to 599');
    }
    this.statusText = init.statusText === undefined ? '' : toText(init.statusText);
    this.headers = new Headers(init.headers);
    this.url = '';
    this.redirected = false;
  }
  get ok() { return this.status >= 200 && this.status <= 299; }
  static json(value, init = {}) {
    const response = new Response(stringify(value), init);
    if (!response.headers.has('content-type')) response.headers.set('content-type', 'application/json');
    return response;
  }
}
hide(Response.prototype, tagSymbol, 'Response');
hide(globalThis, 'Response', Response);

function fetched(answer) {
  const text = answer.bodyBase64 === undefined ? answer.body : host(TEXT, answer.bodyBase64);
  const response = new Response(text, { status: 200, statusText: answer.statusText, headers: answer.headers });
  response.status = answer.status;
  response.url = answer.url;
  response.redirected = answer.redirected;
  return response;
}
