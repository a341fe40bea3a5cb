// URL and URLSearchParams, after the URL Standard. Go parses and serialises.

const { web, tagged } = shared;

const iterate = shared.use('iteration').iteratorOf('URLSearchParams');
const text = (value) => `${value}`;
const need = (n, most, what) => {
  if (n < most) throw new TypeError(what + ': ' + most + ' argument' + (most > 1 ? 's are' : ' is') + ' needed');
};

let attach; // attach(params, url): changes of params become url's query
let refill; // refill(params, query): url's query was set

class URLSearchParams {
  #pairs = [];
  #url = null;
  constructor(init = '') {
    if (typeof init === 'object' && init !== null || typeof init === 'function') {
      const iterate = init[Symbol.iterator];
      if (iterate !== undefined && iterate !== null) {
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
      const query = text(init);
      this.#pairs = web('url.query', query[0] === '?' ? query.slice(1) : query).pairs;
    }
  }
  static {
    attach = (params, url) => { params.#url = url; };
    refill = (params, query) => { params.#pairs = web('url.query', query).pairs; };
  }
  #changed() { if (this.#url !== null) this.#url(this.toString()); }
  get size() { return this.#pairs.length; }
  append(name, value) {
    need(arguments.length, 2, 'append');
    this.#pairs.push([text(name).toWellFormed(), text(value).toWellFormed()]);
    this.#changed();
  }
  delete(name, value) {
    need(arguments.length, 1, 'delete');
    name = text(name).toWellFormed();
    if (value !== undefined) value = text(value).toWellFormed();
    this.#pairs = this.#pairs.filter((p) => p[0] !== name || (value !== undefined && p[1] !== value));
    this.#changed();
  }
  get(name) {
    need(arguments.length, 1, 'get');
    name = text(name).toWellFormed();
    return this.#pairs.find((p) => p[0] === name)?.[1] ?? null;
  }
  getAll(name) {
    need(arguments.length, 1, 'getAll');
    name = text(name).toWellFormed();
    return this.#pairs.filter((p) => p[0] === name).map((p) => p[1]);
  }
  has(name, value) {
    need(arguments.length, 1, 'has');
    name = text(name).toWellFormed();
    if (value !== undefined) value = text(value).toWellFormed();
    return this.#pairs.some((p) => p[0] === name && (value === undefined || p[1] === value));
  }
  set(name, value) {
    need(arguments.length, 2, 'set');
    name = text(name).toWellFormed();
    value = text(value).toWellFormed();
    const at = this.#pairs.findIndex((p) => p[0] === name);
    if (at < 0) this.#pairs.push([name, value]);
    else this.#pairs = this.#pairs.filter((p, i) => i <= at || p[0] !== name).with(at, [name, value]);
    this.#changed();
  }
  sort() {
    this.#pairs.sort((a, b) => (a[0] < b[0] ? -1 : a[0] > b[0] ? 1 : 0));
    this.#changed();
  }
  toString() { return this.#pairs.length === 0 ? '' : web('url.form', shared.stringify(this.#pairs)); }
  forEach(callback, self) {
    if (typeof callback !== 'function') throw new TypeError('forEach: the callback must be a function');
    for (let i = 0; i < this.#pairs.length; i++) callback.call(self, this.#pairs[i][1], this.#pairs[i][0], this);
  }
  entries() { return this.#iterate((p) => [p[0], p[1]]); }
  keys() { return this.#iterate((p) => p[0]); }
  values() { return this.#iterate((p) => p[1]); }
  #iterate(show) { return iterate(() => this.#pairs, show); }
}
shared.hide(URLSearchParams.prototype, Symbol.iterator, URLSearchParams.prototype.entries);

class URL {
  #record;
  #params = null;
  constructor(url, base) {
    need(arguments.length, 1, 'URL');
    this.#record = web('url.parse', text(url), base === undefined ? undefined : text(base));
  }
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
    this.#record = web('url.set', this.#record.href, member, value);
    if (this.#params !== null && (member === 'href' || member === 'search')) refill(this.#params, this.#record.search.slice(1));
  }
  get href() { return this.#record.href; }
  set href(v) { this.#set('href', text(v)); }
  get origin() { return this.#record.origin; }
  get protocol() { return this.#record.protocol; }
  set protocol(v) { this.#set('protocol', text(v)); }
  get username() { return this.#record.username; }
  set username(v) { this.#set('username', text(v)); }
  get password() { return this.#record.password; }
  set password(v) { this.#set('password', text(v)); }
  get host() { return this.#record.host; }
  set host(v) { this.#set('host', text(v)); }
  get hostname() { return this.#record.hostname; }
  set hostname(v) { this.#set('hostname', text(v)); }
  get port() { return this.#record.port; }
  set port(v) { this.#set('port', text(v)); }
  get pathname() { return this.#record.pathname; }
  set pathname(v) { this.#set('pathname', text(v)); }
  get search() { return this.#record.search; }
  set search(v) { this.#set('search', text(v)); }
  get searchParams() {
    if (this.#params === null) {
      this.#params = new URLSearchParams(this.#record.search);
      attach(this.#params, (query) => { this.#record = web('url.set', this.#record.href, 'search', query); });
    }
    return this.#params;
  }
  get hash() { return this.#record.hash; }
  set hash(v) { this.#set('hash', text(v)); }
  toString() { return this.#record.href; }
  toJSON() { return this.#record.href; }
}

return tagged({ __proto__: null, URL, URLSearchParams });
