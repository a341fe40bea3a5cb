package hostile

import (
	"github.com/bulkhead-run/bulkhead/internal/outcome"
)

// memoryRows use memory up (B).
var memoryRows = []row{
	{name: "b19 doubles", code: `const a = []; for (let i = 0; ; i++) a.push(i + 0.5)`, want: outcome.Memory},
	{name: "b19 doubles in 64", code: `const a = []; for (let i = 0; ; i++) a.push(i + 0.5)`, want: outcome.Memory, memory: 64},
	{name: "b20 buffers", code: `const a = []; for (;;) a.push(new ArrayBuffer(1e7))`, want: outcome.Memory},
	{name: "b20 buffers in 64", code: `const a = []; for (;;) a.push(new ArrayBuffer(1e7))`, want: outcome.Memory, memory: 64},
	{name: "b21 doubling", code: `let s = 'x'; for (;;) s += s`, want: outcome.Memory, or: []outcome.Outcome{outcome.Exception}},
	{name: "b21 repeat", code: `return 'x'.repeat(2 ** 28).length`, want: outcome.Memory},
	{name: "b21 repeat too long", code: `return caught(() => 'x'.repeat(2 ** 30))`, want: outcome.OK, value: `"RangeError: invalid string length"`},
	{name: "b21 padend", code: `return 'x'.padEnd(2 ** 29, 'ab').length`, want: outcome.Memory, or: []outcome.Outcome{outcome.Exception}},
	{name: "b22 caught again and again", code: `const a = []; for (let i = 0; i < 1e6; i++) { try { for (;;) a.push(new Array(1e4).fill(i)) } catch { a.length = 0 } }`, want: outcome.Deadline, fate: either},
	{name: "b22 caught and kept", code: `const a = []; for (let i = 0; ; i++) { try { for (;;) a.push('x'.repeat(100) + i) } catch { } }`, want: outcome.Deadline, fate: either},
	{name: "b24 atoms", code: `const o = {}; for (let i = 0; ; i++) o['k' + i] = 1`, want: outcome.Memory},
	{name: "b24 symbols", code: `const a = []; for (;;) a.push(Symbol('s'.repeat(50)))`, want: outcome.Memory},
	{name: "b24 registered symbols", code: `for (let i = 0; ; i++) Symbol.for('s' + i)`, want: outcome.Memory, or: []outcome.Outcome{outcome.Deadline}, time: oneSecond},
	{name: "b24 map keys", code: `const m = new Map(); for (let i = 0; ; i++) m.set({ i }, i)`, want: outcome.Memory},
	{name: "b24 weak map", code: `const m = new WeakMap(), a = []; for (let i = 0; ; i++) { const k = {}; a.push(k); m.set(k, [i]) }`, want: outcome.Memory},
	{name: "b24 closures", code: `let f = () => 1; for (;;) { const g = f; f = () => g }`, want: outcome.Memory},
	{name: "b24 pending promises", code: `const a = []; for (;;) a.push(new Promise(() => {}).then(() => 1))`, want: outcome.Memory},
	{name: "b24 microtasks", code: `for (;;) queueMicrotask(() => 1)`, want: outcome.Memory},
	{name: "b24 functions", code: `for (let i = 0, a = []; ; i++) a.push(new Function('return ' + i))`, want: outcome.Memory},
	{name: "b24 regexps", code: `for (let i = 0, a = []; ; i++) a.push(new RegExp('(a|b){2,9}' + i))`, want: outcome.Memory},
	{name: "b24 host calls", code: `const a = []; for (let i = 0; ; i++) a.push(slow('x'.repeat(1e4)))`, want: outcome.Memory, or: []outcome.Outcome{outcome.Deadline, outcome.Exception, outcome.Overloaded}, time: oneSecond, fate: either},
	{name: "b25 resizable buffer", code: `const b = new ArrayBuffer(8, { maxByteLength: 2 ** 31 - 1 }); b.resize(2 ** 31 - 1); return b.byteLength`, want: outcome.Memory, or: []outcome.Outcome{outcome.Exception}},
	{name: "b28 huge result", code: `return 'x'.repeat(5e8)`, want: outcome.Memory},
	{name: "b28 large result", code: `return 'x'.repeat(3e7)`, want: outcome.Output, or: []outcome.Outcome{outcome.Memory}, memory: 64},
	{name: "b29 long array", code: `return new Array(1e7).fill(0)`, want: outcome.Memory, or: []outcome.Outcome{outcome.Output}, memory: 64},
	{name: "b29 sparse array", code: `const a = []; a.length = 2 ** 32 - 1; return a`, want: outcome.Memory, or: []outcome.Outcome{outcome.Output, outcome.Deadline, outcome.Exception}, fate: either, time: oneSecond},
	{name: "b29 headers", code: `const headers = []; for (let i = 0; i < 1e6; i++) headers.push(['x-' + i, 'v']); return new Response('', { headers })`, want: outcome.Memory},
}
