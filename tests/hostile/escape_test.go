package hostile

import (
	"github.com/bulkhead-run/bulkhead/internal/outcome"
)

// escapeRows try to get out of the engine, or between it and the host (E).
var escapeRows = []row{
	{name: "e59 imports", code: `const out = new Set();
		const names = ['qjs:os', 'qjs:std', 'qjs:bjson', 'os', 'std', 'bjson', 'node:fs', 'fs', '/etc/passwd', './f.js', 'file:///etc/passwd', 'http://127.0.0.1/', 'data:text/javascript,export default 1', '', '..', '\0qjs:os'];
		const ways = [(m) => import(m), (m) => eval('import(' + JSON.stringify(m) + ')'), (m) => (0, eval)('import(' + JSON.stringify(m) + ')'),
			(m) => new Function('m', 'return import(m)')(m), (m) => Reflect.construct(Function, ['m', 'return import(m)'])(m), (m) => (async () => {}).constructor('m', 'return await import(m)')(m)];
		for (const way of ways) for (const name of names) try { await way(name); out.add('imported ' + name) } catch (e) { out.add(e.name) }
		return [...out].sort()`, want: outcome.OK, value: `["ReferenceError"]`},
	{name: "e59 static import in eval", code: `const out = []; for (const s of ['import "qjs:os"', 'import * as os from "qjs:os"', 'export default 1', 'import.meta.url']) try { eval(s); out.push('ran') } catch (e) { out.push(e.name) } return out`,
		want: outcome.OK, value: `["SyntaxError","SyntaxError","SyntaxError","SyntaxError"]`},
	{name: "e60 globals", code: `const names = ['std', 'os', 'bjson', 'scriptArgs', 'print', 'Worker', 'require', 'process', 'module', 'Deno', 'Bun', 'QJS_PROXY_VALUE', 'jsFunctionProxy', '__loadScript', 'gc', 'Atomics', 'host', 'WebAssembly'];
		const found = new Set();
		for (const scope of [globalThis, new Function('return this')(), (0, eval)('this'), Function.prototype.constructor('return globalThis')()]) for (const n of names) {
			if (n in scope) found.add(n);
			try { if ((0, eval)('typeof ' + n) !== 'undefined') found.add(n) } catch { }
		}
		return [...found]`, want: outcome.OK, value: `[]`},
	{name: "e60 reachable objects", code: `const seen = new Set(), found = [], todo = [[globalThis, 'globalThis', 0]];
		while (todo.length) {
			const [o, path, depth] = todo.pop();
			if (seen.has(o) || depth > 6) continue;
			seen.add(o);
			for (const k of Reflect.ownKeys(o)) {
				if (['exec', 'popen', 'urlGet', 'evalScript', 'loadScript', 'setReadHandler', 'tmpfile', 'getenviron', 'pipe', 'signal_'].includes(k) && path !== 'globalThis.RegExp.prototype') found.push(path + '.' + String(k));
				const d = Reflect.getOwnPropertyDescriptor(o, k);
				for (const v of [d.value, d.get, d.set]) if (v !== null && (typeof v === 'object' || typeof v === 'function')) todo.push([v, path + '.' + String(k), depth + 1]);
			}
			const p = Reflect.getPrototypeOf(o);
			if (p) todo.push([p, path + '.__proto__', depth + 1]);
		}
		return found.filter((f) => !f.endsWith('.exec'))`, want: outcome.OK, value: `[]`, memory: 16},
	{name: "e62 primordials", code: `const no = () => { throw new Error('used the tenant\'s') };
		
		JSON.stringify = JSON.parse = no; Promise.prototype.then = Promise.prototype.catch = Promise.resolve = no;
		Function.prototype.call = Function.prototype.apply = Function.prototype.bind = no;
		const reflect = Reflect, apis = ['Promise', 'Map', 'Set', 'Error', 'Uint8Array', 'TextEncoder', 'TextDecoder', 'Array', 'Object', 'JSON', 'Symbol', 'WeakMap', 'Proxy'];
		for (const k of ['defineProperty', 'keys', 'create', 'getPrototypeOf', 'assign', 'entries']) Object[k] = no;
		for (const k of reflect.ownKeys(Reflect)) if (typeof Reflect[k] === 'function') try { globalThis.Reflect[k] = no } catch { }
		Map.prototype.get = Map.prototype.set = Map.prototype.delete = Set.prototype.add = no;
		Object.prototype.toJSON = undefined; delete Object.prototype.toJSON;
		const iterator = Symbol.iterator, lists = Array.prototype;
		for (const k of apis) globalThis[k] = no;
		lists[iterator] = lists.push = lists.map = lists.join = no;
		String.prototype.slice = String.prototype.indexOf = String.prototype.replace = no;
		console.log('a %s', 'line');
		const v = echo_sync({ a: [1, { b: 'c' }] });
		const later = await echo(['x', null]);
		let failed; try { await fail() } catch (e) { failed = e.name + ' ' + e.message }
		return { v, later, failed }`, want: outcome.OK, value: `{"v":{"a":[1,{"b":"c"}]},"later":["x",null],"failed":"TypeError refused"}`},
	{name: "e63 setters on object prototype", code: `const touched = [];
		for (const k of ['then', 'type', 'id', 'value', 'ok', 'error', 'tenant', 'resolve', 'reject', 'name', 'message', 'stack', 'site', 'callback', 'args', 'repeat', 'properties', 'status', 'headers', 'body', 'url', 'init', 'get', 'set', 'writable', 'configurable', 'enumerable', 'kind', 'data'])
			Object.defineProperty(Object.prototype, k, { __proto__: null, configurable: true, get() { return undefined }, set(v) { touched.push(k) } });
		const out = [echo_sync({ a: 1 }), await echo([2])];
		await new Promise((r) => setTimeout(r, 1));
		for (const k of Object.getOwnPropertyNames(Object.prototype)) if (Object.getOwnPropertyDescriptor(Object.prototype, k).set && k !== '__proto__') delete Object.prototype[k];
		return out`, want: outcome.OK, value: `[{"a":1},[2]]`},
	// JSON.stringify itself keeps a list that these setters see: it may fail.
	{name: "e63 index setters", code: `for (const k of ['0', '1']) Object.defineProperty(Object.prototype, k, { __proto__: null, configurable: true, get() { return undefined }, set(v) { forever() } });
		const v = echo_sync({ a: 1 }); await echo([2]); throw { v }`, want: outcome.Exception},
	{name: "e64 then on prototypes", code: `const steal = function (f) { f('stolen') };
		Object.prototype.then = Array.prototype.then = steal;
		const seen = [];
		const both = [echo({ a: 1 }), echo([1])];
		const then = Promise.prototype.then;
		await new Promise((done) => { let n = 0; for (const p of both) Reflect.apply(then, p, [(v) => { seen.push(v === 'stolen'); if (++n === 2) done() }]) });
		delete Object.prototype.then; delete Array.prototype.then;
		return seen`, want: outcome.OK, value: `[false,false]`},
	{name: "e66 getter loops", code: `return { get x() { for (;;); } }`, want: outcome.Deadline},
	{name: "e66 getter throws", code: `return { get x() { throw new TypeError('no') } }`, want: outcome.Exception, text: "TypeError: no"},
	{name: "e66 getter of two minds", code: `let n = 0; return { get x() { return ++n } }`, want: outcome.OK, value: `{"x":1}`},
	{name: "e66 tojson loops", code: `return { toJSON() { for (;;); } }`, want: outcome.Deadline},
	{name: "e66 proxy", code: `return new Proxy({}, { ownKeys() { for (;;); } })`, want: outcome.Deadline},
	{name: "e66 proxy that throws", code: `return new Proxy({}, { get() { throw new RangeError('trap') }, ownKeys() { throw new RangeError('trap') }, getPrototypeOf() { throw new RangeError('trap') } })`, want: outcome.Exception, text: "RangeError: trap"},
	{name: "e66 revoked proxy", code: `const { proxy, revoke } = Proxy.revocable({}, {}); revoke(); return proxy`, want: outcome.Exception, text: "TypeError"},
	{name: "e66 argument getter loops", code: `return await echo({ get x() { for (;;); } })`, want: outcome.Deadline},
	{name: "e66 argument getter throws", code: `return await echo({ get x() { throw new TypeError('no') } })`, want: outcome.Exception, text: "TypeError: no"},
	{name: "e66 argument changes while read", code: `const a = [1, 2, 3]; return await echo([{ get x() { a.length = 0; return 1 } }, a])`, want: outcome.OK, or: []outcome.Outcome{outcome.Exception}},
	{name: "e66 argument tojson", code: `let n = 0; return [await echo({ toJSON() { return ++n } }), n, caught(() => echo_sync({ toJSON() { throw new RangeError('no') } }))]`, want: outcome.OK, value: `[1,1,"RangeError: no"]`},
	{name: "e66 argument getter of two minds", code: `let n = 0; return [echo_sync({ get x() { return ++n } }), n]`, want: outcome.OK, value: `[{"x":1},1]`},
	{name: "e66 argument proxy loops", code: `return await echo(new Proxy([], { get() { for (;;); } }))`, want: outcome.Deadline},
	{name: "e66 argument proxy of two minds", code: `let n = 0; const p = new Proxy({ x: 1 }, { get(t, k) { return k === 'x' ? ++n : undefined } }); return [echo_sync(p).x === n, n]`, want: outcome.OK, value: `[true,1]`},
	{name: "e66 thrown getter loops", code: `throw { get name() { for (;;); }, get message() { for (;;); } }`, want: outcome.Exception, or: []outcome.Outcome{outcome.Deadline}, time: oneSecond},
	{name: "e66 error getter loops", code: `const e = new Error('x'); Object.defineProperty(e, 'stack', { get() { for (;;); } }); throw e`, want: outcome.Exception, or: []outcome.Outcome{outcome.Deadline}, time: oneSecond},
	{name: "e66 cause cycle", code: `const e = new Error('x'); e.cause = e; throw e`, want: outcome.Exception, text: "Error: x"},
	{name: "e66 then getter", code: `return { get then() { for (;;); } }`, want: outcome.Deadline},
	{name: "e68 call sites", code: `const functions = new Set();
		Error.prepareStackTrace = (e, sites) => { for (const s of sites) { const f = s.getFunction?.(), self = s.getThis?.(); if (typeof f === 'function') functions.add(f); if (typeof self === 'function') functions.add(self) } return 'x' };
		const poke = () => { try { new Error().stack; null.x } catch { } };
		try { echo_sync({ get x() { poke(); return 1 } }) } catch { }
		try { await echo({ toJSON() { poke(); return 1 } }) } catch { }
		try { await fail() } catch (e) { e.stack }
		console.log({ get x() { poke(); return 1 } });
		delete Error.prepareStackTrace;
		const out = [];
		for (const f of functions) for (const args of [[0, 0, 1, '[]'], [1, 0, 1, '["secret"]'], [9, 9, 9], [-1], [], [6, 'AAAA']]) try { out.push(typeof f(...args)) } catch (e) { out.push(e.name) }
		return [await echo("still"), functions.size]`, want: outcome.OK, value: `["still",0]`},
	{name: "e68 callers", code: `const out = []; function f() { try { out.push(typeof arguments.callee.caller) } catch (e) { out.push(e.name) } try { out.push(typeof f.caller) } catch (e) { out.push(e.name) } }
		const o = { get x() { f(); return 1 } }; echo_sync(o); return out.every((x) => x === 'undefined' || x === 'TypeError')`, want: outcome.OK, value: `true`},
	{name: "e68 source of the bridge", code: `return [echo, echo_sync, setTimeout, console.log, Headers].map(String).every((s) => !s.includes('host('))`, want: outcome.OK, value: `true`},
	{name: "e71 strings", code: `const strings = ['a\0b', '\0', '\u2028\u2029', '\ufeffbom', '\u{1F600}', '"\\', '\x7f\x80\x9f', 'x'.repeat(1e5) + '\0y'];
		const out = []; for (const s of strings) { out.push(await echo(s) === s, echo_sync({ [s]: s })[s] === s) } return out.every(Boolean)`, want: outcome.OK, value: `true`},
	{name: "e71 lone surrogates", code: `const out = []; for (const s of ['a\ud800b', '\udc00', '\ud800\ud800\udc00']) out.push(await echo(s) === s, echo_sync({ [s]: s })[s] === s); return out.every(Boolean)`, want: outcome.OK, value: `true`},
	{name: "e71 nul in headers", code: `const out = []; for (const h of ['a\0b', 'a\r\nb: c', '\u2028', 'ü\0']) for (const p of [[h, 'v'], ['n', h]]) try { new Headers([p]); out.push(p) } catch (e) { out.push(e.name) } return out`, want: outcome.OK, value: `["TypeError","TypeError","TypeError","TypeError","TypeError","TypeError","TypeError","TypeError"]`},
	{name: "e71 nul in names", code: `const e = Object.assign(new Error('m\0m'), { name: 'N\0N' }); throw e`, want: outcome.Exception, text: "N\x00N: m\x00m"},
	{name: "e71 nul in a file name", code: `return await echo(eval('(() => { try { null.x } catch (e) { return e.stack.length > 0 } })()\n//# sourceURL=a\0b'))`, want: outcome.OK, value: `true`},
	{name: "e71 nul in the result", code: `return { ['k\0k']: 'v\0v' }`, want: outcome.OK, value: `{"k\u0000k":"v\u0000v"}`},
	{name: "e71 nul in source", code: `return [eval('"a\0b"').length, new Function('return "c\0d"')().length, 'a\0b'.split('\0').length, /a\0b/.test('a\0b')]`, want: outcome.OK, value: `[3,3,2,true]`},
	{name: "e71 a string of half a gigabyte", code: `return await echo('x'.repeat(512e6))`, want: outcome.Memory, memory: 64},
	{name: "e71 an argument over the limit", code: `return caught(() => echo_sync('x'.repeat(2e6)))`, want: outcome.OK, memory: 16},
	{name: "e72 odd numbers", code: `for (const v of [-0, NaN, Infinity, 1n, 2n ** 64n, Symbol('s'), new Date(NaN), new Map([[1, 2]]), () => 1, undefined, /x/g, new Uint8Array(3), new WeakMap(), globalThis]) { try { await echo(v) } catch (e) { if (!(e instanceof Error)) throw 'not an error' } } return 'done'`, want: outcome.OK, value: `"done"`, memory: 16},
	{name: "e72 cycle", code: `const o = {}; o.o = o; try { await echo(o) } catch (e) { if (!(e instanceof TypeError)) throw 'not a TypeError' } return 'done'`, want: outcome.OK, value: `"done"`},
	{name: "e72 deep argument", code: `let a = []; for (let i = 0; i < 5e5; i++) a = [a]; try { await echo(a) } catch (e) { if (!(e instanceof Error)) throw 'not an error' } return 'done'`, want: outcome.OK, or: []outcome.Outcome{outcome.Deadline, outcome.Memory}, fate: either, time: oneSecond, memory: 64},
	{name: "e72 deep result", code: `let a = []; for (let i = 0; i < 1e5; i++) a = [a]; return a`, want: outcome.Exception, or: []outcome.Outcome{outcome.Deadline, outcome.Memory, outcome.Output}, fate: either, time: oneSecond, memory: 64},
	{name: "e73 proto key", code: `const v = await echo(JSON.parse('{"__proto__":{"polluted":true},"constructor":{"prototype":{"polluted":true}}}')); return [({}).polluted, v.polluted, Object.keys(v)]`, want: outcome.OK, value: `[null,null,["__proto__","constructor"]]`},
	{name: "e80 host call in a host call", code: `return echo_sync({ get x() { return echo_sync({ get y() { return echo_sync(3) } }) } })`, want: outcome.OK, value: `{"x":{"y":3}}`},
	{name: "f83 a flood of lines", code: `for (let i = 0; i < 2e4; i++) console.log('line', i, '\x1b[31m\n{"@message":1}'); return 'logged'`, want: outcome.OK, value: `"logged"`},
	{name: "f83 a huge line", code: `console.log('x'.repeat(1e6)); return 'logged'`, want: outcome.OK, or: []outcome.Outcome{outcome.Memory}, memory: 16},
	{name: "f93 clocks and random", code: `for (;;) { Date.now(); Math.random(); new Date().toString(); performance.now() }`, want: outcome.Deadline},

	// What broke vm2 (3B): a host error or object in reach of the guest.
	{name: "vm2 host error in deep recursion", code: `let got; function f() { try { echo_sync(1); f() } catch (e) { got ??= e } } f(); return [got instanceof RangeError, got.constructor.constructor('return typeof process')()]`, want: outcome.OK, value: `[true,"undefined"]`},
	{name: "vm2 prepare stack trace", code: `Error.prepareStackTrace = (e, s) => s; const sites = new Error().stack; let out = []; for (const s of [].concat(sites)) { const f = s.getFunction?.(); if (f) out.push(await f.constructor('return typeof process')()) } return out.every((x) => x === 'undefined')`, want: outcome.OK, value: `true`},
	{name: "vm2 promise species", code: `class P extends Promise { static get [Symbol.species]() { return function (ex) { ex((v) => { P.stolen = v }, () => {}) } } }
		Promise.prototype.constructor = P; const p = echo({ a: 1 }); p.constructor = { [Symbol.species]: P[Symbol.species] }; p.then((v) => v); await 0; return 'fine'`, want: outcome.OK, or: []outcome.Outcome{outcome.Exception}},
	{name: "vm2 symbol name", code: `const e = new Error(); e.name = Symbol(); const f = async () => e.stack; try { return typeof await f() } catch (h) { return h.constructor.constructor('return typeof process')() === 'undefined' ? 'string' : 'escaped' }`, want: outcome.OK, value: `"string"`},
	{name: "vm2 symbol for", code: `const used = [];
		Symbol.for = (k) => { used.push('for'); return { toString() { used.push('toString'); return k } } };
		const get = Reflect.get; Reflect.get = function (t, k) { used.push('get'); return get(t, k) };
		const iterator = Array.prototype[Symbol.iterator]; Array.prototype[Symbol.iterator] = function () { used.push('iterator'); return iterator.call(this) };
		const answers = [echo_sync([1]), await echo([new Map().set(1, 2)]).catch((e) => e.name), await fail().catch((e) => e.message)];
		Array.prototype[Symbol.iterator] = iterator;
		return [answers.length, used]`, want: outcome.OK, value: `[3,[]]`},
	{name: "vm2 thrown symbol name", code: `const e = new Error('x'); e.name = Symbol(); throw e`, want: outcome.Exception},
	{name: "vm2 array species", code: `const a = [1, 2]; a.constructor = { get [Symbol.species]() { return function () { return a } } }; return [a.map((x) => x), echo_sync(a)]`, want: outcome.OK, or: []outcome.Outcome{outcome.Exception}},
	{name: "vm2 paths in stacks", code: `try { null.x } catch (e) { return /\/(root|home|tmp|work|usr|go)\b|\.go:/.test(e.stack) }`, want: outcome.OK, value: `false`},
	{name: "vm2 paths in host errors", code: `try { await fail() } catch (e) { return /\/(root|home|tmp|work|usr|go)\b|\.go:/.test(e.stack) }`, want: outcome.OK, value: `false`},
}
