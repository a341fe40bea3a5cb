package supervisor_test

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/bulkhead-run/bulkhead/internal/outcome"
	"github.com/bulkhead-run/bulkhead/platform"
	"github.com/bulkhead-run/bulkhead/supervisor"
)

// A tenant's data is deleted when nothing of it runs any more, not even a host
// call, and nothing of it is left for who comes by its name.
func TestDeleteTenant(t *testing.T) {
	var running atomic.Int32
	var failing atomic.Bool
	began, gone := make(chan struct{}, 1), []string{}
	s := open(t, func(o *supervisor.Options) {
		o.APIs = []platform.API{{
			Name: "slow",
			Func: func(ctx context.Context, _ *platform.Call) (any, error) {
				running.Add(1)
				defer running.Add(-1)
				began <- struct{}{}
				<-ctx.Done()
				return nil, ctx.Err()
			},
			DeleteTenant: func(_ context.Context, tenant string) error {
				if n := running.Load(); n != 0 {
					t.Errorf("%d host calls run while the data is deleted", n)
				}
				if failing.Load() {
					return errors.New("disk on fire")
				}
				gone = append(gone, tenant)
				return nil
			},
		}}
	})
	deploy(t, s, "acme", "f", "call slow []\nanswer")
	deploy(t, s, "acme", "g", "return 1")
	deploy(t, s, "other", "f", "return 2")
	var ended sync.WaitGroup
	ended.Go(func() {
		_, err := s.Invoke(t.Context(), "acme", "f", nil)
		wantOutcome(t, err, outcome.NotFound)
	})
	<-began

	failing.Store(true)
	err := s.DeleteTenant(t.Context(), "acme")
	ended.Wait()
	if outcome.Of(err) != outcome.Internal {
		t.Errorf("with data that cannot be deleted: %v", err)
	}
	if _, err := s.Tenant("acme"); err != nil {
		t.Errorf("the tenant is gone before its data: %v", err)
	}
	if f, err := s.Functions("acme"); err != nil || len(f) != 0 {
		t.Errorf("functions %v, %v", f, err)
	}
	failing.Store(false)
	if err := s.DeleteTenant(t.Context(), "acme"); err != nil || len(gone) != 1 || gone[0] != "acme" {
		t.Errorf("deleted %v, %v", gone, err)
	}
	for _, f := range []func() error{
		func() error { _, err := s.Tenant("acme"); return err },
		func() error { _, err := s.Invoke(t.Context(), "acme", "g", nil); return err },
		func() error { return s.DeleteTenant(t.Context(), "acme") },
	} {
		wantOutcome(t, f(), outcome.NotFound)
	}
	r, err := s.Invoke(t.Context(), "other", "f", nil)
	wantValue(t, r, err, "2")
	deploy(t, s, "acme", "f", "return 3")
	r, err = s.Invoke(t.Context(), "acme", "f", nil)
	wantValue(t, r, err, "3")
}
