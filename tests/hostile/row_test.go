package hostile

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/bulkhead-run/bulkhead/internal/outcome"
	"github.com/bulkhead-run/bulkhead/supervisor"
)

// fate is what becomes of the attacked tenant's process.
type fate int

const (
	survives fate = iota // the same process serves the next invocation
	killed               // the attack never polls: the supervisor kills the process
	either               // both are in order
)

// row is one attack. Its function runs code for a hostile event; for the
// harmless ones it does as every function of the corpus does.
type row struct {
	name   string
	code   string // the body of an async function of event
	want   outcome.Outcome
	or     []outcome.Outcome // others that are as safe
	value  string            // the result as JSON, if it is OK; "" is any
	text   string            // is in the error, if there is one
	fate   fate
	memory int64         // MiB; 0 is the default
	time   time.Duration // 0 is short for a row that wants Deadline, and long otherwise
	warm   bool
}

// template is the function of a row. A probe tells whether the world is as at
// the start; a plant leaves a secret all over the heap for the attack to find.
const template = `const overflow = 'RangeError: Maximum call stack size exceeded';
const caught = (f) => { try { return ['no error', f()] } catch (e) { return e instanceof RangeError ? String(e) : 'not a RangeError: ' + e } };
const forever = () => { function f() { f() } f() };
const bytes = (b) => { const u = new Uint8Array(b); let s = ''; for (let i = 0; i < u.length && i < 1e5; i++) s += String.fromCharCode(u[i]); return s };
async (event) => {
	if (event.probe !== undefined) return [event.probe + 1, typeof globalThis.canary, [3, 1, 2].sort().join(), 'ab'.replace(/b/, 'c')];
	if (event.plant !== undefined) {
		const held = [];
		for (let i = 0; i < 500; i++) held.push(event.plant + i, { [event.plant + i]: [...event.plant] });
		globalThis.canary = held;
		return held.length;
	}
	globalThis.canary = 'left behind';
	%s
};`

const (
	plantedSecret = "PLANTED-93ac77"
	probeAnswer   = `[42,"undefined","1,2,3","ac"]`
)

var notName = regexp.MustCompile(`[^a-z0-9]+`)

func (r row) run(t *testing.T, w *world) {
	name := strings.Trim(notName.ReplaceAllString(strings.ToLower(r.name), "-"), "-")
	w.tenant(t, name)
	spec := supervisor.FunctionSpec{Tenant: name, Function: "f", Code: fmt.Sprintf(template, r.code), Memory: r.memory << 20, Timeout: r.time}
	if r.warm {
		spec.Isolation = supervisor.Warm
	}
	if r.time == 0 {
		spec.Timeout = 20 * time.Second
		if r.want == outcome.Deadline {
			spec.Timeout = 300 * time.Millisecond
		}
	}
	w.deploy(t, spec)
	before := w.planted(t, name)

	var result supervisor.Result
	var err error
	w.beside(t, func() { result, err = w.invoke(t.Context(), name, "f", `{"secret":"not for others"}`) })
	r.check(t, result, err)
	if err := w.s.Ready(); err != nil {
		t.Errorf("the supervisor: %v", err)
	}
	after := w.probe(t, name)
	switch died := after != before; {
	case died && r.fate == survives:
		t.Errorf("process %d served before, %d after: %v", before, after, err)
	case !died && r.fate == killed:
		t.Error("the process survived: the corpus says that it cannot")
	}
}

// planted invokes the function once with a secret, and returns the process.
func (w *world) planted(t *testing.T, tenant string) int {
	t.Helper()
	var r supervisor.Result
	var err error
	// A short timeout may be missed on a busy machine; that is not the row's.
	eventually(t, "the function runs once before the attack", func() bool {
		r, err = w.invoke(t.Context(), tenant, "f", fmt.Sprintf(`{"plant":%q}`, plantedSecret))
		return err == nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return r.PID
}

// probe invokes the attacked function with a harmless event until it answers,
// checks the answer and returns the process.
func (w *world) probe(t *testing.T, tenant string) int {
	t.Helper()
	var r supervisor.Result
	var err error
	eventually(t, "a normal request is served", func() bool {
		r, err = w.invoke(t.Context(), tenant, "f", `{"probe":41}`)
		o := outcome.Of(err)
		return err == nil || o != outcome.Overloaded && o != outcome.Deadline
	})
	if err != nil || string(r.Value) != probeAnswer {
		t.Errorf("the next invocation: %s, %v; want %s", r.Value, err, probeAnswer)
	}
	return r.PID
}

func (r row) check(t *testing.T, result supervisor.Result, err error) {
	t.Helper()
	text := describe(err)
	got := outcome.Of(err)
	if got != r.want && !slices.Contains(r.or, got) {
		t.Errorf("outcome %v (%.300s, value %.300s), want %v or %v", got, text, result.Value, r.want, r.or)
	}
	if got == outcome.OK && r.value != "" && string(result.Value) != r.value {
		t.Errorf("value %.500s, want %s", result.Value, r.value)
	}
	if got != outcome.OK && !strings.Contains(text, r.text) {
		t.Errorf("error %.500s, want %q in it", text, r.text)
	}
	seen := text + string(result.Value)
	for _, l := range result.Logs {
		seen += l.Message
	}
	for _, secret := range []string{environmentSecret, neighbourSecret, plantedSecret} {
		if strings.Contains(seen, secret) {
			t.Errorf("%s is in what came out: %.1000s", secret, seen)
		}
	}
}

// describe is all that a caller is told of an error.
func describe(err error) string {
	if err == nil {
		return ""
	}
	text := err.Error()
	var e *outcome.Error
	if errors.As(err, &e) {
		for x := e.Exception; x != nil; x = x.Cause {
			text += "\n" + x.String() + "\n" + x.Stack
		}
	}
	return text
}
