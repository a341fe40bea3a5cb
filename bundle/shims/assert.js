// Assertions, as https://nodejs.org/api/assert.html describes them, without
// the pictures of differences.
'use strict';

const types = require('bulkhead:util-types');
const inspect = (v) => require('bulkhead:util').inspect(v);

class AssertionError extends Error {
  constructor(options) {
    super(options.message ?? `${inspect(options.actual)} ${options.operator} ${inspect(options.expected)}`);
    this.code = 'ERR_ASSERTION';
    this.generatedMessage = options.message === undefined;
    this.actual = options.actual;
    this.expected = options.expected;
    this.operator = options.operator;
  }

  get name() { return 'AssertionError'; }
}

function fail(actual, expected, message, operator, otherwise) {
  if (message instanceof Error) throw message;
  const e = new AssertionError({ message: message ?? otherwise, actual, expected, operator });
  e.generatedMessage = message === undefined;
  throw e;
}

const same = (a, b, strict) => Object.is(a, b) || (!strict && (a == b || (a !== a && b !== b)));

function deepEqual(a, b, strict, pairs = []) {
  if (same(a, b, strict)) return true;
  if (typeof a !== 'object' || typeof b !== 'object' || a === null || b === null) return false;
  if (strict && Object.getPrototypeOf(a) !== Object.getPrototypeOf(b)) return false;
  if (Object.prototype.toString.call(a) !== Object.prototype.toString.call(b) || Array.isArray(a) !== Array.isArray(b)) return false;
  if (pairs.some(([x, y]) => x === a && y === b)) return true;
  pairs = [...pairs, [a, b]];
  const inner = (x, y) => deepEqual(x, y, strict, pairs);
  if (a instanceof Date && !Object.is(a.getTime(), b.getTime())) return false;
  if (a instanceof RegExp && (String(a) !== String(b) || a.lastIndex !== b.lastIndex)) return false;
  if (a instanceof Error && (a.message !== b.message || a.name !== b.name || !inner(a.cause, b.cause))) return false;
  if (types.isBoxedPrimitive(a) && !Object.is(a.valueOf(), b.valueOf())) return false;
  if (a instanceof ArrayBuffer) return inner(new Uint8Array(a), new Uint8Array(b));
  if (a instanceof Set) {
    if (a.size !== b.size) return false;
    const left = [...b];
    for (const x of a) {
      const i = left.findIndex((y) => inner(x, y));
      if (i < 0) return false;
      left.splice(i, 1);
    }
  }
  if (a instanceof Map) {
    if (a.size !== b.size) return false;
    const left = [...b];
    for (const [k, x] of a) {
      const i = left.findIndex(([l, y]) => inner(k, l) && inner(x, y));
      if (i < 0) return false;
      left.splice(i, 1);
    }
  }
  if ((Array.isArray(a) || types.isTypedArray(a)) && a.length !== b.length) return false;
  const keys = keysOf(a, strict);
  if (keys.length !== keysOf(b, strict).length) return false;
  return keys.every((k) => Object.hasOwn(b, k) && inner(a[k], b[k]));
}

function keysOf(v, strict) {
  const keys = Object.keys(v);
  if (strict) for (const s of Object.getOwnPropertySymbols(v)) if (Object.prototype.propertyIsEnumerable.call(v, s)) keys.push(s);
  return keys;
}

function matches(error, expected) {
  if (expected === undefined) return true;
  if (expected instanceof RegExp) return expected.test(String(error));
  if (typeof expected === 'function') {
    if (expected.prototype !== undefined && error instanceof expected) return true;
    if (expected === Error || expected.prototype instanceof Error) return false;
    return expected.call({}, error) === true;
  }
  return Object.keys(expected).every((k) => (expected[k] instanceof RegExp && typeof error[k] === 'string' ? expected[k].test(error[k]) : deepEqual(error[k], expected[k], true)));
}

const splitMessage = (expected, message) => (typeof expected === 'string' ? [undefined, expected] : [expected, message]);

function checkThrown(error, expected, message, operator) {
  if (matches(error, expected)) return;
  fail(error, expected, message, operator, 'The error is not the one expected: ' + String(error));
}

function makeAssert(strict) {
  const assert = (value, message) => assert.ok(value, message);
  Object.assign(assert, {
    AssertionError,
    ok(value, message) {
      if (!value) fail(value, true, message, '==', 'The expression evaluated to a falsy value');
    },
    fail(message) { fail(undefined, undefined, message, 'fail', 'Failed'); },
    equal(a, b, message) {
      if (!(strict ? Object.is(a, b) : same(a, b, false))) fail(a, b, message, strict ? 'strictEqual' : '==');
    },
    notEqual(a, b, message) {
      if (strict ? Object.is(a, b) : same(a, b, false)) fail(a, b, message, strict ? 'notStrictEqual' : '!=');
    },
    strictEqual(a, b, message) {
      if (!Object.is(a, b)) fail(a, b, message, 'strictEqual', `Expected values to be strictly equal:\n\n${inspect(a)} !== ${inspect(b)}\n`);
    },
    notStrictEqual(a, b, message) {
      if (Object.is(a, b)) fail(a, b, message, 'notStrictEqual');
    },
    deepEqual(a, b, message) {
      if (!deepEqual(a, b, strict)) fail(a, b, message, strict ? 'deepStrictEqual' : 'deepEqual');
    },
    notDeepEqual(a, b, message) {
      if (deepEqual(a, b, strict)) fail(a, b, message, strict ? 'notDeepStrictEqual' : 'notDeepEqual');
    },
    deepStrictEqual(a, b, message) {
      if (!deepEqual(a, b, true)) fail(a, b, message, 'deepStrictEqual');
    },
    notDeepStrictEqual(a, b, message) {
      if (deepEqual(a, b, true)) fail(a, b, message, 'notDeepStrictEqual');
    },
    match(text, form, message) {
      if (typeof text !== 'string' || !form.test(text)) fail(text, form, message, 'match');
    },
    doesNotMatch(text, form, message) {
      if (typeof text === 'string' && form.test(text)) fail(text, form, message, 'doesNotMatch');
    },
    throws(f, ...rest) {
      const [expected, message] = splitMessage(...rest);
      let thrown;
      try {
        f();
      } catch (e) {
        thrown = { e };
      }
      if (!thrown) fail(undefined, expected, message, 'throws', 'Missing expected exception.');
      checkThrown(thrown.e, expected, message, 'throws');
    },
    doesNotThrow(f, ...rest) {
      const [, message] = splitMessage(...rest);
      try {
        f();
      } catch (e) {
        fail(e, undefined, message, 'doesNotThrow', 'Got unwanted exception: ' + String(e));
      }
    },
    async rejects(promise, ...rest) {
      const [expected, message] = splitMessage(...rest);
      let thrown;
      try {
        await (typeof promise === 'function' ? promise() : promise);
      } catch (e) {
        thrown = { e };
      }
      if (!thrown) fail(undefined, expected, message, 'rejects', 'Missing expected rejection.');
      checkThrown(thrown.e, expected, message, 'rejects');
    },
    async doesNotReject(promise, ...rest) {
      const [, message] = splitMessage(...rest);
      try {
        await (typeof promise === 'function' ? promise() : promise);
      } catch (e) {
        fail(e, undefined, message, 'doesNotReject', 'Got unwanted rejection: ' + String(e));
      }
    },
    ifError(value) {
      if (value !== null && value !== undefined) throw value instanceof Error ? value : new AssertionError({ message: 'ifError got unwanted exception: ' + inspect(value), actual: value, expected: null, operator: 'ifError' });
    },
  });
  return assert;
}

const assert = makeAssert(false);
assert.strict = makeAssert(true);
assert.strict.strict = assert.strict;
Object.defineProperty(assert, 'isDeepStrictEqual', { value: (a, b) => deepEqual(a, b, true) });

module.exports = assert;
