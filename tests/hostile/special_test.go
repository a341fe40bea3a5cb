package hostile

import (
	"fmt"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/bulkhead-run/bulkhead/internal/outcome"
	"github.com/bulkhead-run/bulkhead/supervisor"
)

// testTopLevel deploys what never ends, or should not be taken (A16, E59, E67,
// 3A28).
func testTopLevel(t *testing.T, w *world) {
	w.tenant(t, "top-level")
	for name, code := range map[string]string{
		"loop":          `for (;;); export default () => 1`,
		"memory":        `const a = []; for (;;) a.push(new Array(1000).fill(1)); export default () => 1`,
		"recursion":     `function f() { f() } f(); export default () => 1`,
		"await":         `await new Promise(() => {}); export default () => 1`,
		"os":            `import * as os from 'qjs:os'; export default () => os.exec(['true'])`,
		"url":           `import x from 'http://127.0.0.1/x.js'; export default () => x`,
		"self":          `import x from './f.js'; export default () => x`,
		"re-export-all": `export * as all from './f.js'; export { default } from './re-export-all.js'`,
		"re-exports":    strings.Repeat("export * from './f.js';", 1000),
		"parens":        `export default () => ((((((((((`,
		"handler":       `export default { get fetch() { throw new Error('no') } }`,
		"handler-loops": `export default { get fetch() { for (;;); } }`,
	} {
		w.beside(t, func() {
			_, err := w.s.Deploy(t.Context(), supervisor.FunctionSpec{Tenant: "top-level", Function: name, Code: code})
			if outcome.Of(err) != outcome.Invalid {
				t.Errorf("%s: %v, want Invalid", name, err)
			}
		})
	}
}

// testCycle re-exports a module from itself, which the standard allows (3A28).
func testCycle(t *testing.T, w *world) {
	w.tenant(t, "cycle")
	w.deploy(t, supervisor.FunctionSpec{Tenant: "cycle", Function: "f", Code: `export * from './f.js'; export * as self from './f.js'; import * as me from './f.js'; export default () => [Object.keys(me), me.self === me]`})
	w.beside(t, func() {
		if r, err := w.invoke(t.Context(), "cycle", "f", `null`); err != nil || string(r.Value) != `[["default","self"],true]` {
			t.Errorf("got %s, %v", r.Value, err)
		}
	})
}

// testFrames counts honest recursion at the memory sizes that people use.
func testFrames(t *testing.T, w *world) {
	w.tenant(t, "frames")
	last := 0
	for _, memory := range []int64{5, 10, 16} {
		name := fmt.Sprintf("f%d", memory)
		w.deploy(t, supervisor.FunctionSpec{Tenant: "frames", Function: name, Memory: memory << 20, Timeout: 20 * time.Second,
			Code: `() => { let n = 0; function f() { n++; f() } try { f() } catch (e) { if (e instanceof RangeError) return n } }`})
		r, err := w.invoke(t.Context(), "frames", name, `null`)
		frames, _ := strconv.Atoi(string(r.Value))
		t.Logf("%d MiB: %d frames", memory, frames)
		// From 10 MiB on the stack is as large as wazero can carry.
		if err != nil || frames < 3500 || frames < last || memory == 10 && frames <= last {
			t.Errorf("%d MiB: %d frames after %d, %v", memory, frames, last, err)
		}
		last = frames
	}
}

// testParallelBurn burns the processor in 50 requests of one tenant (A17).
func testParallelBurn(t *testing.T, w *world) {
	w.tenant(t, "burn")
	w.deploy(t, supervisor.FunctionSpec{Tenant: "burn", Function: "f", Code: `() => { for (;;); }`, Timeout: 150 * time.Millisecond, Concurrency: 8})
	w.beside(t, func() {
		var all sync.WaitGroup
		for range 50 {
			all.Go(func() {
				if _, err := w.invoke(t.Context(), "burn", "f", `null`); outcome.Of(err) != outcome.Deadline && outcome.Of(err) != outcome.Overloaded {
					t.Errorf("got %v", err)
				}
			})
		}
		all.Wait()
	})
}

// testWarmLeak leaks in globals, warm request by warm request (B27).
func testWarmLeak(t *testing.T, w *world) {
	w.tenant(t, "leak")
	w.deploy(t, supervisor.FunctionSpec{Tenant: "leak", Function: "f", Isolation: supervisor.Warm, Timeout: 20 * time.Second,
		Code: `() => { (globalThis.kept ??= []).push('x'.repeat(1e6) + kept.length); return kept.length }`})
	requests, restarts := 500, 0
	if testing.Short() {
		requests = 50
	}
	w.beside(t, func() {
		for range requests {
			r, err := w.invoke(t.Context(), "leak", "f", `null`)
			if err != nil {
				t.Errorf("got %v", err)
				return
			}
			if string(r.Value) == "1" {
				restarts++
			}
		}
	})
	if restarts < requests/5 {
		t.Errorf("%d requests of 1 MB in 5 MiB were served by %d instances", requests, restarts)
	}
}

// testMemoryReturns uses memory up, in the heap and by recursion, in which
// wazero's own stack grows as well, and watches the process's (B30, B31).
func testMemoryReturns(t *testing.T, w *world) {
	w.tenant(t, "greedy")
	deploy := func(name, code string) {
		w.deploy(t, supervisor.FunctionSpec{Tenant: "greedy", Function: name, Memory: 64 << 20, Timeout: 20 * time.Second, Code: code})
	}
	deploy("modest", `() => 1`)
	deploy("heap", `() => { const a = []; for (let i = 0; ; i++) a.push(i + 0.5) }`)
	deploy("stack", `() => { let n = 0; function f() { n++; f() } try { f() } catch { return n > 1000 } }`)
	process := func(name string, want outcome.Outcome) string {
		r, err := w.invoke(t.Context(), "greedy", name, `null`)
		if outcome.Of(err) != want {
			t.Fatalf("%s: %v, want %v", name, err, want)
		}
		return strconv.Itoa(r.PID)
	}
	pid := process("modest", outcome.OK)
	before := residentMemory(t, pid)
	for name, want := range map[string]outcome.Outcome{"heap": outcome.Memory, "stack": outcome.OK} {
		w.beside(t, func() {
			for range 5 {
				if process(name, want) != pid {
					t.Fatalf("%s: another process", name)
				}
			}
		})
		const slack = 64 << 20
		var after int64
		eventually(t, name+": the process gives its memory back", func() bool {
			after = residentMemory(t, pid)
			return after < before+slack
		})
		if process("modest", outcome.OK) != pid {
			t.Fatalf("%s: another process", name)
		}
		t.Logf("%s: %d MiB resident before, %d MiB after", name, before>>20, after>>20)
	}
	if peak := peakMemory(t, pid); peak > 1<<30 {
		t.Errorf("%d MiB resident at the peak", peak>>20)
	}
}
