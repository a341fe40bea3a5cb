package hostile

import (
	"time"

	"github.com/bulkhead-run/bulkhead/internal/outcome"
)

const oneSecond = time.Second

// asyncRows abuse promises, timers and the time after the result (D).
var asyncRows = []row{
	// The corpus says TIMEOUT. Nothing is outstanding, so the end is known at
	// once and told at once.
	{name: "d45 never settles", code: `return new Promise(() => {})`, want: outcome.Exception, text: "can never settle"},
	{name: "d45 awaits for ever", code: `await new Promise(() => {}); return 1`, want: outcome.Exception, text: "can never settle"},
	{name: "d46 timers alive", code: `setInterval(() => 1, 5); await new Promise(() => {})`, want: outcome.Deadline},
	{name: "d47 microtask storm", code: `const f = () => { Promise.resolve().then(f) }; f(); await new Promise(() => {})`, want: outcome.Deadline},
	{name: "d47 await storm", code: `for (;;) await null`, want: outcome.Deadline},
	{name: "d47 queuemicrotask storm", code: `const f = () => queueMicrotask(f); f(); await new Promise(() => {})`, want: outcome.Deadline},
	{name: "d47 thenable storm", code: `return { then(resolve) { resolve(this) } }`, want: outcome.Deadline},
	{name: "d49 timer chain", code: `const f = () => setTimeout(f, 0); f(); await new Promise(() => {})`, want: outcome.Deadline},
	{name: "d49 many timers", code: `for (let i = 0; i < 1e6; i++) setTimeout(() => 1, 1e6)`, want: outcome.Exception, or: []outcome.Outcome{outcome.Memory}, text: ""},
	{name: "d49 many timers in 64", code: `return caught(() => { for (let i = 0; i < 1e6; i++) setTimeout(() => 1, 1e6) })`, want: outcome.OK, value: `"RangeError: too many timers: an invocation may have 10,000 at once"`, memory: 64},
	{name: "d49 odd delays", code: `const seen = []; const tell = (d) => new Promise((r) => setTimeout(() => r(seen.push(d)), d));
		await Promise.all([tell(NaN), tell(-1), tell(Infinity), tell(undefined), tell('x'), tell(-Infinity), tell(2 ** 31)]); return seen.length`, want: outcome.OK, value: `7`},
	{name: "d49 far timer", code: `await new Promise((r) => setTimeout(r, 1e9))`, want: outcome.Deadline},
	{name: "d50 interval left", code: `setInterval(() => { for (;;); }, 1); return 'answered'`, want: outcome.OK, value: `"answered"`},
	{name: "d50 interval left warm", code: `setInterval(() => { globalThis.canary = 'from an interval' }, 1); delete globalThis.canary; return 'answered'`, want: outcome.OK, value: `"answered"`, warm: true, fate: survives},
	{name: "d51 unhandled rejections", code: `for (let i = 0; i < 1e4; i++) Promise.reject(new Error('nobody ' + i)); return 'answered'`, want: outcome.OK, value: `"answered"`, line: "more rejections", lines: 20, memory: 16},
	{name: "d51 unhandled rejections in 5", code: `for (let i = 0; i < 1e4; i++) Promise.reject(new Error('nobody ' + i)); return 'answered'`, want: outcome.OK, or: []outcome.Outcome{outcome.Memory}, value: `"answered"`, line: "nobody 0", lines: 20},
	{name: "d51 rejection after the result", code: `delete globalThis.canary; Promise.resolve().then(() => {}).then(() => {}).then(() => { throw new Error('too late') }); return 'answered'`, want: outcome.OK, value: `"answered"`, lines: 1, warm: true},
	{name: "d51 rejection with a hostile reason", code: `Promise.reject({ get name() { for (;;); }, toString() { for (;;); } }); return 'answered'`, want: outcome.OK, or: []outcome.Outcome{outcome.Deadline}, time: oneSecond},
	{name: "d53 settles after the deadline", code: `await new Promise((r) => setTimeout(r, 400)); return 'late'`, want: outcome.Deadline},
	{name: "d55 host call in flight", code: `return await slow()`, want: outcome.Deadline},
	{name: "d55 host calls in flight", code: `return await Promise.all([slow(), slow(), slow(), echo(1)])`, want: outcome.Deadline},
	{name: "d56 finalization", code: `new FinalizationRegistry(() => { for (;;); }).register({}, 1); return 'answered'`, want: outcome.OK, or: []outcome.Outcome{outcome.Deadline}, time: oneSecond},
	{name: "d56 finalization warm", code: `delete globalThis.canary; (() => { new FinalizationRegistry(() => { for (;;); }).register({}, 1) })(); return 'answered'`, want: outcome.OK, or: []outcome.Outcome{outcome.Deadline}, time: oneSecond, warm: true},
	{name: "d58 microtasks left", code: `delete globalThis.canary; const f = () => { Promise.resolve().then(f) }; f(); return 'answered'`, want: outcome.OK, value: `"answered"`, warm: true},
	{name: "d58 host calls left", code: `delete globalThis.canary; echo(1).then(() => { globalThis.canary = 'late' }); slow().catch(() => { globalThis.canary = 'later' }); return 'answered'`, want: outcome.OK, value: `"answered"`, warm: true},
}
