package hostile

import (
	"github.com/bulkhead-run/bulkhead/internal/outcome"
)

// cpuRows burn the processor (A).
var cpuRows = []row{
	{name: "a1 loop", code: `while (1);`, want: outcome.Deadline},
	{name: "a2 finally continue", code: `const f = () => { throw 1 }; for (;;) { try { f() } finally { continue } }`, want: outcome.Deadline},
	{name: "a3 nested quantifier", code: `return /^(a+)+$/.test('a'.repeat(40) + 'b')`, want: outcome.Deadline},
	{name: "a4 overlapping quantifiers", code: `return /(x+x+)+y/.test('x'.repeat(40))`, want: outcome.Deadline},

	// Native loops over what is not there never poll.
	{name: "a5 indexof", code: `return Array.prototype.indexOf.call({ length: 2 ** 53 - 1 }, 1)`, want: outcome.Deadline, fate: killed},
	{name: "a5 includes", code: `return Array.prototype.includes.call({ length: 2 ** 53 - 1 }, 1)`, want: outcome.Deadline, fate: killed},
	{name: "a5 lastindexof", code: `return Array.prototype.lastIndexOf.call({ length: 2 ** 53 - 1 }, 1)`, want: outcome.Deadline, fate: killed},
	{name: "a5 every", code: `return Array.prototype.every.call({ length: 2 ** 53 - 1 }, () => true)`, want: outcome.Deadline, fate: killed},
	{name: "a5 find", code: `return Array.prototype.find.call({ length: 2 ** 53 - 1 }, () => false)`, want: outcome.Deadline},
	{name: "a6 reverse", code: `return Array.prototype.reverse.call({ length: 2 ** 53 - 1 })`, want: outcome.Deadline, fate: killed},
	{name: "a6 copywithin", code: `return Array.prototype.copyWithin.call({ length: 2 ** 53 - 1 }, 0, 1)`, want: outcome.Deadline, fate: killed},
	{name: "a6 fill", code: `return Array.prototype.fill.call({ length: 2 ** 53 - 1 }, 1)`, want: outcome.Deadline, or: []outcome.Outcome{outcome.Memory}, fate: either},
	{name: "a6 splice", code: `return Array.prototype.splice.call({ length: 2 ** 53 - 1 }, 0, 1)`, want: outcome.Deadline, fate: killed},
	// The length would pass 2^53-1, which the standard refuses.
	{name: "a6 unshift", code: `return Array.prototype.unshift.call({ length: 2 ** 53 - 1 }, 1)`, want: outcome.Exception, text: "TypeError"},
	{name: "a6 unshift below the limit", code: `return Array.prototype.unshift.call({ length: 2 ** 53 - 2 }, 1)`, want: outcome.Deadline, fate: killed},
	{name: "a6 shift", code: `return Array.prototype.shift.call({ length: 2 ** 53 - 1 })`, want: outcome.Deadline, fate: killed},
	{name: "a7 join", code: `return new Array(2 ** 32 - 1).join('')`, want: outcome.Deadline, fate: killed},

	{name: "a9 bigint modulus", code: `let x = (1n << 500000n) - 1n; for (;;) x = (x * x) % ((1n << 499999n) - 3n)`, want: outcome.Deadline, fate: either, memory: 16},
	{name: "a9 bigint of a string", code: `return BigInt('9'.repeat(3e5)) > 1n`, want: outcome.Deadline, fate: either, memory: 16},
	{name: "a10 cycle check", code: `let a = []; for (let i = 0; i < 4e4; i++) a = [a]; return JSON.stringify(a).length`, want: outcome.Deadline, fate: either, memory: 16},
	{name: "a11 bulk operations", code: `const u = new Uint8Array(5e7); for (;;) { u.fill(1); u.copyWithin(1, 0) }`, want: outcome.Deadline, fate: either, memory: 64},
	{name: "a12 cycles", code: `for (;;) { const a = {}; a.a = a; (globalThis.k ??= []).push([a]) }`, want: outcome.Memory, or: []outcome.Outcome{outcome.Deadline}},
	{name: "a12 garbage", code: `for (;;) { const a = {}, b = { a }; a.b = b }`, want: outcome.Deadline},
	{name: "a14 normalize", code: `const s = '\u0041\u030a'.repeat(1.25e6); for (;;) { s.normalize('NFD'); s.localeCompare(s + 'x') }`, want: outcome.Deadline, or: []outcome.Outcome{outcome.Memory}, fate: either, memory: 64},

	{name: "a18 catch", code: `try { for (;;); } catch (e) { return 'continued' }`, want: outcome.Deadline},
	{name: "a18 finally", code: `try { for (;;); } finally { return 'continued' }`, want: outcome.Deadline},
	{name: "a18 promise", code: `await (async () => { for (;;); })().catch(() => {}); return 'continued'`, want: outcome.Deadline},
	{name: "a18 generator", code: `function* g() { try { for (;;); } finally { yield 1 } } for (const x of g()) return 'continued'`, want: outcome.Deadline},
	{name: "a18 using a timer", code: `setTimeout(() => { for (;;); }, 1); await new Promise((r) => setTimeout(r, 10)); return 'continued'`, want: outcome.Deadline},
}
