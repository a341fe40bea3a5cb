package hostile

import (
	"fmt"

	"github.com/bulkhead-run/bulkhead/internal/outcome"
)

const overflow = `"RangeError: Maximum call stack size exceeded"`

// stackRows recurse without end (C). All of them get a RangeError that they
// can catch, except where a comment says otherwise.
var stackRows = append(recursions(), []row{
	{name: "c33 uncaught", code: `forever()`, want: outcome.Exception, text: "RangeError: Maximum call stack size exceeded"},
	// At 5 MiB the memory ends first: 100 bytes for each level.
	{name: "c38 json parse in 5", code: `return caught(() => JSON.parse('['.repeat(1e6)))`, want: outcome.Memory, or: []outcome.Outcome{outcome.OK}},
	// Each level is looked for among those around it, so that the deadline may
	// come before the stack's end.
	{name: "c38 stringify nested", code: `let a = []; for (let i = 0; i < 2e4; i++) a = [a]; return caught(() => JSON.stringify(a))`, want: outcome.OK, or: []outcome.Outcome{outcome.Deadline}, value: overflow, fate: either, time: oneSecond},
	{name: "c38 stringify nested objects", code: `let a = {}; for (let i = 0; i < 2e4; i++) a = { a }; return caught(() => JSON.stringify(a))`, want: outcome.OK, or: []outcome.Outcome{outcome.Deadline}, value: overflow, fate: either, time: oneSecond},
	// QuickJS takes the overflow of its regular expression parser for a fault
	// of the expression.
	{name: "c40 regexp", code: `return caught(() => new RegExp('(?:'.repeat(1e5)))`, want: outcome.OK, value: `"not a RangeError: SyntaxError: stack overflow"`},
	// And that of a parameter list, which is read ahead.
	{name: "c39 functions", code: `return caught(() => eval('function f(){'.repeat(1e5)))`, want: outcome.OK, value: `"not a RangeError: SyntaxError: missing formal parameter"`},

	{name: "c42 async", code: `async function f() { await f() } return await f().catch(String)`, want: outcome.OK, value: overflow},
	{name: "c42 async generator", code: `async function* g() { yield* g() } try { for await (const x of g()); } catch (e) { return String(e) }`, want: outcome.OK, value: overflow, memory: 64},
	{name: "c43 after a host call", code: `return await echo(1).then(() => caught(forever))`, want: outcome.OK, value: overflow},
	{name: "c43 after a failed host call", code: `return await fail().catch(() => caught(forever))`, want: outcome.OK, value: overflow},
	{name: "c43 in a timer", code: `return await new Promise((r) => setTimeout(() => r(caught(forever)), 1))`, want: outcome.OK, value: overflow},
	{name: "c43 uncaught in a timer", code: `setTimeout(forever, 1); await new Promise((r) => setTimeout(r, 5)); return await echo('on')`, want: outcome.OK, value: `"on"`},
	{name: "c43 in a microtask", code: `return await Promise.resolve().then(() => caught(forever))`, want: outcome.OK, value: overflow},
	{name: "c43 in queuemicrotask", code: `return await new Promise((r) => queueMicrotask(() => r(caught(forever))))`, want: outcome.OK, value: overflow},
	{name: "c43 in finally", code: `return caught(() => { try { forever() } finally { forever() } })`, want: outcome.OK, value: overflow},
	{name: "c43 in a getter of the result", code: `return { get x() { return caught(forever) } }`, want: outcome.OK, value: `{"x":` + overflow + `}`},
	{name: "c43 uncaught in a getter of the result", code: `return { get x() { return this.x } }`, want: outcome.Exception, text: "RangeError: Maximum call stack size exceeded"},
	{name: "c43 in tojson of the result", code: `return { toJSON() { return JSON.stringify(this) } }`, want: outcome.Exception, or: []outcome.Outcome{outcome.OK}, text: "RangeError: Maximum call stack size exceeded"},
	{name: "c43 in an argument", code: `return caught(() => echo_sync({ get x() { return this.x } }))`, want: outcome.OK, value: overflow},
	{name: "c43 in a thrown value", code: `throw { get name() { return this.name }, toString() { return '' + this } }`, want: outcome.Exception},
	{name: "c43 in the error's message", code: `const e = new Error('x'); Object.defineProperty(e, 'message', { get() { return this.message } }); throw e`, want: outcome.Exception},
	{name: "c43 in console", code: `console.log({ get x() { return this.x }, toString() { return '' + this } }); return 'logged'`, want: outcome.OK, or: []outcome.Outcome{outcome.Exception}},
	{name: "c43 deep value logged", code: `let a = []; for (let i = 0; i < 2e4; i++) a = [a]; console.log(a); return 'logged'`, want: outcome.OK, value: `"logged"`},
	{name: "c44 host calls at the limit", code: `let made = 0;
		const calls = [() => echo(1), () => echo_sync({ a: [1] }), () => fail().catch(() => 1), () => console.log('x'), () => setTimeout(() => 1, 1e6),
			() => clearTimeout(1), () => performance?.now(), () => queueMicrotask(() => 1), () => structuredClone?.({ a: 1 }), () => crypto?.randomUUID(), () => new Headers([['a', 'b']]), () => new Response('x')];
		for (const call of calls) {
			let levels = 50;
			const f = () => { try { f() } catch (e) { try { call(); made++ } catch { } if (levels-- === 0) return; throw e } };
			f();
		}
		const after = [echo_sync(7), await echo({ a: [1] }), await fail().catch((e) => e.message)];
		return [made > 400, after]`, want: outcome.OK, value: `[true,[7,{"a":[1]},"refused"]]`, memory: 16},
}...)

// recursions are the routes that a caught function may take.
func recursions() []row {
	var rows []row
	for _, r := range []struct{ name, body string }{
		{"c33 plain", `forever()`},
		{"c33 mutual", `const a = () => b(), b = () => a(); a()`},
		{"c33 apply", `function f() { return f.apply(this, arguments) } f()`},
		{"c34 getter", `const o = { get x() { return this.x } }; o.x`},
		{"c34 tostring", `const o = { toString() { return '' + this } }; '' + o`},
		{"c34 valueof", `const o = { valueOf() { return +this } }; +o`},
		{"c34 toprimitive", `const o = { [Symbol.toPrimitive]() { return +this } }; +o`},
		{"c35 proxy get", `const p = new Proxy({}, { get(t, k, r) { return r[k] } }); p.x`},
		{"c35 proxy has", `const p = new Proxy({}, { has(t, k) { return k in p } }); 'x' in p`},
		{"c35 proxy ownkeys", `const p = new Proxy({}, { ownKeys() { return Reflect.ownKeys(p) } }); Object.keys(p)`},
		{"c35 proxy chain", `let p = {}; for (let i = 0; i < 1e5; i++) p = new Proxy(p, {}); p.x`},
		{"c38 json parse", `JSON.parse('['.repeat(1e6))`},
		{"c38 tojson", `const o = { toJSON() { return JSON.stringify(this) } }; JSON.stringify(o)`},
		{"c39 parens", `eval('('.repeat(1e6))`},
		{"c39 brackets", `eval('['.repeat(1e6))`},
		{"c39 templates", "eval('`${'.repeat(1e6))"},
		{"c39 unary", `eval('!'.repeat(1e6))`},
		{"c39 new", `eval('new '.repeat(1e6))`},
		{"c39 ternary", `eval('1?'.repeat(1e6))`},
		{"c39 function constructor", `new Function('('.repeat(1e6))`},
		{"c41 sort", `const f = () => [2, 1].sort(f); f()`},
		{"c41 replace", `const f = () => 'a'.replace('a', f); f()`},
		{"c41 map", `const f = () => [1].map(f); f()`},
		{"c42 generator", `function* g() { yield* g() } for (const x of g());`},
		{"c42 constructor", `class C { constructor() { new C() } } new C()`},
	} {
		rows = append(rows, row{name: r.name, code: fmt.Sprintf("return caught(() => { %s })", r.body), want: outcome.OK, value: overflow, memory: 64})
	}
	return rows
}
