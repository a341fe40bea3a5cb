// Headers, after the Fetch Standard.

const { tagged, hide } = shared;

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
let adopt; // adopt(list): Headers of [lower name, value] that are known to be in order
let listed; // listed(headers): that list

const iterate = shared.use('iteration').iteratorOf('Headers');

class Headers {
  #list = []; // [lower name, value]
  #order; // what #sorted returned, until there is a change
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
  static {
    guard = (headers) => { headers.#fixed = true; return headers; };
    adopt = (list) => {
      const headers = new Headers();
      headers.#list = list;
      return headers;
    };
    listed = (headers) => headers.#list;
  }
  #change() {
    if (this.#fixed) throw new TypeError('these headers cannot be changed');
    this.#order = undefined;
  }
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
    if (this.#order !== undefined) return this.#order;
    const values = new Map();
    for (const [name, value] of this.#list) {
      if (values.has(name)) values.get(name).push(value);
      else values.set(name, [value]);
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

return { ...tagged({ __proto__: null, Headers }), guard, adopt, listed };
