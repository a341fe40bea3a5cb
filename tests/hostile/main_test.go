package hostile

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/bulkhead-run/bulkhead/platform"
	"github.com/bulkhead-run/bulkhead/policies"
	"github.com/bulkhead-run/bulkhead/supervisor"
)

// What nobody but its owner may see: the supervisor's environment, and what
// the neighbour's events hold.
const (
	environmentSecret = "ENVIRONMENT-b8d41c"
	neighbourSecret   = "NEIGHBOUR-5f02e9"
)

// neighbour answers for the neighbour tenant; it keeps its secret in memory
// while it waits.
const neighbour = `async (event) => {
	const held = [event.secret + event.n];
	for (let i = 0; i < 50; i++) held.push(event.secret + i);
	await echo(null);
	return held.length * 1000 + event.n;
}`

// spares is how many processes wait for a tenant.
const spares = 2

// world is one supervisor with the neighbour in it.
type world struct {
	s       *supervisor.Supervisor
	log     *watcher
	invoked atomic.Uint64 // calls of Supervisor.Invoke
	slow    atomic.Int64  // calls of slow that have not ended

	quiet []time.Duration // the neighbour's latencies before any attack
	mu    sync.Mutex
	under []time.Duration // and beside attacks
}

// watcher is a log handler that keeps what an operator should never see from
// what tenants do.
type watcher struct {
	mu   sync.Mutex
	loud []string
	leak []string
}

func (w *watcher) Enabled(context.Context, slog.Level) bool { return true }
func (w *watcher) WithAttrs([]slog.Attr) slog.Handler       { return w }
func (w *watcher) WithGroup(string) slog.Handler            { return w }

func (w *watcher) Handle(_ context.Context, r slog.Record) error {
	var line strings.Builder
	line.WriteString(r.Message)
	r.Attrs(func(a slog.Attr) bool { fmt.Fprintf(&line, " %s", a); return true })
	w.mu.Lock()
	defer w.mu.Unlock()
	if r.Level > slog.LevelInfo {
		w.loud = append(w.loud, r.Level.String()+" "+line.String())
	}
	if strings.Contains(line.String(), environmentSecret) || strings.Contains(line.String(), neighbourSecret) {
		w.leak = append(w.leak, line.String())
	}
	return nil
}

// sandboxBinary builds cmd/sandbox.
func sandboxBinary(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "sandbox")
	build := exec.Command("go", "build", "-o", path, "github.com/bulkhead-run/bulkhead/cmd/sandbox")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	out, err := build.CombinedOutput()
	if err != nil {
		t.Fatalf("building cmd/sandbox: %v\n%s", err, out)
	}
	return path
}

// newWorld starts a supervisor. grace is what a starved sandbox may need to say
// that it has stopped.
func newWorld(t *testing.T, grace time.Duration) *world {
	t.Helper()
	t.Setenv("BULKHEAD_TEST_SECRET", environmentSecret)
	binary := sandboxBinary(t)
	noLeaks(t)
	w := &world{log: &watcher{}}
	open, err := policies.Parse("open.yaml", []byte("version: 1\nname: open\ndefault: allow\n"), nil)
	if err != nil {
		t.Fatal(err)
	}
	echo := func(_ context.Context, c *platform.Call) (any, error) {
		if len(c.Args) == 0 {
			return nil, nil
		}
		return json.RawMessage(c.Args[0]), nil
	}
	w.s, err = supervisor.New(t.Context(), supervisor.Options{
		SandboxBinary: binary,
		DataDir:       t.TempDir(),
		Logger:        slog.New(w.log),
		Spares:        spares,
		StartTimeout:  30 * time.Second, // for a busy machine
		LoadTimeout:   2 * time.Second,
		Grace:         grace,
		Policies:      []*policies.Policy{open},
		APIs: []platform.API{
			{Name: "echo", Func: echo},
			{Name: "echo_sync", Func: echo, Sync: true},
			{Name: "fail", Func: func(context.Context, *platform.Call) (any, error) {
				return nil, &platform.Error{Name: "TypeError", Message: "refused"}
			}},
			{Name: "slow", Func: func(ctx context.Context, _ *platform.Call) (any, error) {
				w.slow.Add(1)
				defer w.slow.Add(-1)
				<-ctx.Done()
				return nil, ctx.Err()
			}},
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := w.s.Close(); err != nil {
			t.Error(err)
		}
	})
	w.tenant(t, "neighbour")
	w.deploy(t, supervisor.FunctionSpec{Tenant: "neighbour", Function: "work", Code: neighbour, Timeout: 20 * time.Second, Concurrency: 16})
	for n := range 200 {
		w.quiet = append(w.quiet, w.callNeighbour(t, n))
	}
	return w
}

func (w *world) tenant(t *testing.T, name string) {
	t.Helper()
	if _, err := w.s.PutTenant(t.Context(), supervisor.Tenant{Name: name, Policy: "open"}); err != nil {
		t.Fatal(err)
	}
}

func (w *world) deploy(t *testing.T, f supervisor.FunctionSpec) {
	t.Helper()
	if _, err := w.s.Deploy(t.Context(), f); err != nil {
		t.Fatalf("deploying: %v", err)
	}
}

func (w *world) invoke(ctx context.Context, tenant, function, event string) (supervisor.Result, error) {
	w.invoked.Add(1)
	return w.s.Invoke(ctx, tenant, function, json.RawMessage(event))
}

// callNeighbour checks one answer of the neighbour and returns how long it took.
func (w *world) callNeighbour(t *testing.T, n int) time.Duration {
	r, err := w.invoke(context.Background(), "neighbour", "work", fmt.Sprintf(`{"n":%d,"secret":%q}`, n, neighbourSecret))
	if want := fmt.Sprint(51*1000 + n); err != nil || string(r.Value) != want {
		t.Errorf("the neighbour answered %s, %v; want %s", r.Value, err, want)
	}
	return r.Duration
}

// beside runs attack while the neighbour is called again and again, at least
// once, and returns how long that took.
func (w *world) beside(t *testing.T, attack func()) (p50, p99 time.Duration) {
	t.Helper()
	done := make(chan struct{})
	var took []time.Duration
	var calls sync.WaitGroup
	calls.Go(func() {
		tick := time.NewTicker(10 * time.Millisecond)
		defer tick.Stop()
		for n := 0; ; n++ {
			took = append(took, w.callNeighbour(t, n))
			select {
			case <-done:
				return
			case <-tick.C:
			}
		}
	})
	attack()
	close(done)
	calls.Wait()
	w.mu.Lock()
	defer w.mu.Unlock()
	w.under = append(w.under, took...)
	return percentiles(took)
}

// finish checks what must hold when all is over, and reports latencies.
func (w *world) finish(t *testing.T) {
	if err := w.s.Ready(); err != nil {
		t.Errorf("the supervisor: %v", err)
	}
	eventually(t, "the host calls of ended invocations are canceled", func() bool { return w.slow.Load() == 0 })
	stats := w.s.Stats()
	var ended uint64
	for _, n := range stats.Invocations {
		ended += n
	}
	if ended != w.invoked.Load() || stats.Running != 0 {
		t.Errorf("%d invocations, %d outcomes, %d running", w.invoked.Load(), ended, stats.Running)
	}
	if stats.Ended["violation"] != 0 || stats.Ended["crash"] != 0 || stats.Ended["stuck"] != 0 {
		t.Errorf("processes ended: %v", stats.Ended)
	}
	w.log.mu.Lock()
	defer w.log.mu.Unlock()
	for _, line := range w.log.loud {
		t.Errorf("logged above info: %.500s", line)
	}
	for _, line := range w.log.leak {
		t.Errorf("a secret was logged: %.500s", line)
	}
	quiet50, quiet99 := percentiles(w.quiet)
	under50, under99 := percentiles(w.under)
	t.Logf("neighbour: quiet p50 %v, p99 %v; beside attacks p50 %v, p99 %v (%d calls); processes ended: %v; outcomes: %v",
		quiet50, quiet99, under50, under99, len(w.under), stats.Ended, stats.Invocations)
}

func percentiles(d []time.Duration) (p50, p99 time.Duration) {
	if len(d) == 0 {
		return 0, 0
	}
	slices.Sort(d)
	return d[len(d)/2], d[len(d)*99/100]
}

// noLeaks fails the test when it ends with more goroutines, descriptors or
// children than now, or with a file among the sockets.
func noLeaks(t *testing.T) {
	sockets, err := os.MkdirTemp("/tmp", "bh") // a socket's path must be short
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv("XDG_RUNTIME_DIR", sockets)
	goroutines, files := runtime.NumGoroutine(), openFiles(t)
	t.Cleanup(func() {
		eventually(t, "goroutines are back", func() bool { return runtime.NumGoroutine() <= goroutines })
		eventually(t, "descriptors are back", func() bool { return openFiles(t) <= files })
		if kids := children(); len(kids) > 0 {
			t.Errorf("children left: %v", kids)
		}
		if left, _ := filepath.Glob(filepath.Join(sockets, "*")); len(left) > 0 {
			t.Errorf("files left: %v", left)
		}
		if err := os.RemoveAll(sockets); err != nil {
			t.Error(err)
		}
		if t.Failed() {
			stacks := make([]byte, 1<<20)
			t.Logf("goroutines:\n%s", stacks[:runtime.Stack(stacks, true)])
		}
	})
}

func openFiles(t *testing.T) int {
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(entries)
}

// children lists this process's children, dead ones not yet reaped included.
func children() (kids []string) {
	tasks, _ := filepath.Glob("/proc/self/task/*/children")
	for _, task := range tasks {
		text, _ := os.ReadFile(task)
		kids = append(kids, strings.Fields(string(text))...)
	}
	return kids
}

func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); !ok(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Errorf("never: %s", what)
			return
		}
	}
}
