package supervisor_test

import (
	"context"
	"sync/atomic"
	"testing"
	"time"

	"github.com/bulkhead-run/bulkhead/internal/outcome"
	"github.com/bulkhead-run/bulkhead/platform"
	"github.com/bulkhead-run/bulkhead/supervisor"
)

// What waits for its own timers leaves its place to others, until a timer is due.
func TestTimersAreWaiting(t *testing.T) {
	var begun atomic.Int64
	begin := platform.API{Name: "begin", Func: func(context.Context, *platform.Call) (any, error) { begun.Add(1); return nil, nil }}
	s := openReal(t, func(o *supervisor.Options) { o.APIs, o.MaxRunning = []platform.API{begin}, 1 })
	for _, tenant := range []string{"acme", "globex"} { // for one alone may do more
		deploy(t, s, tenant, "sleeps", `async () => { await begin(); await new Promise(done => setTimeout(done, 3_600_000)) }`, timeout(30*time.Second), concurrency(4))
		deploy(t, s, tenant, "ticks", `async () => { for (let n = 0; n < 5; n++) await new Promise(done => setTimeout(done, 3)); return 'ticked' }`, timeout(30*time.Second))
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	ended := make(chan error)
	for _, tenant := range []string{"acme", "acme", "globex", "globex"} {
		go func() {
			_, err := s.Invoke(ctx, tenant, "sleeps", nil)
			ended <- err
		}()
	}
	eventually(t, "all sleep", func() bool { return begun.Load() == 4 && s.Stats().Computing == 0 })
	for _, tenant := range []string{"acme", "globex"} {
		r, err := s.Invoke(t.Context(), tenant, "ticks", nil)
		wantValue(t, r, err, `"ticked"`)
	}
	cancel()
	for range 4 {
		wantOutcome(t, <-ended, outcome.Canceled)
	}
	eventually(t, "nothing computes", func() bool { n := s.Stats(); return n.Computing == 0 && n.Lined == 0 })
}
