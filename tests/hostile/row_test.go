package hostile

import (
	"context"
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
	line   string            // is in the log, if not ""
	lines  int               // the most lines of log, if not 0
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

// spec is the function of a row.
func (r row) spec(tenant string) supervisor.FunctionSpec {
	name := strings.Trim(notName.ReplaceAllString(strings.ToLower(r.name), "-"), "-")
	spec := supervisor.FunctionSpec{Tenant: tenant, Function: name, Code: fmt.Sprintf(template, r.code), Memory: r.memory << 20, Timeout: r.time}
	if r.warm {
		spec.Isolation = supervisor.Warm
	}
	if r.time == 0 {
		spec.Timeout = 20 * time.Second
		if r.want == outcome.Deadline {
			spec.Timeout = 300 * time.Millisecond
		}
	}
	return spec
}

func (r row) run(t *testing.T, w *world) {
	f := r.spec("")
	f.Tenant = f.Function
	w.tenant(t, f.Tenant)
	w.deploy(t, f)
	var faults []string
	p50, p99 := w.beside(t, func() { faults = w.attack(t.Context(), r, f.Tenant, f.Function) })
	for _, fault := range faults {
		t.Error(fault)
	}
	if err := w.s.Ready(); err != nil {
		t.Errorf("the supervisor: %v", err)
	}
	t.Logf("neighbour: p50 %v, p99 %v", p50, p99)
}

// attack leaves a secret, makes the attack, invokes the function once more with
// a harmless event, and returns what was not as it should be.
func (w *world) attack(ctx context.Context, r row, tenant, function string) (faults []string) {
	// A short timeout may be missed on a busy machine; that is not the row's.
	planted, err := w.persist(ctx, tenant, function, fmt.Sprintf(`{"plant":%q}`, plantedSecret))
	if err != nil {
		return []string{fmt.Sprintf("the invocation before: %v", err)}
	}
	result, err := w.invoke(ctx, tenant, function, `{"secret":"not for others"}`)
	faults = r.faults(result, err)
	probed, next := w.persist(ctx, tenant, function, `{"probe":41}`)
	if next != nil || string(probed.Value) != probeAnswer {
		faults = append(faults, fmt.Sprintf("the next invocation: %.300s, %v; want %s", probed.Value, next, probeAnswer))
	}
	switch died := planted.PID != probed.PID; {
	case died && r.fate == survives:
		faults = append(faults, fmt.Sprintf("process %d served before, %d after: %v", planted.PID, probed.PID, err))
	case !died && r.fate == killed:
		faults = append(faults, "the process survived: the corpus says that it cannot")
	}
	return faults
}

// persist invokes a function that does no harm until it is neither refused nor
// too late, for 20 s at most.
func (w *world) persist(ctx context.Context, tenant, function, event string) (r supervisor.Result, err error) {
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		r, err = w.invoke(ctx, tenant, function, event)
		if o := outcome.Of(err); o != outcome.Overloaded && o != outcome.Deadline || time.Now().After(deadline) {
			return r, err
		}
	}
}

// faults returns in what the end of an attack is not as the row says.
func (r row) faults(result supervisor.Result, err error) (faults []string) {
	fault := func(format string, args ...any) { faults = append(faults, fmt.Sprintf(format, args...)) }
	text := describe(err)
	got := outcome.Of(err)
	if got != r.want && !slices.Contains(r.or, got) {
		fault("outcome %v (%.300s, value %.300s), want %v or %v", got, text, result.Value, r.want, r.or)
	}
	if got == outcome.OK && r.value != "" && string(result.Value) != r.value {
		fault("value %.500s, want %s", result.Value, r.value)
	}
	if got != outcome.OK && !strings.Contains(text, r.text) {
		fault("error %.500s, want %q in it", text, r.text)
	}
	seen := text + string(result.Value)
	for _, l := range result.Logs {
		seen += l.Message
	}
	if got == outcome.OK && !strings.Contains(seen, r.line) {
		fault("log %.500s, want %q in it", seen, r.line)
	}
	if r.lines > 0 && len(result.Logs) > r.lines {
		fault("%d lines of log, want %d at most", len(result.Logs), r.lines)
	}
	for _, secret := range []string{environmentSecret, neighbourSecret, plantedSecret} {
		if strings.Contains(seen, secret) {
			fault("%s is in what came out: %.1000s", secret, seen)
		}
	}
	return faults
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
