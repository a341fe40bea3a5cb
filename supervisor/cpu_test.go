package supervisor_test

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/bulkhead-run/bulkhead/internal/outcome"
	"github.com/bulkhead-run/bulkhead/platform"
	"github.com/bulkhead-run/bulkhead/supervisor"
)

// burn computes for e.n rounds, whoever else does.
const burn = `(e) => { let x = 0; for (let n = 0; n < e.n; n++) x = (x * 31 + n) | 0; return x }`

const burnEvent = `{"n":600000}`

func TestCPUIsMeasuredBesideSiblings(t *testing.T) {
	s := openReal(t, nil)
	deploy(t, s, "acme", "burn", burn, timeout(30*time.Second), concurrency(5))
	invoke := func() supervisor.Result {
		r, err := s.Invoke(t.Context(), "acme", "burn", []byte(burnEvent))
		if err != nil {
			t.Error(err)
		}
		return r
	}
	invoke()
	alone := min(invoke().CPU, invoke().CPU, invoke().CPU)
	if alone <= 0 {
		t.Fatal("the time alone is not measured")
	}
	before := s.Usage()["acme"].CPU
	var results [5]supervisor.Result
	var group sync.WaitGroup
	for n := range results {
		group.Go(func() { results[n] = invoke() })
	}
	group.Wait()
	var sum time.Duration
	for _, r := range results {
		t.Logf("alone %v, beside 4 siblings %v of %v", alone, r.CPU, r.Duration)
		sum += r.CPU
		// Processors differ from moment to moment: bench/ is for the tenth.
		if r.CPU < alone/2 || r.CPU > 2*alone {
			t.Errorf("%v of CPU time beside siblings, %v alone", r.CPU, alone)
		}
	}
	used := s.Usage()["acme"].CPU - before
	t.Logf("the kernel says %v, the invocations together %v", used, sum)
	if sum > used*11/10 || sum < used*7/10 {
		t.Errorf("the invocations used %v together, the kernel says %v", sum, used)
	}
}

func TestCPUDoesNotCountWaits(t *testing.T) {
	slow := platform.API{Name: "slow", Func: func(ctx context.Context, _ *platform.Call) (any, error) {
		select {
		case <-time.After(200 * time.Millisecond):
		case <-ctx.Done():
		}
		return nil, nil
	}}
	s := openReal(t, apis(slow))
	wait := deploy(t, s, "acme", "wait", `async () => { await slow(); await new Promise((r) => setTimeout(r, 200)) }`,
		func(f *supervisor.FunctionSpec) { f.CPU = 150 * time.Millisecond })
	if wait.CPU != 150*time.Millisecond {
		t.Errorf("its limit is %v", wait.CPU)
	}
	r, err := s.Invoke(t.Context(), "acme", "wait", nil)
	if err != nil {
		t.Fatal(err)
	}
	if r.CPU >= 150*time.Millisecond || r.Duration < 400*time.Millisecond {
		t.Errorf("%v of CPU time in %v", r.CPU, r.Duration)
	}
}

func TestCPULimit(t *testing.T) {
	s := openReal(t, nil)
	limit := func(f *supervisor.FunctionSpec) { f.CPU, f.Timeout = 50*time.Millisecond, 20*time.Second }
	for name, code := range map[string]string{
		"loop":   `() => { for (;;); }`,
		"regexp": `() => /^(a+)+$/.test("a".repeat(40) + "b")`,
		"steps":  `async () => { for (;;) { await new Promise((r) => setTimeout(r, 1)); for (let n = 0; n < 1e5; n++); } }`,
		"catch":  `() => { for (;;) try { for (;;); } catch {} }`,
		"native": `() => { const a = []; a.length = 2**32-1; return a.indexOf(1) }`, // never polls: the process is killed
	} {
		t.Run(name, func(t *testing.T) {
			deploy(t, s, "acme", name, code, limit)
			r, err := s.Invoke(t.Context(), "acme", name, nil)
			e := wantOutcome(t, err, outcome.CPU)
			if !strings.Contains(e.Detail, "50ms of CPU time") || e.Remedy == "" || e.Function != name {
				t.Errorf("the error is %v", e)
			}
			// It is the lower of the sandbox's account and the kernel's, which are
			// apart by some on a busy machine: where Go's own work in the process
			// hides that others had the processor.
			if name != "native" && r.CPU < 40*time.Millisecond {
				t.Errorf("it ended after %v", r.CPU)
			}
		})
	}
	n := s.Stats()
	if n.Invocations[outcome.CPU] != 5 || n.Ended["cpu"] != 1 {
		t.Errorf("counted %d invocations and %d processes", n.Invocations[outcome.CPU], n.Ended["cpu"])
	}
}

// What a process says of its CPU time is bounded, and what it does not say is
// seen.
func TestCPUOfCompromisedSandbox(t *testing.T) {
	gate := filepath.Join(t.TempDir(), "gate")
	s := open(t, nil)
	limit := func(f *supervisor.FunctionSpec) { f.CPU, f.Timeout = 50*time.Millisecond, 20*time.Second }
	for source, limited := range map[string]func(*supervisor.FunctionSpec){
		"cpu 18446744073709551615": limit,
		"cpu 9223372036854775807":  timeout(20 * time.Second),
	} {
		deploy(t, s, "boaster", "f", source, limited)
		r, err := s.Invoke(t.Context(), "boaster", "f", nil)
		wantValue(t, r, err, "1")
		if r.CPU < 0 || r.CPU > r.Duration {
			t.Errorf("%s: %v of CPU time in %v", source, r.CPU, r.Duration)
		}
	}

	// One computes in silence beside one that waits, whose limit is the same. It
	// has used more than that one can have: it began before.
	began := filepath.Join(t.TempDir(), "began")
	deploy(t, s, "acme", "spin", "touch "+began+"\nspin", limit)
	deploy(t, s, "acme", "wait", "await-file "+gate+"\nreturn 1", limit)
	if err := os.WriteFile(gate, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Invoke(t.Context(), "acme", "wait", nil); err != nil { // now it is loaded
		t.Fatal(err)
	}
	if err := os.Remove(gate); err != nil {
		t.Fatal(err)
	}
	spinning, waiting := make(chan error, 1), make(chan error, 1)
	go func() {
		_, err := s.Invoke(t.Context(), "acme", "spin", nil)
		spinning <- err
	}()
	eventually(t, "one spins", func() bool { _, err := os.Stat(began); return err == nil })
	before := s.Usage()["acme"].CPU
	eventually(t, "it has computed", func() bool { return s.Usage()["acme"].CPU > before+20*time.Millisecond })
	go func() {
		_, err := s.Invoke(t.Context(), "acme", "wait", nil)
		waiting <- err
	}()
	if e := wantOutcome(t, <-spinning, outcome.CPU); !strings.Contains(e.Detail, "did not stop, so its process was killed") {
		t.Errorf("the error is %v", e)
	}
	if err := os.WriteFile(gate, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := <-waiting; err != nil {
		t.Errorf("the one that waited: %v", err)
	}
	if n := s.Stats(); n.Ended["cpu"] != 1 {
		t.Errorf("processes ended: %v", n.Ended)
	}
}

func TestCPUSettings(t *testing.T) {
	s := open(t, func(o *supervisor.Options) {
		o.Tiers = map[string]supervisor.Tier{"small": {MaxCPU: 100 * time.Millisecond}}
	})
	if _, err := s.PutTenant(t.Context(), supervisor.Tenant{Name: "acme", Tier: "small"}); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		cpu  time.Duration
		want string
	}{
		{time.Microsecond, "the least is 1ms"},
		{101 * time.Millisecond, "the tier's most is 100ms"},
	} {
		_, err := s.Deploy(t.Context(), supervisor.FunctionSpec{Tenant: "acme", Function: "f", Code: "return 1", CPU: tt.cpu})
		e := wantOutcome(t, err, outcome.Invalid)
		if len(e.Problems) != 1 || e.Problems[0].Field != "cpu" || !strings.Contains(e.Problems[0].Reason, tt.want) {
			t.Errorf("%v: %v", tt.cpu, e)
		}
	}
	f, err := s.Deploy(t.Context(), supervisor.FunctionSpec{Tenant: "acme", Function: "f", Code: "return 1"})
	if err != nil || f.CPU != 100*time.Millisecond {
		t.Errorf("without a setting the limit is %v, %v", f.CPU, err)
	}
	if f, err = s.Function("acme", "f"); err != nil || f.CPU != 100*time.Millisecond {
		t.Errorf("the stored limit is %v, %v", f.CPU, err)
	}
	deploy(t, s, "free", "f", "return 1")
	_, err = s.PutTenant(t.Context(), supervisor.Tenant{Name: "free", Tier: "small"})
	if e := wantOutcome(t, err, outcome.Invalid); len(e.Problems) != 1 || !strings.Contains(e.Problems[0].Reason, "no limit of CPU time") {
		t.Errorf("a tenant moved to a smaller tier: %v", e)
	}
}
