package supervisor_test

import (
	"sync/atomic"
	"testing"
	"time"

	"github.com/bulkhead-run/bulkhead/internal/outcome"
	"github.com/bulkhead-run/bulkhead/supervisor"
)

// When memory is scarce no process is started, and what runs goes on; when it
// is nearly gone nothing is let in; and when it is back all is as before.
func TestShedding(t *testing.T) {
	var left atomic.Int64
	left.Store(1000)
	s := open(t, func(o *supervisor.Options) {
		o.ReadMemory = func() (supervisor.Memory, error) {
			return supervisor.Memory{Available: left.Load(), Total: 1000}, nil
		}
	})
	deploy(t, s, "warm", "f", "return 1")
	deploy(t, s, "cold", "f", "return 1")
	r, err := s.Invoke(t.Context(), "warm", "f", nil)
	wantValue(t, r, err, "1")
	become := func(available int64, pressure int) {
		t.Helper()
		left.Store(available)
		for deadline := time.Now().Add(10 * time.Second); s.Stats().Pressure != pressure; time.Sleep(10 * time.Millisecond) {
			if time.Now().After(deadline) {
				t.Fatalf("with %d of 1000 bytes left the pressure is %d, not %d", available, s.Stats().Pressure, pressure)
			}
		}
	}
	ask := func(tenant string) outcome.Outcome {
		_, err := s.Invoke(t.Context(), tenant, "f", nil)
		return outcome.Of(err)
	}

	become(90, 1)
	if cold, warm := ask("cold"), ask("warm"); cold != outcome.Overloaded || warm != outcome.OK {
		t.Errorf("where memory is scarce a cold one is %v, a warm one %v", cold, warm)
	}
	_, err = s.Deploy(t.Context(), supervisor.FunctionSpec{Tenant: "warm", Function: "g", Code: "return 1"})
	if e := wantOutcome(t, err, outcome.Overloaded); e.RetryAfter <= 0 || e.Remedy == "" {
		t.Errorf("deploy: %+v", e)
	}
	become(40, 2)
	if warm := ask("warm"); warm != outcome.Overloaded {
		t.Errorf("where it is nearly gone a warm one is %v", warm)
	}
	become(110, 1) // above the bound, but not by a quarter
	if cold, warm := ask("cold"), ask("warm"); cold != outcome.Overloaded || warm != outcome.OK {
		t.Errorf("when there is a little again a cold one is %v, a warm one %v", cold, warm)
	}
	become(500, 0)
	if cold := ask("cold"); cold != outcome.OK {
		t.Errorf("when there is plenty again a cold one is %v", cold)
	}
	if n := s.Stats(); n.Shed != 4 {
		t.Errorf("%d were counted, not 4", n.Shed)
	}
}

func TestReadMemory(t *testing.T) {
	m, err := supervisor.ReadMemory()
	if err != nil || m.Total <= 0 || m.Available <= 0 || m.Available > m.Total || m.Stalled < 0 || m.Stalled > 100 {
		t.Errorf("%+v, %v", m, err)
	}
}
