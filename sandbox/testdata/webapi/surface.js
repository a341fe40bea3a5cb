// What holds for all classes of the Web-standard APIs.
const language = new Set(['Object', 'Function', 'Array', 'String', 'Number', 'Boolean', 'Symbol', 'BigInt', 'Date', 'RegExp', 'Promise', 'Proxy', 'Iterator',
  'Map', 'Set', 'WeakMap', 'WeakSet', 'WeakRef', 'FinalizationRegistry', 'ArrayBuffer', 'SharedArrayBuffer', 'DataView', 'Error', 'AggregateError',
  'InternalError', 'PermissionError', 'DOMException']);
const platformNames = Object.getOwnPropertyNames(globalThis).filter((n) => /^[A-Z]/.test(n) && typeof globalThis[n] === 'function' && !language.has(n) && !/(Array|Error)$/.test(n));
const descriptors = (o) => Reflect.ownKeys(o).map((k) => [k, Object.getOwnPropertyDescriptor(o, k)]);

test('globals', () => {
  ok(platformNames.length > 45, `${platformNames.length} names: ${platformNames}`);
  for (const n of platformNames) {
    const d = Object.getOwnPropertyDescriptor(globalThis, n);
    eq([d.enumerable, d.configurable, d.writable], [false, true, true], n);
    eq(globalThis[n].name, n);
  }
  for (const n of ['atob', 'btoa', 'clearInterval', 'clearTimeout', 'queueMicrotask', 'reportError', 'setInterval', 'setTimeout', 'structuredClone', 'crypto', 'navigator', 'performance', 'self']) {
    const v = globalThis[n];
    const d = Object.getOwnPropertyDescriptor(globalThis, n);
    eq([d.enumerable, d.configurable], [true, true], n);
    if (typeof v === 'function') { eq(v.name, n); throws(() => new v(), 'TypeError'); }
  }
});
test('prototypes', () => {
  for (const n of platformNames) {
    const Class = globalThis[n];
    eq(Object.getOwnPropertyDescriptor(Class, 'prototype').writable, false, n);
    for (const [k, d] of descriptors(Class)) {
      if (['length', 'name', 'prototype'].includes(k)) continue;
      eq(d.enumerable, true, `${n}.${String(k)}`);
    }
    for (const [k, d] of descriptors(Class.prototype)) {
      const what = `${n}.prototype.${String(k)}`;
      if (k === Symbol.toStringTag) eq([d.value, d.writable, d.enumerable, d.configurable], [n, false, false, true], what);
      else if (k === 'constructor') eq([d.value === Class, d.writable, d.enumerable, d.configurable], [true, true, false, true], what);
      else if (typeof k === 'symbol') eq([typeof d.value, d.writable, d.enumerable, d.configurable], ['function', true, false, true], what);
      else if (d.get !== undefined) eq([d.enumerable, d.configurable], [true, true], what);
      else if (typeof d.value === 'function') eq([d.writable, d.enumerable, d.configurable], [true, true, true], what);
      else eq([typeof d.value, d.writable, d.enumerable, d.configurable], ['number', false, true, false], what);
    }
    throws(() => Class(), 'TypeError');
  }
});
test('a method of another object', async () => {
  // A class's own members, on what is no instance of it.
  const wrong = new Set();
  const strangers = [undefined, null, 1, {}, [], new Map(), new Error('x'), new Proxy({}, {})];
  for (const n of platformNames) {
    const Class = globalThis[n];
    for (const [k, d] of descriptors(Class.prototype)) {
      if (k === 'constructor' || k === Symbol.toStringTag) continue;
      if (n === 'Request' && (k === 'destination' || k === 'duplex')) continue; // always the same
      for (const f of [d.value, d.get, d.set]) {
        if (typeof f !== 'function') continue;
        for (const stranger of [...strangers, Object.create(Class.prototype), n === 'URL' ? new Blob() : new URL('http://h/')]) {
          const what = `${n}.prototype.${String(k)}`;
          try {
            const result = f.call(stranger, 'a', 'b', 'c');
            if (result instanceof Promise) await result;
            wrong.add(`${what} works`);
          } catch (e) {
            if (!(e instanceof TypeError)) wrong.add(`${what}: ${e}`);
          }
        }
      }
    }
  }
  eq([...wrong], []);
});
test('iterators', () => {
  const form = new FormData(); form.append('a', '1');
  for (const [name, object] of [['URLSearchParams', new URLSearchParams('a=1')], ['FormData', form], ['Headers', new Headers({ a: '1' })]]) {
    const it = object.entries();
    eq(Reflect.ownKeys(it), []);
    eq(Object.prototype.toString.call(it), `[object ${name} Iterator]`);
    const proto = Object.getPrototypeOf(it);
    eq(Reflect.ownKeys(proto).map(String).sort(), ['Symbol(Symbol.toStringTag)', 'next']);
    ok(Object.getPrototypeOf(proto) === Object.getPrototypeOf(Object.getPrototypeOf([].values())));
    throws(() => proto.next.call({}), 'TypeError');
    ok(object[Symbol.iterator] === object.entries);
    eq([...it], [['a', '1']]); eq([...object.keys()], ['a']); eq([...object.values()], ['1']);
    object.append('b', '2'); const keys = []; for (const k of object.keys()) { keys.push(k); if (keys.length < 4) object.append(`x${keys.length}`, ''); } eq(keys.length, 5);
  }
  const values = new ReadableStream().values();
  eq(Reflect.ownKeys(values), []);
  eq(Reflect.ownKeys(Object.getPrototypeOf(values)).map(String).sort(), ['next', 'return']);
});
test('nothing of the inside shows', () => {
  const seen = new Set();
  const walk = (v, path) => {
    if ((typeof v !== 'object' && typeof v !== 'function') || v === null || seen.has(v)) return;
    seen.add(v);
    for (const [k, d] of descriptors(v)) {
      const what = `${path}.${String(k)}`;
      ok(!/secret|token|shared|host$|primordial/i.test(String(k)) || /SharedArrayBuffer|location|\.host$|prototype/.test(what), what);
      for (const inner of [d.value, d.get, d.set]) walk(inner, what);
    }
    walk(Object.getPrototypeOf(v), path + '.__proto__');
  };
  walk(globalThis, 'globalThis');
  ok(seen.size > 900, `${seen.size} objects`);
});
