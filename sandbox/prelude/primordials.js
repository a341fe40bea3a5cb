// The language as it was before any tenant code ran, and what host understands.
// Nothing else in the prelude reaches for a global at run time.

const { apply, ownKeys, getOwnPropertyDescriptor, defineProperty } = Reflect;
const { parse, stringify } = JSON;
const { create, getPrototypeOf, setPrototypeOf, prototype: ObjectPrototype } = Object;
const { isArray } = Array;
const { isInteger } = Number;
const PromiseClass = Promise;
const promiseThen = Promise.prototype.then;
const ErrorClass = Error;
const TypeErrorClass = TypeError;
const MapClass = Map;
const mapGet = Map.prototype.get;
const mapSet = Map.prototype.set;
const mapDelete = Map.prototype.delete;
const mapEntries = Map.prototype.entries;
const mapNext = getPrototypeOf(new Map().entries()).next;
const setValues = Set.prototype.values;
const setNext = getPrototypeOf(new Set().values()).next;
const mapSize = getOwnPropertyDescriptor(Map.prototype, 'size').get;
const setSize = getOwnPropertyDescriptor(Set.prototype, 'size').get;
const toText = String;
const toNumber = Number;
const { slice, indexOf, split, charCodeAt, toLowerCase, trim, padStart } = String.prototype;
const numberToString = Number.prototype.toString;
const { toISOString, getTime } = Date.prototype;
const functionToString = Function.prototype.toString;
const regexpToString = RegExp.prototype.toString;
const symbolToString = Symbol.prototype.toString;
const { floor } = Math;
const iteratorSymbol = Symbol.iterator;
const tagSymbol = Symbol.toStringTag;

// What host's first argument means. Kept equal to the list in bridge.go.
const CALL = 0, CALL_SYNC = 1, LOG = 2, TIMER = 3, CLEAR = 4, NOW = 5, TEXT = 6, CONTROL = 11, RESPOND = 12;

const hide = (target, name, value) =>
  defineProperty(target, name, { __proto__: null, value, writable: true, configurable: true, enumerable: false });

// bare makes a list that no setter on a prototype can get at.
const bare = () => setPrototypeOf([], null);

// ownMap makes a map for the bridge's own use. It can be called without apply,
// which takes twice as long.
const ownMap = () => {
  const map = new MapClass();
  hide(map, 'get', mapGet);
  hide(map, 'set', mapSet);
  hide(map, 'delete', mapDelete);
  return map;
};

// The call sites that Error.prepareStackTrace gets would hand out the functions
// on the stack, the prelude's own among them.
Error.prepareStackTrace = (_, sites) => sites;
delete getPrototypeOf(new Error().stack[0]).getFunction;
Error.prepareStackTrace = undefined;
