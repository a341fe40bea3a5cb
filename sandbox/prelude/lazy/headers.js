// Headers, after the Fetch Standard.

const { tagged, hide } = shared;

// A list of headers is flat: a name in lower case, its value, the next name, and
// so on. Most are made, sent and gone without anybody asking for the Headers.

// known are names that need no check, by how people write them.
const known = { __proto__: null };
for (const name of ['Accept', 'Accept-Encoding', 'Authorization', 'Cache-Control', 'Content-Encoding', 'Content-Length', 'Content-Type', 'Cookie', 'ETag',
  'Host', 'If-None-Match', 'Last-Modified', 'Location', 'Origin', 'Referer', 'Set-Cookie', 'User-Agent', 'Vary', 'X-Forwarded-For']) {
  known[name] = known[name.toLowerCase()] = name.toLowerCase();
}

// plain tells whether a name and a value are texts that stay as they are.
const PLAIN_HEADER = 36;
const plain = (name, value) => typeof name === 'string' && typeof value === 'string' && host(PLAIN_HEADER, name, value);

const token = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/;
const nameText = (name) => {
  name = `${name}`;
  const lower = known[name];
  if (lower !== undefined) return lower;
  if (!token.test(name)) throw new TypeError('not a header name: ' + shared.stringify(name.slice(0, 100)));
  return name.toLowerCase();
};
const printable = /^[!-~](?:[ -~]*[!-~])?$/;
const valueText = (value) => {
  value = `${value}`;
  if (printable.test(value)) return value;
  value = value.replace(/^[\t\n\r ]+|[\t\n\r ]+$/g, '');
  if (/[\0\r\n]|[^\0-\xff]/.test(value)) throw new TypeError('not a header value: ' + shared.stringify(value.slice(0, 100)));
  return value;
};

const indexIn = (list, name) => {
  for (let i = 0; i < list.length; i += 2) if (list[i] === name) return i;
  return -1;
};
// without is a list without a name, from a place on.
const without = (list, name, from) => {
  const rest = list.slice(0, from);
  for (let i = from; i < list.length; i += 2) if (list[i] !== name) rest.push(list[i], list[i + 1]);
  return rest;
};

let guard; // guard(headers): makes them immutable
let adopt; // adopt(list): Headers of a list that is known to be in order
let listed; // listed(headers): that list
let listOf; // listOf(init): the list that Headers of init would have

const iterate = shared.use('iteration').iteratorOf('Headers');

const isEnumerable = Object.prototype.propertyIsEnumerable;
const internal = {}; // nobody else has it

class Headers {
  #list;
  #order; // what #sorted returned, until there is a change
  #fixed = false;
  constructor(init) {
    if (init !== internal) this.#list = listOf(init);
  }
  static {
    guard = (headers) => { headers.#fixed = true; return headers; };
    adopt = (list) => {
      const headers = new Headers(internal);
      headers.#list = list;
      return headers;
    };
    listed = (headers) => headers.#list;
    listOf = (init) => {
      const list = [];
      if (init === undefined) return list;
      if (init === null || (typeof init !== 'object' && typeof init !== 'function')) throw new TypeError('Headers: pairs or an object are needed');
      if (#list in init && init[Symbol.iterator] === Headers.prototype.entries) return init.#list.slice();
      const iterate = init[Symbol.iterator];
      if (iterate !== undefined && iterate !== null) {
        for (const item of init) {
          const pair = typeof item === 'object' && item !== null ? [...item] : [];
          if (pair.length !== 2) throw new TypeError('Headers: each item must be a pair of a name and a value');
          list.push(nameText(pair[0]), valueText(pair[1]));
        }
        return list;
      }
      const keys = Reflect.ownKeys(init);
      for (let i = 0; i < keys.length; i++) {
        const key = keys[i];
        if (!isEnumerable.call(init, key)) continue;
        if (typeof key === 'symbol') throw new TypeError('Headers: a name cannot be a symbol');
        const value = init[key];
        if (plain(key, value)) list.push(key, value);
        else list.push(nameText(key), valueText(value));
      }
      return list;
    };
  }
  #change() {
    if (this.#fixed) throw new TypeError('these headers cannot be changed');
    this.#order = undefined;
  }
  append(name, value) {
    if (!plain(name, value)) {
      name = nameText(name);
      value = valueText(value);
    }
    this.#change();
    this.#list.push(name, value);
  }
  delete(name) {
    name = nameText(name);
    this.#change();
    this.#list = without(this.#list, name, 0);
  }
  get(name) {
    name = nameText(name);
    const list = this.#list;
    let found = null;
    for (let i = 0; i < list.length; i += 2) if (list[i] === name) found = found === null ? list[i + 1] : found + ', ' + list[i + 1];
    return found;
  }
  getSetCookie() {
    const list = this.#list;
    const found = [];
    for (let i = 0; i < list.length; i += 2) if (list[i] === 'set-cookie') found.push(list[i + 1]);
    return found;
  }
  has(name) { return indexIn(this.#list, nameText(name)) >= 0; }
  set(name, value) {
    if (!plain(name, value)) {
      name = nameText(name);
      value = valueText(value);
    }
    this.#change();
    const at = indexIn(this.#list, name);
    if (at < 0) {
      this.#list.push(name, value);
      return;
    }
    this.#list = without(this.#list, name, at + 2);
    this.#list[at + 1] = value;
  }
  #sorted() {
    if (this.#order !== undefined) return this.#order;
    const list = this.#list;
    const values = new Map();
    for (let i = 0; i < list.length; i += 2) {
      if (values.has(list[i])) values.get(list[i]).push(list[i + 1]);
      else values.set(list[i], [list[i + 1]]);
    }
    const out = [];
    for (const name of [...values.keys()].sort()) {
      if (name === 'set-cookie') for (const value of values.get(name)) out.push([name, value]);
      else out.push([name, values.get(name).join(', ')]);
    }
    return this.#order = out;
  }
  forEach(callback, self) {
    if (typeof callback !== 'function') throw new TypeError('forEach: the callback must be a function');
    for (const [name, value] of this.#iterate((h) => h)) callback.call(self, value, name, this);
  }
  entries() { return this.#iterate((h) => [h[0], h[1]]); }
  keys() { return this.#iterate((h) => h[0]); }
  values() { return this.#iterate((h) => h[1]); }
  #iterate(show) { return iterate(() => this.#sorted(), show); }
}
hide(Headers.prototype, Symbol.iterator, Headers.prototype.entries);

return { ...tagged({ __proto__: null, Headers }), guard, adopt, listed, listOf, indexIn };
