package sandbox_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/bulkhead-run/bulkhead/internal/outcome"
	"github.com/bulkhead-run/bulkhead/ipc"
)

// thrown runs source and returns what it threw, as the supervisor takes it.
func thrown(t *testing.T, w *world, source string) *outcome.Thrown {
	t.Helper()
	w.mustLoad(request(source, source))
	r := w.slot().invoke(source, `{}`)
	if r.outcome() != outcome.Exception {
		t.Fatalf("%s: %v", source, r.Result)
	}
	return ipc.Thrown(r.GetException())
}

func TestThrownErrors(t *testing.T) {
	w := newWorld(t)
	e := thrown(t, w, `() => { const low = () => new RangeError('low', {cause: 'text'}); throw new TypeError('high', {cause: low()}) }`)
	if e.Name != "TypeError" || e.Cause == nil || e.Cause.Name != "RangeError" || e.Cause.Cause == nil || e.Cause.Cause.Message != "text" {
		t.Errorf("causes: %+v", e)
	} else if !strings.Contains(e.Cause.Stack, "at low (f.js:1:") {
		t.Errorf("the cause's stack: %q", e.Cause.Stack)
	}
	e = thrown(t, w, `async () => Promise.any([Promise.reject(new TypeError('a')), Promise.reject(7)])`)
	if e.Name != "AggregateError" || len(e.Errors) != 2 || e.Errors[0].Name != "TypeError" || e.Errors[1].Message != "7" {
		t.Errorf("aggregate: %+v", e)
	}
	e = thrown(t, w, `() => { throw Object.assign(new Error('x'), {code: 'ENOENT', errno: -2, at: [1], f() {}}) }`)
	if got := string(e.Properties); got != `{"code":"ENOENT","errno":-2,"at":"[ 1 ]"}` {
		t.Errorf("properties: %s", got)
	}
	e = thrown(t, w, `() => { throw new DOMException('stop', 'AbortError') }`)
	if e.Name != "AbortError" || e.Message != "stop" {
		t.Errorf("DOMException: %+v", e)
	}
}

// However much is thrown, a bounded part of it arrives.
func TestThrownErrorsAreBounded(t *testing.T) {
	w := newWorld(t)
	count := func(e *outcome.Thrown) (n int) {
		var walk func(e *outcome.Thrown)
		walk = func(e *outcome.Thrown) {
			if e == nil {
				return
			}
			n++
			walk(e.Cause)
			for _, inner := range e.Errors {
				walk(inner)
			}
		}
		walk(e)
		return n
	}
	for name, source := range map[string]string{
		"loop":    `() => { const e = new Error('e'); e.cause = e; throw e }`,
		"wide":    `() => { throw new AggregateError(Array.from({length: 10000}, (_, i) => new Error(i)), 'all') }`,
		"tree":    `() => { const f = (d) => d ? new AggregateError([f(d-1), f(d-1), f(d-1)], 'x', {cause: f(d-1)}) : new Error('leaf'); throw f(4) }`,
		"long":    `() => { let e; for (let i = 0; i < 9; i++) { e = new Error('\\u0001'.repeat(5000), {cause: e}); e.p = 'y'.repeat(1e4) } throw e }`,
		"many":    `() => { const e = new Error('x'); for (let i = 0; i < 10000; i++) e['p' + i] = i; throw e }`,
		"hostile": `() => { const e = new AggregateError([1], 'x'); Object.defineProperty(e, 'cause', {get() { throw e }}); throw e }`,
	} {
		e := thrown(t, w, source)
		if n := count(e); n < 1 || n > 40 {
			t.Errorf("%s: %d errors", name, n)
		}
		if e.Name != "Error" && e.Name != "AggregateError" {
			t.Errorf("%s: %s", name, e)
		}
	}
}

// Rejections that nothing handles by the end are logged once each, and those
// beyond a bound are counted.
func TestUncaughtRejections(t *testing.T) {
	w := newWorld(t)
	for name, c := range map[string]struct {
		source string
		lines  int
		last   string
	}{
		"one":            {`async () => { Promise.reject(new TypeError('lost', {cause: new Error('why')})); return 1 }`, 1, "[cause]: Error: why"},
		"handled late":   {`async () => { const p = Promise.reject(1); await null; await p.catch(() => {}); return 1 }`, 0, ""},
		"the result":     {`async () => { throw new Error('mine') }`, 0, ""},
		"beside another": {`async () => { Promise.reject(new Error('lost')); throw new Error('mine') }`, 1, "Error: lost"},
		"in a timer":     {`() => new Promise((r) => { setTimeout(async () => { throw new Error('timed') }, 1); setTimeout(r, 5) })`, 1, "Error: timed"},
		"a storm":        {`async () => { for (let i = 0; i < 1000; i++) Promise.reject(new Error(i)); return 1 }`, 17, "984 more rejections"},
		"a storm, half":  {`async () => { for (let i = 0; i < 40; i++) { const p = Promise.reject(i); if (i >= 16) p.catch(() => {}) } return 1 }`, 16, "Thrown: 15"},
	} {
		t.Run(name, func(t *testing.T) {
			w.mustLoad(request(name, c.source))
			s := w.slot()
			for range 2 { // the second time as the first: nothing is left over
				r := s.invoke(name, `{}`)
				if len(r.logs) != c.lines {
					t.Fatalf("%d lines: %v", len(r.logs), r.logs)
				}
				for _, l := range r.logs {
					if l.GetLevel() != "error" || !strings.HasPrefix(l.GetMessage(), "Uncaught (in promise)") || l.GetInvocation() != r.GetInvocation() {
						t.Errorf("line %v", l)
					}
				}
				if c.lines > 0 && !strings.Contains(r.logs[c.lines-1].GetMessage(), c.last) {
					t.Errorf("the last line: %q", r.logs[c.lines-1].GetMessage())
				}
			}
		})
	}
}

// What nobody handles at top level is in the load's log, whether the load
// succeeds or not.
func TestUncaughtRejectionsAtTopLevel(t *testing.T) {
	w := newWorld(t)
	for name, c := range map[string]struct {
		source string
		lines  []string // what each begins with
	}{
		"a module":      {"Promise.reject(new TypeError('lost', {cause: new Error('why')}));\nexport default () => 1", []string{"Uncaught (in promise) TypeError: lost\n    at <anonymous> (f.js:1:"}},
		"a script":      {"(Promise.reject(new Error('lost')), () => 1)", []string{"Uncaught (in promise) Error: lost\n    at <eval> (f.js:1:20)"}},
		"async":         {"(async () => { await null; throw new Error('late') })();\nexport default () => 1", []string{"Uncaught (in promise) Error: late"}},
		"handled late":  {"const p = Promise.reject(1);\nawait null;\np.catch(() => {});\nexport default () => 1", nil},
		"the load's":    {"await null;\nthrow new Error('mine');\nexport default () => 1", nil},
		"and another's": {"Promise.reject(new Error('lost'));\nthrow new Error('mine');\nexport default () => 1", []string{"Uncaught (in promise) Error: lost"}},
		"a storm":       {"for (let i = 0; i < 100; i++) Promise.reject(i);\nexport default () => 1", append(slices.Repeat([]string{"Uncaught (in promise) Thrown: "}, 16), "Uncaught (in promise): 84 more rejections")},
	} {
		t.Run(name, func(t *testing.T) {
			r := w.load(request(name, c.source))
			if len(r.GetLogs()) != len(c.lines) {
				t.Fatalf("%v %v", r.GetLogs(), r.GetProblems())
			}
			for n, l := range r.GetLogs() {
				if l.GetLevel() != "error" || !strings.HasPrefix(l.GetMessage(), c.lines[n]) {
					t.Errorf("%v, want %q", l, c.lines[n])
				}
			}
			if len(r.GetProblems()) > 0 {
				return
			}
			if r := w.slot().invoke(name, `{}`); r.outcome() != outcome.OK || len(r.logs) > 0 {
				t.Errorf("the invocation: %v %v", r.Result, r.logs)
			}
		})
	}
}
