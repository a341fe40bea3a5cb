import assert, { strict, AssertionError } from 'assert';

const pairs = [
  [{ a: 1 }, { a: 1 }], [[1, 2], [1, 2]], [new Map([[1, 2]]), new Map([[1, 2]])], [new Set([{ a: 1 }]), new Set([{ a: 1 }])], [{ a: 1 }, { a: '1' }],
  [NaN, NaN], [0, -0], [new Date(1), new Date(2)], [/a/, /a/g], [[1], { 0: 1 }], [null, undefined], [new Error('a'), new Error('b')], [{ a: undefined }, {}],
  [new Uint8Array([1]), new Uint8Array([1])], [Object(1), Object(2)], ['1', 1],
];
const passes = (f) => {
  try {
    f();
    return 1;
  } catch (e) {
    return e instanceof AssertionError && e.code === 'ERR_ASSERTION' ? 0 : String(e);
  }
};

export default async () => ({
  pairs: ['equal', 'notEqual', 'strictEqual', 'notStrictEqual', 'deepEqual', 'notDeepEqual', 'deepStrictEqual', 'notDeepStrictEqual'].map((n) => pairs.map(([a, b]) => passes(() => assert[n](a, b))).join('')),
  strict: [passes(() => strict.equal(1, '1')), passes(() => strict.deepEqual([1], ['1'])), passes(() => strict(1))],
  ok: [passes(() => assert(1)), passes(() => assert(0)), passes(() => assert.ok('')), passes(() => assert.fail('x')), passes(() => assert.ifError(null))],
  message: (() => {
    try {
      assert.equal(1, 2, 'mine');
    } catch (e) {
      return [e.name, e.message, e.actual, e.expected, e.operator, e.generatedMessage];
    }
  })(),
  throws: [
    () => assert.throws(() => { throw new TypeError('bad x'); }, TypeError),
    () => assert.throws(() => { throw new TypeError('bad x'); }, /bad/),
    () => assert.throws(() => { throw new TypeError('bad x'); }, { name: 'TypeError', message: /x$/ }),
    () => assert.throws(() => { throw new TypeError('bad x'); }, (e) => e.message === 'bad x'),
    () => assert.throws(() => { throw new TypeError('bad x'); }, /good/),
    () => assert.throws(() => {}),
    () => assert.throws(() => { throw new TypeError('other class'); }, RangeError),
    () => assert.doesNotThrow(() => {}),
    () => assert.match('abc', /b/),
    () => assert.doesNotMatch('abc', /b/),
  ].map(passes),
  rejects: await Promise.all([
    assert.rejects(Promise.reject(new Error('r')), /r/).then(() => 1, () => 0),
    assert.rejects(async () => {}).then(() => 1, () => 0),
    assert.doesNotReject(async () => 1).then(() => 1, () => 0),
  ]),
});
