import util, { inspect, format, promisify } from 'util';

class Foo {
  constructor() { this.a = 1; }
}
class Custom {
  [inspect.custom](depth) { return `<custom ${depth}>`; }
}
const circle = { name: 'c' };
circle.self = [circle];

const values = [
  1, -0, 'a', "it's", null, undefined, true, [1, 2, [3]], { a: 1, 'b-c': { d: { e: { f: 1 } } } }, new Map([[1, { a: 2 }]]), new Set(['a']),
  () => 1, function f() {}, class A {}, Symbol('x'), 10n, new Date(0), /x/g, new Foo(), Object.create(null), new Uint8Array(2), [], {}, { a: [] },
  { get a() { return 1; } }, { set a(_) {} }, Object.assign([1], { x: 1 }), 'a\nb', { [Symbol('s')]: 1 }, new Custom(), Array.from({ length: 103 }, () => 0).length, [new Date(NaN)],
];

export default async () => {
  class Old {}
  class Older { hello() { return 'hello'; } }
  util.inherits(Old, Older);
  const results = [];
  util.callbackify(async (x) => x * 2)(4, (e, v) => results.push(e, v));
  util.callbackify(async () => { throw new TypeError('t'); })((e) => results.push(e.message));
  results.push(await promisify((a, done) => done(null, a + 1))(1));
  results.push(await promisify((done) => done(new Error('p')))().catch((e) => e.message));
  await new Promise((done) => setTimeout(done, 10));
  return {
    inspect: values.map((v) => inspect(v)),
    circular: inspect(circle).includes('[Circular *1]'),
    long: inspect({ one: 'x'.repeat(40), two: 'y'.repeat(40) }),
    error: inspect(new TypeError('bad')).startsWith('TypeError: bad\n    at '),
    depth: [inspect({ a: { b: {} } }, { depth: 0 })],
    format: [['%s %d %i %f %j %%', 'x', 1.5, 1.5, '2.5', { a: 1 }], ['a', 1, { b: 2 }], ['%s'], [{ a: 1 }, 'x'], ['%s', null, undefined], ['%d', '42'], ['%%'], ['100%', 'x'], ['%O', [1]], ['%s', 5n, Symbol('q')]].map((a) => format(...a)),
    results: results.map(String).sort(), inherits: [new Old().hello(), Old.super_ === Older],
    types: ['isDate', 'isRegExp', 'isMap', 'isPromise', 'isTypedArray', 'isUint8Array', 'isNativeError', 'isAsyncFunction', 'isBoxedPrimitive', 'isArrayBuffer', 'isGeneratorFunction']
      .map((n) => [new Date(), /x/, new Map(), Promise.resolve(), new Int8Array(), new Uint8Array(), new Error(), async () => {}, Object('s'), new ArrayBuffer(1), function* () {}].map((v) => +util.types[n](v)).join('')),
    same: [util.isDeepStrictEqual({ a: [1, new Set([1])] }, { a: [1, new Set([1])] }), util.isDeepStrictEqual([1], ['1'])],
    plain: util.stripVTControlCharacters('\u001b[31mred\u001b[0m'),
    warned: util.deprecate((x) => x, 'old')(3),
  };
};
