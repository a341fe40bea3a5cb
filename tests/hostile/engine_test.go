package hostile

import (
	"github.com/bulkhead-run/bulkhead/internal/outcome"
)

// unsafe are the outcomes of an attack on a known hole of the engine: it may
// work inside its own instance, fail, or break the instance down.
var unsafe = []outcome.Outcome{outcome.OK, outcome.Exception, outcome.Memory, outcome.Deadline, outcome.Output, outcome.Crashed}

// engineRows are the holes of QuickJS-ng 0.10.1 that later versions closed
// (3A). The instance may break; the process and the others may not, and no
// earlier invocation's data may come out.
var engineRows = []row{
	{name: "3a1 typed array prototype getter resizes", code: `const b = new ArrayBuffer(1024, { maxByteLength: 65536 });
		const target = new Proxy(function () {}, { get(t, k) { if (k === 'prototype') b.resize(8); return Uint8Array.prototype } });
		const u = Reflect.construct(Uint8Array, [b, 0, 512], target); return [u.length, bytes(u), u[400] = 65, bytes(u)]`},
	{name: "3a1 typed array prototype getter detaches", code: `const b = new ArrayBuffer(4096);
		const target = new Proxy(function () {}, { get(t, k) { if (k === 'prototype') b.transfer(); return Float64Array.prototype } });
		const u = Reflect.construct(Float64Array, [b, 0, 256], target); let s = ''; for (let i = 0; i < 256; i++) s += u[i]; return s`},
	{name: "3a2 typed array source resizes", code: `const b = new ArrayBuffer(4096, { maxByteLength: 65536 }), source = new Uint8Array(b);
		const target = new Proxy(function () {}, { get(t, k) { if (k === 'prototype') b.resize(0); return Uint16Array.prototype } });
		return bytes(Reflect.construct(Uint16Array, [source], target).buffer)`},
	{name: "3a2 species source resizes", code: `const b = new ArrayBuffer(4096, { maxByteLength: 65536 }), source = new Uint8Array(b);
		source.constructor = { get [Symbol.species]() { b.resize(16); return Uint8Array } }; return [bytes(source.slice(0, 4000)), bytes(source.map((x) => x)), bytes(source.filter(() => true))]`},
	{name: "3a3 sort comparator resizes", code: `const b = new ArrayBuffer(8192, { maxByteLength: 65536 }), u = new Float64Array(b); for (let i = 0; i < u.length; i++) u[i] = -i;
		u.sort((x, y) => { b.resize(64); return x - y }); return bytes(b)`},
	{name: "3a3 sort comparator detaches", code: `const b = new ArrayBuffer(8192), u = new Uint32Array(b); let held = []; for (let i = 0; i < u.length; i++) u[i] = u.length - i;
		u.sort((x, y) => { if (b.byteLength) { b.transfer(); for (let i = 0; i < 50; i++) held.push(new ArrayBuffer(8192)) } return x - y }); return held.map(bytes).join().length`},
	{name: "3a4 no atomics", code: `return [typeof Atomics, typeof SharedArrayBuffer === 'undefined' || typeof Atomics === 'undefined']`, want: outcome.OK, value: `["undefined",true]`},
	{name: "3a5 slice species shrinks", code: `const b = new ArrayBuffer(4096, { maxByteLength: 4096 });
		b.constructor = { [Symbol.species]: function (n) { b.resize(16); return new ArrayBuffer(n) } }; return bytes(b.slice(0, 4096))`},
	{name: "3a5 slice species detaches", code: `const b = new ArrayBuffer(4096); b.constructor = { [Symbol.species]: function (n) { b.transfer(0); return new ArrayBuffer(n) } }; return bytes(b.slice(0, 4096))`},
	{name: "3a6 transfer", code: `const b = new ArrayBuffer(64, { maxByteLength: 65536 }); const c = b.transfer({ valueOf() { b.resize(65536); return 32768 } }); const d = new ArrayBuffer(4096); const e = d.transfer({ valueOf() { d.transfer(); return 8192 } }); return bytes(c)`},
	{name: "3a6 transfer to fixed", code: `const out = []; for (let i = 0; i < 200; i++) { const b = new ArrayBuffer(i * 16, { maxByteLength: 65536 }); const u = new Uint8Array(b); const c = b.transferToFixedLength(i * 8 + 1); u[0] = 1; out.push(bytes(c)) } return out.join('')`},
	{name: "3a7 lastindexof shrinks", code: `const b = new ArrayBuffer(65536, { maxByteLength: 65536 }), u = new Uint8Array(b); const out = []; for (const v of [0, 65, 80]) out.push(u.lastIndexOf(v, { valueOf() { b.resize(1); return 65535 } })); return out`},
	{name: "3a7 indexof includes fill shrink", code: `const out = []; for (const m of ['indexOf', 'includes', 'lastIndexOf', 'fill', 'at', 'with', 'subarray', 'slice', 'copyWithin']) { const b = new ArrayBuffer(65536, { maxByteLength: 131072 }), u = new Uint8Array(b);
		try { const r = u[m](m === 'fill' ? { valueOf() { b.resize(1); return 66 } } : 1, { valueOf() { b.resize(m === 'at' ? 0 : 2); return 3 } }, 60000); out.push(r?.buffer ? bytes(r.buffer) : String(r)) } catch (e) { out.push(e.name) } } return out`},
	{name: "3a8 with", code: `const b = new ArrayBuffer(4096, { maxByteLength: 65536 }), u = new Uint8Array(b); return bytes(u.with({ valueOf() { b.resize(8); return 0 } }, { valueOf() { b.resize(4); return 7 } }).buffer)`},
	{name: "3a9 bigint to a long string", code: `const n = 1n << 8000000n; return [n.toString(2).length, n.toString(3).length]`, time: oneSecond, memory: 64},
	{name: "3a9 bigint edges", code: `const out = []; for (const f of [() => (1n << 0x3fffffffn), () => 2n ** 0x7fffffffn, () => -(1n << 1048575n) * (1n << 1048575n), () => BigInt.asIntN(2 ** 53 - 1, -1n), () => BigInt.asUintN(2 ** 31, -1n), () => (-1n) >> (1n << 70n), () => 1n << (1n << 40n), () => BigInt('0x' + 'f'.repeat(3e5)).toString(36).length]) try { out.push(String(f()).length) } catch (e) { out.push(e.name) } return out`, time: oneSecond, memory: 16},
	{name: "3a10 finalization cycle", code: `for (let i = 0; i < 200; i++) { const o = {}; const r = new FinalizationRegistry(() => { o.x = r }); o.r = r; r.register(o, o, o) } const k = Symbol('k'); const r = new FinalizationRegistry(() => 1); r.register(k, 1, k); r.unregister(k); for (let i = 0; i < 2e4; i++) ({ a: [i] }); return 'on'`},
	{name: "3a10 weak symbols", code: `for (let i = 0; i < 500; i++) { const s = Symbol('x' + i), w = new WeakRef(s), m = new WeakMap([[s, { s }]]), t = new WeakSet([s]); const r = new FinalizationRegistry(() => w.deref()); r.register(s, [w], s) } await 0; return 'on'`},
	{name: "3a10 registry of itself", code: `const r = new FinalizationRegistry((v) => v()); r.register(r, () => r.register({}, () => 1)); (() => { const a = {}; a.a = a; r.register(a, () => { const b = {}; b.b = b; r.register(b, 1) }) })(); for (let i = 0; i < 5e4; i++) { const c = {}; c.c = c } await 0; return 'on'`},
	{name: "3a11 iterator concat", code: `if (!Iterator.concat) return 'absent'; let it; const o = { [Symbol.iterator]() { return { next() { return it.next() }, return() { return {} } } } }; it = Iterator.concat(o, [1]); try { it.next() } catch (e) { } try { it.return() } catch { } const j = Iterator.concat({ [Symbol.iterator]() { return { next() { j.return(); return { value: 1, done: false } }, return() { return {} } } } }); return [...j].length`},
	{name: "3a11 iterator helpers", code: `let it; it = Iterator.from({ next() { try { it.next() } catch { } return { value: 1, done: false } }, return() { return {} } }).map((x) => { try { it.return() } catch { } return x }); it.next(); it.next(); const f = [[1]].values().flatMap(function* () { try { f.next() } catch { } yield 1 }); return [...f].length`},
	{name: "3a12 async generator", code: `async function* g() { try { yield 1; await Promise.reject(1) } finally { yield 2 } } const i = g(); const all = [i.next(), i.return(3), i.throw(4), i.next(), i.return({ get then() { i.next(); return undefined } })]; await Promise.allSettled(all); return 'on'`},
	{name: "3a12 async generator re-entered", code: `let i; async function* g() { try { i.next(); i.return(Promise.reject(1)); yield* { [Symbol.asyncIterator]() { return { next() { i.throw(1); return { get done() { i.return(); return false }, value: 1 } } } } } } catch { } } i = g(); await Promise.allSettled([i.next(), i.next(), i.return(1), i.throw(2)]); return 'on'`},
	{name: "3a13 generator re-entered", code: `let g; function* f() { try { g.next() } catch (e) { yield e.name } try { g.return(1) } catch (e) { yield e.name } yield* { [Symbol.iterator]() { return { next() { try { g.throw(1) } catch { } return { done: true } } } } } } g = f(); const out = []; for (const x of g) out.push(x); return out`},
	{name: "3a14 mapped arguments", code: `function f(a, b, c) { Object.defineProperty(arguments, 0, { writable: false }); arguments.length = 0; delete arguments[1]; a = 'x'.repeat(100); Object.defineProperty(arguments, 1, { get() { return c }, configurable: true }); const s = [...arguments, arguments[0]]; Object.freeze(arguments); b = {}; return s } const o = []; for (let i = 0; i < 100; i++) o.push(f(i, {}, [])); return o.length`},
	{name: "3a15 array delete and shrink", code: `const a = [1, 2, 3, {}, 'x'.repeat(50)]; a.length = 1; a.length = 5; a.push({}); delete a[5]; a.length = 3; a.push(1, 2, {}); const b = [1, , 3]; b.length = 100; b.push(7); b.length = 2; b.splice(1, 0, 9); return [a.map(String), b.length, JSON.stringify(a)]`},
	{name: "3a15 shrink while iterating", code: `const out = []; for (const m of ['map', 'filter', 'forEach', 'some', 'every', 'reduce', 'flatMap', 'find', 'findLast', 'sort', 'toSorted', 'concat', 'splice', 'slice', 'fill', 'copyWithin', 'reverse', 'join', 'indexOf', 'includes', 'flat']) { const a = []; for (let i = 0; i < 500; i++) a.push({ i, toString() { a.length = 0; a.push('y'); return 'z' }, valueOf() { a.length = 1; return 3 } });
		try { out.push(typeof a[m](m === 'sort' || m === 'toSorted' ? () => { a.length = 0; a.push({}); return -1 } : typeof [][m] === 'function' && /join|indexOf|includes|fill|copyWithin|slice|splice|concat|flat$/.test(m) ? { valueOf() { a.length = 2; return 0 } } : () => { a.length = 0; for (let i = 0; i < 50; i++) a.push('w'); return true }, 1)) } catch (e) { out.push(e.name) } } return out.length`},
	{name: "3a16 length and push", code: `const a = []; a.length = 2 ** 31 - 1; return [a.push(1), a.length, a[2 ** 31 - 1]]`},
	{name: "3a16 array likes", code: `const o = { length: 2 ** 31 - 1 }; const out = [Array.prototype.push.call(o, 1, 2)]; const a = []; a[2 ** 32 - 2] = 1; try { a.push(1) } catch (e) { out.push(e.name) } try { a.unshift(1) } catch (e) { out.push(e.name) } return out`, time: oneSecond, fate: either},
	{name: "3a17 length then push", code: `const a = [1, 2, 3]; Object.defineProperty(a, 'length', { writable: false }); try { a.push(1) } catch { } const b = [1]; b.length = 2 ** 32 - 1; try { b.push(1) } catch { } const c = []; for (let i = 0; i < 1000; i++) { c.length = i * 2; c.push(i) } return c.length`},
	{name: "3a18 regexp escape on ropes", code: `if (!RegExp.escape) return 'absent'; let s = 'a.b'; for (let i = 0; i < 5000; i++) s = s + '*' + i; let l = 'x'.repeat(9000); l = l + '(' + l; return [RegExp.escape(s).length, RegExp.escape(l).length]`},
	{name: "3a18 ropes everywhere", code: `let s = 'a.b'; for (let i = 0; i < 5000; i++) s = s + '*' + i; let r = '('; for (let i = 0; i < 5000; i++) r = i + r; const both = s + r; return [both.normalize().length, both.at(-1), both.split('*').length, both.replaceAll('1', '').length, [...both].length, both.isWellFormed(), both.localeCompare(s), encodeURIComponent(both).length, both.charCodeAt(9000), Symbol(both).description.length, JSON.stringify(both).length, parseFloat(both), eval('"' + s + '"').length, ({ [both]: 1 })[both]]`},
	{name: "3a19 disposable stacks", code: `if (typeof DisposableStack === 'undefined') return 'absent'; const d = new DisposableStack(); d.defer(() => { d.dispose(); d.move?.() }); d.use({ [Symbol.dispose]() { try { d.defer(() => 1) } catch { } } }); d.dispose(); return 'on'`},
	{name: "3a19 async disposable stacks", code: `if (typeof AsyncDisposableStack === 'undefined') return 'absent'; const d = new AsyncDisposableStack(); d.defer(() => { d.disposeAsync(); d.move?.() }); d.use({ async [Symbol.asyncDispose]() { try { d.defer(() => 1) } catch { } } }); await d.disposeAsync(); return 'on'`},
	{name: "3a20 regexp buffer boundary", code: `let n = 0; for (let k = 1; k <= 4096; k++) for (const tail of ['|', '*', '{2,4}', '(?:|)', '+?', '[a]{0,}']) { try { new RegExp('a'.repeat(k) + tail); n++ } catch { } try { new RegExp('(' + 'b'.repeat(k % 97) + ')' + tail + 'x'.repeat(k % 13)).exec('bbb'); n++ } catch { } } return n > 0`, time: 20 * oneSecond},
	{name: "3a21 regexp v open class", code: `const out = []; for (const s of ['[', '[[', '[a--', '[a&&', '[\\q{', '[\\q{a|', '[^', '[a-', '[\\', '\\p{', '[\\p{L}--[', '(?<', '(?<a', '\\k<', '(?i:', '(?-', '\\u{', 'a{', '[[a]&&[b]--', '[\\q{ab|c}--\\q{c}]']) for (const f of ['v', 'u', '', 'iv', 'dgimsy']) try { out.push(typeof new RegExp(s, f).exec('abc')) } catch (e) { out.push(e.name) } return out.length`},
	{name: "3a22 pathological regexp", code: `const out = []; for (const s of ['(?:'.repeat(200) + 'a' + ')*'.repeat(200), '(a?){1000}'.repeat(10), '((((a{0,255}){0,255}){0,255}){0,255})', '(?=(a+))a*b\\1', '(?<=(\\1a)+)x', '(?!' .repeat(100) + ')'.repeat(100), 'a{2147483647}', 'a{99999999999}', '(a{0,65535}){0,65535}']) try { out.push(String(new RegExp(s).exec('a'.repeat(30)))?.length) } catch (e) { out.push(e.name) } return out.length`, time: oneSecond},
	{name: "3a23 named groups", code: `let s = ''; for (let i = 0; i < 300; i++) s += '(?<g' + i + '>a)'; const out = []; for (const n of [250, 255, 256, 257, 300]) { let p = ''; for (let i = 0; i < n; i++) p += '(?<g' + i + '>a?)'; for (const f of ['', 'u', 'd', 'g', 'v']) try { const m = new RegExp(p, f).exec('a'.repeat(n)); out.push(Object.keys(m.groups).length) } catch (e) { out.push(e.name) } } try { new RegExp('(?<' + 'n'.repeat(5000) + '>a)').exec('a') } catch { } try { 'aaa'.replace(new RegExp(s.slice(0, 100) + ')'), '$<g1>') } catch { } return out`},
	{name: "3a24 proxy ownkeys of 2^31", code: `return Object.keys(new Proxy({}, { ownKeys() { return { length: 2 ** 31 } } })).length`, time: oneSecond, fate: either},
	{name: "3a24 array likes of 2^31", code: `const out = []; for (const n of [2 ** 28, 2 ** 29, 2 ** 30, 2 ** 31 - 1, 2 ** 31, 2 ** 32 - 1, 2 ** 32, 2 ** 53 - 1]) for (const f of [(o) => Reflect.apply(Math.max, null, o), (o) => Reflect.construct(Array, o), (o) => Reflect.ownKeys(new Proxy({}, { ownKeys() { return o } })), (o) => String.raw({ raw: o }).length > 5 ? 1 : 0, (o) => new Uint8Array(o), (o) => Function.prototype.apply.call(Array.of, null, o)]) try { out.push(typeof f({ length: n })) } catch (e) { out.push(e?.name) } return out`, time: oneSecond, fate: either, memory: 64},
	{name: "3a25 sizes of 32 bits", code: `const out = []; for (const f of [() => 'x'.repeat(2 ** 30 - 1), () => 'x'.padStart(2 ** 30), () => new Array(2 ** 32 - 1).fill(1), () => new Array(2 ** 29).concat(new Array(2 ** 29)), () => 'ab'.replaceAll('', 'y'.repeat(1e6)).repeat(3000), () => [].concat(...Array(1e5).fill([1])), () => Array(1e6).join('x'.repeat(5000)), () => new Float64Array(2 ** 29), () => new Uint8Array(2 ** 32 - 1), () => new BigInt64Array(2 ** 28), () => new ArrayBuffer(2 ** 31), () => new ArrayBuffer(2 ** 53 - 1), () => String.fromCharCode(...Array(2e5).fill(65)), () => structuredClone?.(new Uint8Array(2 ** 25)), () => JSON.stringify('\u0001'.repeat(5e6)), () => escape('\u1234'.repeat(5e6)), () => encodeURIComponent('\u1234'.repeat(5e6))]) try { out.push(String(f().length ?? f().byteLength)) } catch (e) { out.push(e?.name ?? 'null') } return out`, time: 2 * oneSecond, fate: either, memory: 64},
	// The k-th growth of memory is refused in sandbox/quickjs (TestRefusedGrowth);
	// this is the same with JavaScript's means.
	{name: "3a26 out of memory everywhere", code: `const work = [() => JSON.parse(JSON.stringify([{ a: 'y'.repeat(300) }])), () => /(a|b){2,40}/.exec('abab'.repeat(50)), () => BigInt('9'.repeat(500)) ** 3n, () => new Proxy({}, {}), () => Symbol('s'),
			() => eval('(x) => x + 1'), () => [...'y'.repeat(100)].sort(), () => new Promise((r) => r({})).then(() => 1), () => class { #x = [1]; static y = 1 }, () => new Map([[{}, [1]]]), () => (function* () { yield [] })().next(),
			() => 'x'.repeat(100).replace(/x/g, '$&$&'), () => new Error('e').stack, () => [1, [2]].flat(), () => Object.defineProperty({}, 'x', { get() { return 1 } }), () => new Uint8Array(500), () => (async () => { await {} })(), () => 'ab'.split(''), () => new Date().toString(), () => echo_sync([1])];
		let refused = 0;
		for (let k = 0; k < 60; k++) {
			const ballast = [];
			try { for (;;) ballast.push('x'.repeat(4000) + k) } catch { }
			try { for (;;) ballast.push({ k }) } catch { }
			ballast.length -= Math.min(ballast.length, 1 + k * 3);
			for (const f of work) try { f() } catch { refused++ }
		}
		return refused > 0`, memory: 5, time: oneSecond},
	{name: "3a27 suspended coroutines", code: `for (let i = 0; i < 3000; i++) { const o = {}; o.g = (function* () { const held = [o, 'x'.repeat(20)]; try { yield held } finally { held.push(1) } })(); o.g.next(); o.a = (async () => { await new Promise(() => { }); return o })(); o.h = (async function* () { yield o; await 1 })(); o.h.next() } for (let i = 0; i < 1e4; i++) { const c = {}; c.c = c } await 0; return 'on'`, memory: 64},
	{name: "3a29 array builtins do not poll", code: `return Array.prototype.lastIndexOf.call({ length: 2 ** 53 - 1 }, 1)`, want: outcome.Deadline, fate: killed},
	{name: "3a30 no evalscript", code: `return [typeof std, typeof globalThis.std?.evalScript]`, want: outcome.OK, value: `["undefined","undefined"]`},
	{name: "3a31 after an interrupt", code: `setInterval(() => 1, 1); try { for (;;); } finally { globalThis.canary = 'ran' }`, want: outcome.Deadline},
	{name: "e76 window out of bounds", code: `const b = new ArrayBuffer(65536, { maxByteLength: 1 << 20 });
		const target = new Proxy(function () {}, { get(t, k) { if (k === 'prototype') b.resize(0); return Uint8Array.prototype } });
		let u; try { u = Reflect.construct(Uint8Array, [b, 0, 65536], target) } catch (e) { return e.name }
		let s = ''; for (let i = 0; i < 65536; i++) s += String.fromCharCode(u[i] ?? 0); return s`},
	{name: "e78 random bytes over the heap", code: `let n = 0;
		for (let round = 0; round < 20; round++) {
			const b = new ArrayBuffer(65536, { maxByteLength: 1 << 20 });
			const target = new Proxy(function () {}, { get(t, k) { if (k === 'prototype') b.resize(0); return Uint8Array.prototype } });
			let u; try { u = Reflect.construct(Uint8Array, [b, 0, 65536], target) } catch (e) { return e.name }
			for (let i = 0; i < 50; i++) u[Math.floor(Math.random() * 65536)] = Math.random() * 256;
			try { echo_sync({ a: [round] }); n++ } catch { } console.log('x'); await echo([1]).catch(() => 1);
		}
		return n`},
	{name: "e77 heap overwritten", code: `const b = new ArrayBuffer(65536, { maxByteLength: 1 << 20 });
		const target = new Proxy(function () {}, { get(t, k) { if (k === 'prototype') b.resize(0); return Uint8Array.prototype } });
		let u; try { u = Reflect.construct(Uint8Array, [b, 0, 65536], target) } catch (e) { return e.name }
		for (let i = 0; i < 65536; i++) u[i] = 0x41;
		const out = []; try { out.push(echo_sync({ a: 1 })) } catch (e) { out.push(String(e)) } console.log('x'); out.push(await echo([1])); await fail().catch(() => 1); setTimeout(() => 1, 1); return out`},
}

func init() {
	for i := range engineRows {
		r := &engineRows[i]
		if r.want == outcome.Internal { // not said
			r.want, r.or = outcome.OK, unsafe
		}
	}
}
