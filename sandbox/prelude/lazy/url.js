// URL and URLSearchParams, after the URL Standard. Go parses and serialises.

const { web, tagged, plainURL } = shared;

const iterate = shared.use('iteration').iteratorOf('URLSearchParams');
const text = (value) => `${value}`;
const need = (n, most, what) => {
  if (n < most) throw new TypeError(what + ': ' + most + ' argument' + (most > 1 ? 's are' : ' is') + ' needed');
};

const QUERY_GET = 35;
const internal = {}; // nobody else has it

let paramsOf; // paramsOf(url, query): the params of url, whose query changes with them
let refill; // refill(params, query): url's query was set
let requery; // requery(url, query): its params have changed

// stripped is a query without its ?.
const stripped = (query) => (query[0] === '?' ? query.slice(1) : query);

class URLSearchParams {
  #query = ''; // until somebody asks for more than a value of it
  #pairs = null;
  #url = null;
  constructor(init = '') {
    if (init === internal) return;
    if (typeof init === 'object' && init !== null || typeof init === 'function') {
      const iterate = init[Symbol.iterator];
      if (iterate !== undefined && iterate !== null) {
        this.#pairs = [];
        for (const item of init) {
          const pair = typeof item === 'object' && item !== null ? [...item] : [];
          if (pair.length !== 2) throw new TypeError('URLSearchParams: each item must be a pair of a name and a value');
          this.#pairs.push([text(pair[0]).toWellFormed(), text(pair[1]).toWellFormed()]);
        }
      } else {
        const seen = new Map();
        for (const key of Reflect.ownKeys(init)) {
          if (!Object.getOwnPropertyDescriptor(init, key)?.enumerable) continue;
          if (typeof key === 'symbol') throw new TypeError('URLSearchParams: a name cannot be a symbol');
          seen.set(key.toWellFormed(), text(init[key]).toWellFormed());
        }
        this.#pairs = [...seen];
      }
    } else {
      this.#query = stripped(text(init).toWellFormed());
    }
  }
  static {
    paramsOf = (url, query) => {
      const params = new URLSearchParams(internal);
      params.#query = stripped(query);
      params.#url = url;
      return params;
    };
    refill = (params, query) => {
      params.#query = stripped(query);
      params.#pairs = null;
    };
  }
  #list() { return this.#pairs ??= this.#query === '' ? [] : web('url.query', this.#query).pairs; }
  #changed() { if (this.#url !== null) requery(this.#url, this.toString()); }
  get size() { return this.#list().length; }
  append(name, value) {
    need(arguments.length, 2, 'append');
    this.#list().push([text(name).toWellFormed(), text(value).toWellFormed()]);
    this.#changed();
  }
  delete(name, value) {
    need(arguments.length, 1, 'delete');
    name = text(name).toWellFormed();
    if (value !== undefined) value = text(value).toWellFormed();
    this.#pairs = this.#list().filter((p) => p[0] !== name || (value !== undefined && p[1] !== value));
    this.#changed();
  }
  get(...names) { // made sooner than arguments
    need(names.length, 1, 'get');
    const name = text(names[0]).toWellFormed();
    const pairs = this.#pairs;
    if (pairs === null) return host(QUERY_GET, this.#query, name) ?? null;
    for (let i = 0; i < pairs.length; i++) if (pairs[i][0] === name) return pairs[i][1];
    return null;
  }
  getAll(name) {
    need(arguments.length, 1, 'getAll');
    name = text(name).toWellFormed();
    return this.#list().filter((p) => p[0] === name).map((p) => p[1]);
  }
  has(name, value) {
    need(arguments.length, 1, 'has');
    name = text(name).toWellFormed();
    if (value !== undefined) value = text(value).toWellFormed();
    return this.#list().some((p) => p[0] === name && (value === undefined || p[1] === value));
  }
  set(name, value) {
    need(arguments.length, 2, 'set');
    name = text(name).toWellFormed();
    value = text(value).toWellFormed();
    const pairs = this.#list();
    const at = pairs.findIndex((p) => p[0] === name);
    if (at < 0) pairs.push([name, value]);
    else this.#pairs = pairs.filter((p, i) => i <= at || p[0] !== name).with(at, [name, value]);
    this.#changed();
  }
  sort() {
    this.#list().sort((a, b) => (a[0] < b[0] ? -1 : a[0] > b[0] ? 1 : 0));
    this.#changed();
  }
  toString() { return this.#list().length === 0 ? '' : web('url.form', shared.stringify(this.#pairs)); }
  forEach(callback, self) {
    if (typeof callback !== 'function') throw new TypeError('forEach: the callback must be a function');
    for (let i = 0; i < this.#list().length; i++) callback.call(self, this.#pairs[i][1], this.#pairs[i][0], this);
  }
  entries() { return this.#iterate((p) => [p[0], p[1]]); }
  keys() { return this.#iterate((p) => p[0]); }
  values() { return this.#iterate((p) => p[1]); }
  #iterate(show) { return iterate(() => this.#list(), show); }
}
Object.defineProperty(URLSearchParams.prototype.get, 'length', { value: 1 });
shared.hide(URLSearchParams.prototype, Symbol.iterator, URLSearchParams.prototype.entries);

// A URL that is plain (see plainURL) is a text that Go cuts its parts out of when
// they are asked for.
const URL_PART = 37, ORIGIN = 0, PROTOCOL = 1, HOST = 2, HOSTNAME = 3, PORT = 4, PATHNAME = 5, SEARCH = 6;

class URL {
  #plain; // the URL, if it is plain and nobody has asked for #record
  #record = null;
  #params = null;
  constructor(url, base) {
    if (typeof url !== 'string') url = text(url);
    if (base === undefined && plainURL(url)) this.#plain = url;
    else this.#record = web('url.parse', url, base === undefined ? undefined : text(base));
  }
  static {
    requery = (url, query) => { url.#record = web('url.set', url.#text(), 'search', query); };
  }
  #text() { return this.#record === null ? this.#plain : this.#record.href; }
  static canParse(url, base) {
    need(arguments.length, 1, 'canParse');
    return URL.parse(url, base) !== null;
  }
  static parse(url, base) {
    need(arguments.length, 1, 'parse');
    url = text(url);
    if (base !== undefined) base = text(base);
    try { return new URL(url, base); } catch { return null; }
  }
  #set(member, value) {
    this.#record = web('url.set', this.#text(), member, value);
    if (this.#params !== null && (member === 'href' || member === 'search')) refill(this.#params, this.#record.search);
  }
  get href() { return this.#text(); }
  set href(v) { this.#set('href', text(v)); }
  get origin() { return this.#record === null ? host(URL_PART, this.#plain, ORIGIN) : this.#record.origin; }
  get protocol() { return this.#record === null ? host(URL_PART, this.#plain, PROTOCOL) : this.#record.protocol; }
  set protocol(v) { this.#set('protocol', text(v)); }
  get username() { return this.#record === null ? '' : this.#record.username; }
  set username(v) { this.#set('username', text(v)); }
  get password() { return this.#record === null ? '' : this.#record.password; }
  set password(v) { this.#set('password', text(v)); }
  get host() { return this.#record === null ? host(URL_PART, this.#plain, HOST) : this.#record.host; }
  set host(v) { this.#set('host', text(v)); }
  get hostname() { return this.#record === null ? host(URL_PART, this.#plain, HOSTNAME) : this.#record.hostname; }
  set hostname(v) { this.#set('hostname', text(v)); }
  get port() { return this.#record === null ? host(URL_PART, this.#plain, PORT) : this.#record.port; }
  set port(v) { this.#set('port', text(v)); }
  get pathname() { return this.#record === null ? host(URL_PART, this.#plain, PATHNAME) : this.#record.pathname; }
  set pathname(v) { this.#set('pathname', text(v)); }
  get search() { return this.#record === null ? host(URL_PART, this.#plain, SEARCH) : this.#record.search; }
  set search(v) { this.#set('search', text(v)); }
  get searchParams() {
    return this.#params ??= paramsOf(this, this.#record === null ? host(URL_PART, this.#plain, SEARCH) : this.#record.search);
  }
  get hash() { return this.#record === null ? '' : this.#record.hash; }
  set hash(v) { this.#set('hash', text(v)); }
  toString() { return this.#text(); }
  toJSON() { return this.#text(); }
}

return tagged({ __proto__: null, URL, URLSearchParams });
