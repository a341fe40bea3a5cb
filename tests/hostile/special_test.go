package hostile

import (
	"fmt"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/bulkhead-run/bulkhead/internal/outcome"
	"github.com/bulkhead-run/bulkhead/supervisor"
)

// testTopLevel deploys what never ends, or should not be taken (A16, E59, E67).
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
		Code: `() => { (globalThis.kept ??= []).push('x'.repeat(1e5) + kept.length); return kept.length }`})
	requests, restarts := 1000, 0
	if testing.Short() {
		requests = 100
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
	if restarts < 2 {
		t.Errorf("%d requests of 100 KB in 5 MiB were served by %d instances", requests, restarts)
	}
}
