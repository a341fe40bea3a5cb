test('TextEncoder', () => {
  eq(hex(utf8('aé€😀')), '61c3a9e282acf09f9880');
  eq(hex(utf8('\ud800x\udc00')), 'efbfbd78efbfbd');
  eq(utf8('').length, 0); eq(new TextEncoder().encode().length, 0); eq(utf8('a\0b').length, 3);
  const into = (s, n) => { const b = new Uint8Array(n); return [new TextEncoder().encodeInto(s, b), hex(b)]; };
  eq(into('a€b', 4), [{ read: 2, written: 4 }, '61e282ac']);
  eq(into('a€b', 3), [{ read: 1, written: 1 }, '610000']);
  eq(into('😀', 4), [{ read: 2, written: 4 }, 'f09f9880']);
  eq(into('😀', 3), [{ read: 0, written: 0 }, '000000']);
  eq(into('x', 9)[0], { read: 1, written: 1 });
  throws(() => new TextEncoder().encodeInto('a', []), 'TypeError');
});
test('TextDecoder', () => {
  const d = (h, label, o) => new TextDecoder(label, o).decode(unhex(h));
  eq(d('61c3a9e282acf09f9880'), 'aé€😀');
  eq(d('61ff62'), 'a\ufffdb'); eq(d('f09f98'), '\ufffd'); eq(d('eda080'), '\ufffd\ufffd\ufffd'); eq(d('c080'), '\ufffd\ufffd');
  throws(() => d('61ff', 'utf-8', { fatal: true }), 'TypeError');
  eq(d('efbbbf61'), 'a'); eq(d('efbbbf61', 'utf-8', { ignoreBOM: true }), '\ufeffa');
  eq(d('61003dd800de', 'utf-16le'), 'a😀'); eq(d('0061d83dde00', 'utf-16be'), 'a😀'); eq(d('3dd8', 'utf-16'), '\ufffd');
  throws(() => d('3dd86100', 'utf-16le', { fatal: true }), 'TypeError');
  eq(d('80e9', 'latin1'), '€é'); eq(d('e4', 'windows-1251'), 'д'); eq(d('82a0', 'shift_jis'), 'あ'); eq(d('c4e3', 'gbk'), '你');
  eq(d('a4a2', 'euc-jp'), 'あ'); eq(d('a7da', 'big5'), '我'); eq(d('b0a1', 'euc-kr'), '가');
  eq(new TextDecoder('ASCII').encoding, 'windows-1252'); eq(new TextDecoder(' UTF8 ').encoding, 'utf-8');
  throws(() => new TextDecoder('nope'), 'RangeError');
  eq(new TextDecoder().decode(), ''); eq(new TextDecoder().decode(utf8('abc').subarray(1)), 'bc');
  eq(new TextDecoder().decode(new DataView(utf8('abc').buffer, 1, 1)), 'b'); eq(new TextDecoder().decode(utf8('ab').buffer), 'ab');
  throws(() => new TextDecoder().decode('x'), 'TypeError');
});
test('streaming', () => {
  const s = new TextDecoder();
  let out = '';
  for (const b of unhex('efbbbf61c3a9e282acf09f9880')) out += s.decode(new Uint8Array([b]), { stream: true });
  eq(out + s.decode(), 'aé€😀');
  const half = new TextDecoder(); half.decode(unhex('e282'), { stream: true }); eq(half.decode(), '\ufffd');
  const j = new TextDecoder('shift_jis'); eq(j.decode(unhex('82'), { stream: true }) + j.decode(unhex('a0')), 'あ');
  const w = new TextDecoder('utf-16le'); eq(w.decode(unhex('3d'), { stream: true }) + w.decode(unhex('d800'), { stream: true }) + w.decode(unhex('de')), '😀');
});
test('atob and btoa', () => {
  eq(btoa('\x00ÿa'), 'AP9h'); eq(atob('AP9h'), '\x00ÿa'); eq(atob(' Y Q = = \n'), 'a'); eq(atob('YQ'), 'a'); eq(atob('YWI='), 'ab'); eq(atob(''), '');
  for (const bad of ['Y', 'Y===', 'YQ=', '****', 'YQ==YQ==', 'é']) throws(() => atob(bad), 'InvalidCharacterError');
  throws(() => btoa('€'), 'InvalidCharacterError'); throws(() => btoa(), 'TypeError');
  eq(throws(() => atob('*'), 'InvalidCharacterError').code, 5);
});
test('structuredClone', () => {
  const o = { n: 1, u: undefined, b: 1n, d: new Date(5), r: /a/gi, m: new Map([[{ k: 1 }, 'v']]), s: new Set([1]), a: [1, , 3] };
  o.self = o; o.m.set('o', o);
  const c = structuredClone(o);
  ok(c !== o && c.self === c && c.m.get('o') === c); eq(c.d.getTime(), 5); ok(c.d !== o.d); eq(String(c.r), '/a/gi');
  eq(c.b === 1n && 'u' in c && !(1 in c.a) && c.a.length === 3, true); eq([...c.s], [1]);
  const e = structuredClone(new RangeError('m', { cause: { x: 1 } })); ok(e instanceof RangeError); eq(e.message, 'm'); eq(e.cause, { x: 1 });
  const x = structuredClone(new DOMException('m', 'AbortError')); ok(x instanceof DOMException); eq(x.name, 'AbortError');
  const buf = new ArrayBuffer(8); const two = structuredClone({ a: new Uint8Array(buf, 2, 3), b: new Float64Array(buf), v: new DataView(buf, 1) });
  ok(two.a.buffer === two.b.buffer && two.a.buffer !== buf); eq([two.a.byteOffset, two.a.length, two.v.byteOffset], [2, 3, 1]);
  ok(structuredClone(Object(1n)) instanceof BigInt && structuredClone(new String('x')).length === 1);
  class P { constructor() { this.x = 1; } get y() { return 2; } } eq(Object.getPrototypeOf(structuredClone(new P())) === Object.prototype, true);
  for (const bad of [() => 1, Symbol(), { f() {} }, new WeakMap(), Promise.resolve(), new Headers(), new URL('http://h'), [Symbol.iterator]]) {
    eq(throws(() => structuredClone(bad), 'DataCloneError').code, 25);
  }
  const t = new ArrayBuffer(4); new Uint8Array(t)[0] = 7; const moved = structuredClone({ t }, { transfer: [t] });
  eq(t.byteLength, 0); eq(new Uint8Array(moved.t)[0], 7); throws(() => structuredClone(1, { transfer: [t] }), 'DataCloneError');
  throws(() => structuredClone(), 'TypeError');
  const f = structuredClone(new File(['ab'], 'n.txt', { type: 'text/x' })); ok(f instanceof File); eq([f.name, f.size, f.type], ['n.txt', 2, 'text/x']);
  eq(structuredClone('\ud800'), '\ud800'); ok(Object.is(structuredClone(-0), -0));
});
test('DOMException', () => {
  const e = new DOMException('m', 'TimeoutError');
  ok(e instanceof Error); eq([e.name, e.message, e.code, DOMException.ABORT_ERR], ['TimeoutError', 'm', 23, 20]);
  eq(Object.prototype.toString.call(e), '[object DOMException]'); eq(String(e), 'TimeoutError: m'); ok(typeof e.stack === 'string');
});
