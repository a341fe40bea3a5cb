// What tests are written with, and what runs them.
import nodeAssert from 'bulkhead:assert';
import { mark, report, restore, stub, useReal } from 'bulkhead:test-stubs';

export { stub };
export const assert = nodeAssert;

const root = makeSuite('', null, {});
let current = root; // to which what is declared is added
let running = null; // the test whose function runs

function makeSuite(name, parent, options) {
  return { kind: 'suite', name, parent, options, children: [], before: [], after: [], beforeEach: [], afterEach: [] };
}

function parse(args) {
  const [name, options, body] = [
    typeof args[0] === 'string' ? args.shift() : undefined,
    typeof args[0] === 'object' && args[0] !== null ? args.shift() : {},
    args[0],
  ];
  return { name: name ?? body?.name ?? '', options, body };
}

// place is the stack of a declaration, in which the reader finds its line.
const place = () => new Error('').stack;

function declareTest(more, args) {
  const { name, options, body } = parse([...args]);
  const test = { kind: 'test', name: name || '(nameless)', options: { ...options, ...more }, body, parent: current, place: place() };
  if (body === undefined && !test.options.skip) test.options.todo ??= true;
  if (running) throw new Error(`test(${JSON.stringify(test.name)}) is inside of a test; await t.test(...) there`);
  current.children.push(test);
}

function declareSuite(more, args) {
  const { name, options, body } = parse([...args]);
  const suite = makeSuite(name || '(nameless)', current, { ...options, ...more });
  current.children.push(suite);
  if (body === undefined) return;
  current = suite;
  try {
    const result = body();
    if (typeof result?.then === 'function') throw new TypeError(`describe(${JSON.stringify(suite.name)}) got an async function; only tests and hooks can be async`);
  } finally {
    current = suite.parent;
  }
}

const variants = (declare) => {
  const f = (...args) => declare({}, args);
  for (const flag of ['only', 'skip', 'todo']) f[flag] = (...args) => declare({ [flag]: true }, args);
  return f;
};

export const test = variants(declareTest);
export const describe = variants(declareSuite);
export const it = test;
export const suite = describe;
export const before = (f) => { current.before.push(f); };
export const after = (f) => { current.after.push(f); };
export const beforeEach = (f) => { current.beforeEach.push(f); };
export const afterEach = (f) => { current.afterEach.push(f); };
export const beforeAll = before, afterAll = after;
export default Object.assign(test, { test, it, describe, suite, before, after, beforeEach, afterEach });

// Running.

const titles = (node) => node.parent ? [...titles(node.parent), node.name] : [];
const any = (node, of) => of(node) || (node.children ?? []).some((c) => any(c, of));

async function limited(f, ms) {
  if (!(ms > 0)) return f();
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(Object.assign(new Error(`it did not end within ${ms} ms`), { name: 'TimeoutError', stack: '' })), ms);
  });
  try {
    return await Promise.race([f(), late]);
  } finally {
    clearTimeout(timer);
  }
}

export async function run(event) {
  const { filter, timeout = 5000, real = false } = event ?? {};
  useReal(real);
  const pattern = filter ? new RegExp(filter) : null;
  const counts = { passed: 0, failed: 0, skipped: 0, todo: 0 };
  const only = any(root, (n) => n.options.only);
  const say = (message) => report(JSON.stringify(message));

  const chosen = (test) => pattern === null || pattern.test(titles(test).join(' '));
  const excused = (node, key) => node.options[key] || (node.parent && excused(node.parent, key));
  const meant = (node) => !only || node.options.only || (node.parent && meantBy(node.parent));
  // A suite that is "only" means all of it, unless something in it is "only", too.
  const meantBy = (s) => (s.options.only && !s.children.some((c) => any(c, (n) => n.options.only))) || (s.parent && meantBy(s.parent));

  const chain = (s, hook) => s ? [...chain(s.parent, hook), ...s[hook]] : [];
  const reversed = (s, hook) => s ? [...s[hook], ...reversed(s.parent, hook)] : [];

  async function runTest(test, path) {
    const skip = excused(test, 'skip');
    const todo = excused(test, 'todo');
    if (skip || test.body === undefined) {
      const outcome = skip ? 'skipped' : 'todo';
      counts[outcome]++;
      return say({ type: 'end', path, outcome, reason: [skip, todo].find((r) => typeof r === 'string'), place: test.place });
    }
    await say({ type: 'start', path });
    const from = mark(), started = performance.now();
    const notes = [];
    let error, state = { skip, todo };
    const subtests = [];
    const context = {
      name: test.name,
      skip: (reason) => { state.skip = reason ?? true; },
      todo: (reason) => { state.todo = reason ?? true; },
      diagnostic: (text) => { notes.push(String(text)); },
      assert: nodeAssert,
      stub,
      test: async (...args) => {
        const { name, options, body } = parse([...args]);
        const sub = { kind: 'test', name, options, body, parent: { ...makeSuite(test.name, test.parent, {}), children: [] }, place: place() };
        const done = runTest(sub, [...path, name]);
        subtests.push(done);
        const failed = await done;
        if (failed) throw Object.assign(new Error(`its test ${JSON.stringify(name)} failed`), { stack: '' });
      },
    };
    const ms = test.options.timeout ?? timeout;
    try {
      for (const hook of chain(test.parent, 'beforeEach')) await limited(() => hook(context), ms);
      running = test;
      await limited(() => test.body(context), ms);
      running = null;
      await Promise.allSettled(subtests);
    } catch (e) {
      error = { e };
    }
    running = null;
    for (const hook of reversed(test.parent, 'afterEach')) {
      try {
        await limited(() => hook(context), ms);
      } catch (e) {
        error ??= { e };
      }
    }
    restore(from);
    const outcome = state.skip ? 'skipped' : state.todo ? 'todo' : error ? 'failed' : 'passed';
    counts[outcome]++;
    await say({
      type: 'end', path, outcome, ms: Math.round((performance.now() - started) * 10) / 10, place: test.place,
      reason: [state.skip, state.todo].find((r) => typeof r === 'string'),
      notes: notes.length > 0 ? notes : undefined, error: error && describeError(error.e),
    });
    return outcome === 'failed';
  }

  async function hookFailed(s, path, which, e) {
    counts.failed++;
    await say({ type: 'end', path: [...path, `(${which})`], outcome: 'failed', error: describeError(e) });
  }

  async function runSuite(s, path) {
    const tests = (n) => n.kind === 'test' ? chosen(n) && meant(n) : n.children.some(tests);
    const children = s.children.filter(tests);
    if (children.length === 0) return;
    const from = mark();
    const works = (n) => n.kind === 'test' ? !excused(n, 'skip') && n.body !== undefined : n.children.some(works);
    const hooks = children.some(works);
    let broken = false;
    if (hooks) {
      try {
        for (const hook of s.before) await limited(hook, timeout);
      } catch (e) {
        broken = true;
        await hookFailed(s, path, 'before', e);
      }
    }
    for (const child of broken ? [] : children) {
      if (child.kind === 'test') await runTest(child, [...path, child.name]);
      else await runSuite(child, [...path, child.name]);
    }
    if (hooks) {
      try {
        for (const hook of s.after) await limited(hook, timeout);
      } catch (e) {
        await hookFailed(s, path, 'after', e);
      }
    }
    if (s.parent) restore(from);
  }

  await runSuite(root, []);
  return { ...counts, only };
}

// Telling.

function describeError(e, depth = 0) {
  if (!(e instanceof Error)) return { name: '', message: 'thrown: ' + pretty(e), stack: '' };
  const out = { name: e.name, message: e.message, stack: String(e.stack ?? '') };
  if ('actual' in e && 'expected' in e && e.showDiff !== false) {
    out.actual = pretty(e.actual);
    out.expected = pretty(e.expected);
  }
  if (e.cause instanceof Error && depth < 5) out.cause = describeError(e.cause, depth + 1);
  return out;
}

const MOST = 20000; // characters of one value that is shown

// pretty shows a value on as many lines as it needs, the same for equal ones.
export function pretty(value) {
  const seen = [];
  let length = 0;
  const text = (v, pad) => {
    if (length > MOST) return '...';
    const s = form(v, pad);
    length += s.length;
    return s;
  };
  const block = (before, items, after, pad) => items.length === 0 ? before + after : before + '\n' + items.map((i) => pad + '  ' + i + ',\n').join('') + pad + after;
  const form = (v, pad) => {
    switch (typeof v) {
      case 'string': return JSON.stringify(v);
      case 'bigint': return v + 'n';
      case 'number': return Object.is(v, -0) ? '-0' : String(v);
      case 'function': return `[function ${v.name || '(nameless)'}]`;
      case 'object': break;
      default: return String(v);
    }
    if (v === null) return 'null';
    if (seen.includes(v)) return '[circular]';
    seen.push(v);
    try {
      const inner = pad + '  ';
      if (v instanceof Date) return `Date(${Number.isNaN(+v) ? 'invalid' : v.toISOString()})`;
      if (v instanceof RegExp) return String(v);
      if (v instanceof Error) return `${v.name}(${JSON.stringify(v.message)})`;
      if (v instanceof Map) return block('Map {', [...v].map(([k, x]) => text(k, inner) + ' => ' + text(x, inner)), '}', pad);
      if (v instanceof Set) return block('Set {', [...v].map((x) => text(x, inner)), '}', pad);
      if (v instanceof Promise) return '[promise]';
      if (v instanceof ArrayBuffer) return `ArrayBuffer [${[...new Uint8Array(v)].join(', ')}]`;
      if (ArrayBuffer.isView(v) && !(v instanceof DataView)) return `${v.constructor.name} [${[...v].join(', ')}]`;
      if (Array.isArray(v)) return block('[', Array.from(v, (x) => text(x, inner)), ']', pad);
      const name = Object.getPrototypeOf(v)?.constructor?.name ?? '';
      const keys = Object.keys(v).sort();
      return block((name && name !== 'Object' ? name + ' ' : '') + '{', keys.map((k) => (/^[A-Za-z_$][\w$]*$/.test(k) ? k : JSON.stringify(k)) + ': ' + text(v[k], inner)), '}', pad);
    } finally {
      seen.pop();
    }
  };
  const out = text(value, '');
  return out.length > MOST ? out.slice(0, MOST) + '...' : out;
}

// Expectations.

class ExpectError extends Error {
  constructor(message, diff) {
    super(message);
    this.name = 'AssertionError';
    if (diff) [this.actual, this.expected] = diff;
  }
}

const short = (v) => {
  const s = pretty(v).replace(/\s*\n\s*/g, ' ').replace(/,( [}\]])/g, '$1');
  return s.length > 80 ? s.slice(0, 77) + '...' : s;
};

const special = Symbol('matcher');
const isSpecial = (v) => typeof v === 'object' && v !== null && special in v;
const makeSpecial = (name, holds) => ({ [special]: holds, toString: () => name });

// equal compares like deepStrictEqual, knows expect.any and its kin, and takes
// a member that is undefined for one that is not there.
function equal(a, b, partial = false) {
  if (isSpecial(b)) return b[special](a);
  if (Object.is(a, b)) return true;
  if (typeof a !== 'object' || typeof b !== 'object' || a === null || b === null) return false;
  if (Array.isArray(b)) return Array.isArray(a) && a.length === b.length && b.every((x, i) => equal(a[i], x, partial));
  const proto = Object.getPrototypeOf(b);
  if (proto !== Object.prototype && proto !== null) return nodeAssert.isDeepStrictEqual(a, b);
  if (Object.getPrototypeOf(a) !== Object.prototype && Object.getPrototypeOf(a) !== null && !partial) return false;
  const keys = (o) => Object.keys(o).filter((k) => o[k] !== undefined);
  if (!partial && keys(a).some((k) => b[k] === undefined)) return false;
  return keys(b).every((k) => equal(a[k], b[k], partial));
}

function throwsAs(thrown, wanted) {
  if (wanted === undefined) return true;
  if (typeof wanted === 'string') return String(thrown?.message ?? thrown).includes(wanted);
  if (wanted instanceof RegExp) return wanted.test(String(thrown?.message ?? thrown));
  if (typeof wanted === 'function') return thrown instanceof wanted;
  return equal(thrown, wanted, true) || (thrown?.message === wanted.message && thrown?.name === wanted.name);
}

const lengthOf = (v) => v?.length ?? v?.size;

const matchers = {
  toBe: (a, b) => [Object.is(a, b), `to be ${short(b)}`, [a, b]],
  toEqual: (a, b) => [equal(a, b), `to equal ${short(b)}`, [a, b]],
  toStrictEqual: (a, b) => [nodeAssert.isDeepStrictEqual(a, b), `to strictly equal ${short(b)}`, [a, b]],
  toMatchObject: (a, b) => [equal(a, b, true), `to match ${short(b)}`, [a, b]],
  toBeTruthy: (a) => [!!a, 'to be truthy'],
  toBeFalsy: (a) => [!a, 'to be falsy'],
  toBeNull: (a) => [a === null, 'to be null'],
  toBeUndefined: (a) => [a === undefined, 'to be undefined'],
  toBeDefined: (a) => [a !== undefined, 'to be defined'],
  toBeNaN: (a) => [Number.isNaN(a), 'to be NaN'],
  toBeInstanceOf: (a, c) => [a instanceof c, `to be an instance of ${c?.name}`],
  toBeGreaterThan: (a, b) => [a > b, `to be greater than ${short(b)}`],
  toBeGreaterThanOrEqual: (a, b) => [a >= b, `to be at least ${short(b)}`],
  toBeLessThan: (a, b) => [a < b, `to be less than ${short(b)}`],
  toBeLessThanOrEqual: (a, b) => [a <= b, `to be at most ${short(b)}`],
  toBeCloseTo: (a, b, digits = 2) => [Math.abs(a - b) < 10 ** -digits / 2, `to be close to ${short(b)}`],
  toContain: (a, b) => [typeof a === 'string' ? a.includes(b) : [...a].includes(b), `to contain ${short(b)}`],
  toContainEqual: (a, b) => [[...a].some((x) => equal(x, b)), `to contain an equal of ${short(b)}`],
  toHaveLength: (a, n) => [lengthOf(a) === n, `to have length ${n}, not ${lengthOf(a)}`],
  toHaveProperty: (a, path, ...value) => {
    let v = a, there = true;
    for (const k of Array.isArray(path) ? path : String(path).split('.')) {
      there &&= v !== null && v !== undefined && k in Object(v);
      v = v?.[k];
    }
    return [there && (value.length === 0 || equal(v, value[0])), `to have the property ${short(path)}${value.length > 0 ? ' of ' + short(value[0]) : ''}`];
  },
  toMatch: (a, p) => [typeof a === 'string' && (typeof p === 'string' ? a.includes(p) : p.test(a)), `to match ${short(p)}`],
  toThrow: (f, wanted) => {
    let thrown;
    if (typeof f !== 'function') thrown = f instanceof Settled ? f : undefined;
    else try { f(); } catch (e) { thrown = new Settled(e); }
    return [thrown !== undefined && throwsAs(thrown.value, wanted), `to throw${wanted === undefined ? '' : ' ' + short(wanted)}${thrown ? ', not ' + short(thrown.value) : ''}`];
  },
  toHaveBeenCalled: (s) => [s.calls.length > 0, 'to have been called'],
  toHaveBeenCalledTimes: (s, n) => [s.calls.length === n, `to have been called ${n} times, not ${s.calls.length}`],
  toHaveBeenCalledWith: (s, ...args) => [s.calls.some((c) => equal(c, args)), `to have been called with ${short(args)}`, [s.calls, [args]]],
};

class Settled {
  constructor(value) { this.value = value; }
}

function check(name, actual, args, negated) {
  const [holds, phrase, diff] = matchers[name](actual, ...args);
  if (holds !== negated) return;
  const subject = name.startsWith('toHaveBeen') ? `the stub of ${actual?.name ?? 'it'}` : name === 'toThrow' ? 'the function' : short(actual);
  throw new ExpectError(`expected ${subject} ${negated ? 'not ' : ''}${phrase}`, negated ? undefined : diff);
}

export function expect(actual) {
  const made = (negated, settle) => {
    const object = {};
    for (const name of Object.keys(matchers)) {
      object[name] = settle ? async (...args) => check(name, await settle(name), args, negated) : (...args) => check(name, actual, args, negated);
    }
    return object;
  };
  const waited = () => typeof actual === 'function' ? actual() : actual;
  const resolves = async () => {
    try {
      return await waited();
    } catch (e) {
      throw new ExpectError(`expected the promise to be fulfilled; it was rejected with ${short(e)}`);
    }
  };
  const rejects = async (name) => {
    let value;
    try {
      value = await waited();
    } catch (e) {
      return name === 'toThrow' ? new Settled(e) : e;
    }
    throw new ExpectError(`expected the promise to be rejected; it was fulfilled with ${short(value)}`);
  };
  return Object.assign(made(false), {
    not: made(true),
    resolves: Object.assign(made(false, resolves), { not: made(true, resolves) }),
    rejects: Object.assign(made(false, rejects), { not: made(true, rejects) }),
  });
}

expect.any = (c) => makeSpecial(`any ${c.name}`, (v) => v instanceof c || (v !== null && v !== undefined && Object(v) instanceof c && typeof v !== 'object'));
expect.anything = () => makeSpecial('anything', (v) => v !== null && v !== undefined);
expect.stringContaining = (s) => makeSpecial(`a string with ${s}`, (v) => typeof v === 'string' && v.includes(s));
expect.stringMatching = (p) => makeSpecial(`a string like ${p}`, (v) => typeof v === 'string' && new RegExp(p).test(v));
expect.objectContaining = (o) => makeSpecial('an object with ' + short(o), (v) => equal(v, o, true));
expect.arrayContaining = (list) => makeSpecial('an array with ' + short(list), (v) => Array.isArray(v) && list.every((x) => v.some((y) => equal(y, x))));
