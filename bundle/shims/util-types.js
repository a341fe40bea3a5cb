'use strict';

const tag = (v) => Object.prototype.toString.call(v).slice(8, -1);
const typedArray = Object.getPrototypeOf(Uint8Array.prototype);
const nameOf = Object.getOwnPropertyDescriptor(typedArray, Symbol.toStringTag).get;

const types = {
  isTypedArray: (v) => ArrayBuffer.isView(v) && !(v instanceof DataView),
  isArrayBufferView: (v) => ArrayBuffer.isView(v),
  isAnyArrayBuffer: (v) => v instanceof ArrayBuffer || (typeof SharedArrayBuffer !== 'undefined' && v instanceof SharedArrayBuffer),
  isNativeError: (v) => v instanceof Error,
  isBoxedPrimitive: (v) => typeof v === 'object' && v !== null && ['Number', 'String', 'Boolean', 'Symbol', 'BigInt'].includes(tag(v)),
  isAsyncFunction: (v) => typeof v === 'function' && tag(v).startsWith('Async'),
  isGeneratorFunction: (v) => typeof v === 'function' && tag(v).endsWith('GeneratorFunction'),
  isGeneratorObject: (v) => ['Generator', 'AsyncGenerator'].includes(tag(v)),
  isNumberObject: (v) => typeof v === 'object' && tag(v) === 'Number',
  isStringObject: (v) => typeof v === 'object' && tag(v) === 'String',
  isBooleanObject: (v) => typeof v === 'object' && tag(v) === 'Boolean',
  isSymbolObject: (v) => typeof v === 'object' && tag(v) === 'Symbol',
  isArgumentsObject: (v) => typeof v === 'object' && tag(v) === 'Arguments',
  isMapIterator: (v) => tag(v) === 'Map Iterator',
  isSetIterator: (v) => tag(v) === 'Set Iterator',
  isModuleNamespaceObject: (v) => tag(v) === 'Module',
  isProxy: () => false, // nothing can tell
  isExternal: () => false,
};
for (const Class of [Map, Set, WeakMap, WeakSet, Promise, Date, RegExp, DataView, ArrayBuffer]) {
  types['is' + Class.name] = (v) => v instanceof Class;
}
for (const name of ['Int8', 'Uint8', 'Uint8Clamped', 'Int16', 'Uint16', 'Int32', 'Uint32', 'Float32', 'Float64', 'BigInt64', 'BigUint64']) {
  types['is' + name + 'Array'] = (v) => ArrayBuffer.isView(v) && nameOf.call(v) === name + 'Array';
}

module.exports = types;
