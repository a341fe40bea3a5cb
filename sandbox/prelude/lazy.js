// The Web-standard APIs that come into an instance when first needed, and what
// their parts share. Heavy lifting is Go's (package webapi).

// use returns what a part exports, by the part's name.
const use = (() => {

const WEB = 32, PART = 33, PLAIN_URL = 34;

const DOMExceptionClass = DOMException;
const { isView } = ArrayBuffer;
const typedPrototype = getPrototypeOf(Uint8Array.prototype);
const getter = (object, name) => getOwnPropertyDescriptor(object, name).get;
const bufferSize = getter(ArrayBuffer.prototype, 'byteLength');
const sharedSize = getter(SharedArrayBuffer.prototype, 'byteLength');
const typedTag = getter(typedPrototype, tagSymbol);
const typedBuffer = getter(typedPrototype, 'buffer');
const typedOffset = getter(typedPrototype, 'byteOffset');
const typedSize = getter(typedPrototype, 'byteLength');
const viewBuffer = getter(DataView.prototype, 'buffer');
const viewOffset = getter(DataView.prototype, 'byteOffset');
const viewSize = getter(DataView.prototype, 'byteLength');

// domException makes an error as Go names it.
function domException(name, message) {
  if (name === 'TypeError' || name === 'RangeError' || name === 'SyntaxError') return new errorClasses[name](message);
  return new DOMExceptionClass(message, name);
}

// web calls a function of package webapi.
function web(name, a, b, c, d, e, f, g) {
  const result = host(WEB, name, a, b, c, d, e, f, g);
  if (!isArray(result)) return result;
  throw domException(result[0], result[1]);
}

// plainURL tells whether a text is a URL of http or https without anything that
// the URL Standard would write in another way, nor credentials or a fragment.
// knowPlain tells it of one: the request's, which is what most are made of.
let lately = '';
const plainURL = (text) => text === lately || host(PLAIN_URL, text);
const knowPlain = (text) => { lately = text; };

// json is the JSON text of a plain value; of others it is undefined.
const json = (value) => host(JSON_OF, value);

const isBuffer = (value) => brand(bufferSize, value) !== undefined;
const isBufferSource = (value) => isView(value) || isBuffer(value) || brand(sharedSize, value) !== undefined;

// viewOf is the bytes of an ArrayBuffer or of a view, not copied.
function viewOf(source) {
  if (!isView(source)) return new Uint8ArrayClass(source);
  return apply(typedTag, source, []) !== undefined
    ? new Uint8ArrayClass(apply(typedBuffer, source, []), apply(typedOffset, source, []), apply(typedSize, source, []))
    : new Uint8ArrayClass(apply(viewBuffer, source, []), apply(viewOffset, source, []), apply(viewSize, source, []));
}

// bytesOf is a copy of them, as an ArrayBuffer.
function bytesOf(source, what) {
  if (!isBufferSource(source)) throw new errorClasses.TypeError(what + ' must be an ArrayBuffer or a view of one');
  return apply(typedBuffer, new Uint8ArrayClass(viewOf(source)), []);
}

// What inspect does not ask for: it makes something, or is there for old code.
const unshown = { __proto__: null, body: true, byobRequest: true, srcElement: true, returnValue: true, cancelBubble: true };

// tagged gives classes the name that Object.prototype.toString shows, makes
// their methods enumerable, as the standards have them, and tells inspect what
// to show of them.
function tagged(classes) {
  const names = ownKeys(classes);
  for (let i = 0; i < names.length; i++) {
    const Class = classes[names[i]];
    const proto = Class.prototype;
    if (proto === undefined) continue;
    const statics = ownKeys(Class);
    for (let n = 0; n < statics.length; n++) {
      if (statics[n] !== 'length' && statics[n] !== 'name' && statics[n] !== 'prototype') {
        defineProperty(Class, statics[n], { __proto__: null, enumerable: true });
      }
    }
    const keys = ownKeys(proto);
    const shown = bare();
    for (let n = 0; n < keys.length; n++) {
      if (keys[n] === 'constructor' || typeof keys[n] !== 'string') continue;
      defineProperty(proto, keys[n], { __proto__: null, enumerable: true });
      const member = keys[n] === 'forEach' ? proto.forEach : getOwnPropertyDescriptor(proto, keys[n]).get;
      if (member !== undefined && unshown[keys[n]] === undefined) shown[shown.length] = [keys[n], member];
    }
    apply(mapSet, platformClasses, [proto, shown]);
    defineProperty(proto, tagSymbol, { __proto__: null, value: names[i], configurable: true });
  }
  return classes;
}

// platformName is the name of the platform class that a value is of, if any.
function platformName(value) {
  for (let p = getPrototypeOf(value), n = 0; p !== null && n < 64; p = getPrototypeOf(p), n++) {
    if (apply(mapGet, platformClasses, [p]) !== undefined) return p[tagSymbol];
  }
  return undefined;
}

const loadedParts = { __proto__: null };

function use(name) {
  const have = loadedParts[name];
  if (have !== undefined) return have;
  for (let i = 0; i < lazyParts.length; i++) {
    if (lazyParts[i].Name !== name) continue;
    const make = host(PART, i);
    return loadedParts[name] = make(host, shared);
  }
}

const shared = {
  __proto__: null,
  web, plainURL, knowPlain, json, use, tagged, platformName, hide, domException, isBuffer, isBufferSource, viewOf, bytesOf,
  needLive, startTimer, clearTimer, plain, hostStream, openStream, MAX_PIECE, cancelCall, finish, respond, clientGone, api: (name) => apiCalls[name], isError, inspect, frames, stringify, failure,
  iteratorPrototype: getPrototypeOf(getPrototypeOf([][iteratorSymbol]())), now: () => host(NOW), report: (e) => write(AS_ERROR, ['Uncaught ' + inspect(e)]),
};

// reserve makes a global that becomes its part's when first read. Until then it
// is an accessor, which is all that tells it from a data property.
function reserve(name, part) {
  const first = apply(charCodeAt, name, [0]);
  const enumerable = first >= 97; // classes are not, functions and objects are
  const settle = (value) => defineProperty(globalThis, name, { __proto__: null, value, writable: true, configurable: true, enumerable });
  defineProperty(globalThis, name, {
    __proto__: null, configurable: true, enumerable,
    get() {
      const value = use(part)[name];
      settle(value);
      return value;
    },
    set: settle,
  });
}

for (let i = 0; i < lazyParts.length; i++) {
  const part = lazyParts[i];
  for (let n = 0; n < part.Globals.length; n++) reserve(part.Globals[n], part.Name);
}
return use;

})();

put(globalThis, 'self', globalThis);
put(globalThis, 'reportError', ({ reportError(e) { write(AS_ERROR, ['Uncaught ' + inspect(e)]); } }).reportError);
