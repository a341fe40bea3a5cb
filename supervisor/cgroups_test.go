package supervisor_test

import (
	"context"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/bulkhead-run/bulkhead/internal/cgroup/cgrouptest"
	"github.com/bulkhead-run/bulkhead/internal/outcome"
	"github.com/bulkhead-run/bulkhead/platform"
	"github.com/bulkhead-run/bulkhead/supervisor"
)

func openGroups(t *testing.T, parent string) *supervisor.Cgroups {
	t.Helper()
	groups, err := supervisor.OpenCgroups(parent)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = groups.Close() })
	return groups
}

// Each process, spares too, is in a group of its own from its start, and the
// group goes with it.
func TestSandboxesHaveControlGroups(t *testing.T) {
	parent := cgrouptest.Parent(t)
	groups := openGroups(t, parent)
	s := open(t, func(o *supervisor.Options) { o.Cgroups, o.Spares = groups, 2 })
	eventually(t, "two spares have groups", func() bool { return len(cgrouptest.Groups(t, parent)) == 2 })
	deploy(t, s, "acme", "f", "return 1")
	r, err := s.Invoke(t.Context(), "acme", "f", nil)
	wantValue(t, r, err, "1")
	own, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(r.PID), "cgroup"))
	if err != nil || !strings.Contains(string(own), filepath.Base(parent)+"/sandbox-") {
		t.Errorf("the process is in %s, %v", own, err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if left := cgrouptest.Groups(t, parent); len(left) > 0 {
		t.Errorf("left: %v", left)
	}
}

// hog keeps more and more, each instance within its own limit.
const hog = `async (e) => {
	const a = [];
	for (let n = 0; n < 45; n++) a.push(new Uint8Array(1 << 20).fill(n + 1));
	await stay();
	return a.length;
}`

// hogs has so many instances hold 45 MiB each at once that they are over what
// the tenant's process may take, and returns one's error.
func hogs(t *testing.T, change func(*supervisor.Options)) (*supervisor.Supervisor, *outcome.Error) {
	stay := platform.API{Name: "stay", Func: func(ctx context.Context, _ *platform.Call) (any, error) {
		<-ctx.Done()
		return nil, ctx.Err()
	}}
	s := openReal(t, func(o *supervisor.Options) {
		o.APIs = []platform.API{stay}
		o.Tiers = map[string]supervisor.Tier{"small": {ProcessMemory: 160 << 20}}
		change(o)
	})
	if _, err := s.PutTenant(t.Context(), supervisor.Tenant{Name: "acme", Policy: "open", Tier: "small"}); err != nil {
		t.Fatal(err)
	}
	spec := supervisor.FunctionSpec{Tenant: "acme", Function: "hog", Code: hog, Memory: 64 << 20, Concurrency: 8, Timeout: 20 * time.Second}
	if _, err := s.Deploy(t.Context(), spec); err != nil {
		t.Fatal(err)
	}
	errs := make(chan error, 8)
	for range cap(errs) {
		go func() {
			_, err := s.Invoke(t.Context(), "acme", "hog", nil)
			errs <- err
		}()
	}
	e := wantOutcome(t, <-errs, outcome.Memory)
	for range cap(errs) - 1 {
		<-errs
	}
	return s, e
}

func wantMemoryKill(t *testing.T, s *supervisor.Supervisor, e *outcome.Error) {
	t.Helper()
	if !strings.Contains(e.Detail, "killed for memory") || !strings.Contains(e.Detail, "160MiB") || !strings.Contains(e.Remedy, "process_memory") {
		t.Errorf("the error is %v", e)
	}
	if n := s.Stats(); n.Ended["memory"] == 0 || n.Ended["crash"] != 0 {
		t.Errorf("processes ended: %v", n.Ended)
	}
}

func TestMemoryIsWatchedWithoutControlGroups(t *testing.T) {
	s, e := hogs(t, func(*supervisor.Options) {})
	wantMemoryKill(t, s, e)
}

func TestMemoryIsTheKernelsWithControlGroups(t *testing.T) {
	groups := openGroups(t, cgrouptest.Parent(t, "memory"))
	s, e := hogs(t, func(o *supervisor.Options) { o.Cgroups = groups })
	wantMemoryKill(t, s, e)
}

// A tenant that has used more than its tier gives it is refused until it has
// some again.
func TestCPUQuotaWithoutControlGroups(t *testing.T) {
	s := openReal(t, func(o *supervisor.Options) {
		o.Tiers = map[string]supervisor.Tier{"small": {CPU: 0.01}} // 50 ms saved up
	})
	if _, err := s.PutTenant(t.Context(), supervisor.Tenant{Name: "acme", Policy: "open", Tier: "small"}); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Deploy(t.Context(), supervisor.FunctionSpec{Tenant: "acme", Function: "burn", Code: burn, Timeout: 20 * time.Second}); err != nil {
		t.Fatal(err)
	}
	var err error
	for range 20 {
		if _, err = s.Invoke(t.Context(), "acme", "burn", []byte(burnEvent)); err != nil {
			break
		}
	}
	e := wantOutcome(t, err, outcome.Overloaded)
	if !strings.Contains(e.Detail, "0.01 processors") || e.RetryAfter <= 0 || e.Remedy == "" {
		t.Errorf("the error is %v, to be tried again in %v", e, e.RetryAfter)
	}
	deploy(t, s, "other", "f", `() => 1`)
	r, err := s.Invoke(t.Context(), "other", "f", nil)
	wantValue(t, r, err, "1")
	if used := s.Usage()["acme"]; used.CPU < 50*time.Millisecond || used.Memory <= 0 {
		t.Errorf("it has used %+v", used)
	}
}
