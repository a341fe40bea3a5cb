package supervisor_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/bulkhead-run/bulkhead/internal/outcome"
	"github.com/bulkhead-run/bulkhead/supervisor"
)

func TestIdleProcessIsEvicted(t *testing.T) {
	s := open(t, func(o *supervisor.Options) { o.IdleTTL = 20 * time.Millisecond })
	deploy(t, s, "acme", "pid", "pid")
	first, err := s.Invoke(t.Context(), "acme", "pid", nil)
	if err != nil {
		t.Fatal(err)
	}
	eventually(t, "it is evicted", func() bool { n := s.Stats(); return n.Ended["evicted"] == 1 && n.Tenants == 0 })
	second, err := s.Invoke(t.Context(), "acme", "pid", nil)
	if err != nil || second.PID == first.PID || !second.Cold {
		t.Errorf("after the eviction: %+v, %v", second, err)
	}
}

func TestLeastRecentlyUsedMakesRoom(t *testing.T) {
	s := open(t, func(o *supervisor.Options) { o.Spares, o.MaxProcesses = -1, 3 })
	pids := make(map[string]int)
	for _, tenant := range []string{"a", "b"} {
		deploy(t, s, tenant, "pid", "pid")
		r, err := s.Invoke(t.Context(), tenant, "pid", nil)
		if err != nil {
			t.Fatal(err)
		}
		pids[tenant] = r.PID
	}
	r, err := s.Invoke(t.Context(), "a", "pid", nil) // b is the oldest now
	if err != nil || r.PID != pids["a"] {
		t.Fatalf("got %+v, %v", r, err)
	}
	for _, tenant := range []string{"c", "d"} { // each also needs one for its deploy's check
		deploy(t, s, tenant, "pid", "pid")
	}
	if r, err = s.Invoke(t.Context(), "c", "pid", nil); err != nil {
		t.Fatal(err)
	}
	if r, err = s.Invoke(t.Context(), "d", "pid", nil); err != nil {
		t.Fatal(err)
	}
	if r, err = s.Invoke(t.Context(), "a", "pid", nil); err != nil || r.PID != pids["a"] {
		t.Errorf("a lost its process: %+v, %v", r, err)
	}
	if n := s.Stats(); n.Processes > 3 || n.Ended["evicted"] != 1 {
		t.Errorf("stats %+v", n)
	}
}

func TestManyTenantsShareFewProcesses(t *testing.T) {
	const tenants = 20
	s := open(t, func(o *supervisor.Options) { o.MaxProcesses = 4; o.StartTimeout = time.Minute })
	var wg sync.WaitGroup
	for i := range tenants {
		tenant := fmt.Sprintf("tenant-%d", i)
		deploy(t, s, tenant, "echo", "event")
		wg.Go(func() {
			// A refusal is allowed when everything is busy; a wrong answer is not.
			r, err := s.Invoke(context.Background(), tenant, "echo", fmt.Append(nil, i))
			if err != nil && outcome.Of(err) != outcome.Overloaded || err == nil && string(r.Value) != fmt.Sprint(i) {
				t.Errorf("%s: got %s, %v", tenant, r.Value, err)
			}
		})
	}
	wg.Wait()
	if n := s.Stats(); n.Processes > 4 || n.Invocations[outcome.OK] < tenants/2 {
		t.Errorf("stats %+v", n)
	}
}

func TestCrashLoopIsHeldBack(t *testing.T) {
	s := open(t, nil)
	deploy(t, s, "mallory", "die", "die")
	deploy(t, s, "acme", "fine", "return 1")
	var refused *outcome.Error
	eventually(t, "it is refused", func() bool {
		_, err := s.Invoke(t.Context(), "mallory", "die", nil)
		return errors.As(err, &refused) && refused.Outcome == outcome.Overloaded
	})
	if refused.RetryAfter <= 0 || refused.RetryAfter > 30*time.Second {
		t.Errorf("retry after %v", refused.RetryAfter)
	}
	r, err := s.Invoke(t.Context(), "acme", "fine", nil)
	wantValue(t, r, err, "1")
	eventually(t, "it is tried again", func() bool {
		_, err := s.Invoke(t.Context(), "mallory", "die", nil)
		return outcome.Of(err) == outcome.Crashed
	})
}

func TestQueue(t *testing.T) {
	dir := t.TempDir()
	s := open(t, func(o *supervisor.Options) { o.MaxQueue = 1 })
	gate := filepath.Join(dir, "gate")
	deploy(t, s, "acme", "wait", "await-file "+gate+"\nreturn 1", concurrency(1), timeout(30*time.Second))
	results := make(chan error, 8)
	for range 8 {
		go func() { _, err := s.Invoke(context.Background(), "acme", "wait", nil); results <- err }()
	}
	for range 6 {
		e := wantOutcome(t, <-results, outcome.Overloaded)
		if e.RetryAfter <= 0 || e.Remedy == "" {
			t.Errorf("refusal %+v", e)
		}
	}
	if err := os.WriteFile(gate, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := <-results; err != nil {
			t.Error(err)
		}
	}
}

func TestQueueEndsWithItsCaller(t *testing.T) {
	dir := t.TempDir()
	s := open(t, nil)
	gate, running := filepath.Join(dir, "gate"), filepath.Join(dir, "running")
	deploy(t, s, "acme", "wait", "touch "+running+"\nawait-file "+gate+"\nreturn 1", concurrency(1), timeout(30*time.Second))
	first := make(chan error, 1)
	go func() { _, err := s.Invoke(context.Background(), "acme", "wait", nil); first <- err }()
	eventually(t, "it runs", func() bool { _, err := os.Stat(running); return err == nil })
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	_, err := s.Invoke(ctx, "acme", "wait", nil)
	wantOutcome(t, err, outcome.Canceled)
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("%v does not tell the caller's own deadline", err)
	}
	if err := os.WriteFile(gate, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := <-first; err != nil {
		t.Error(err)
	}
	r, err := s.Invoke(t.Context(), "acme", "wait", nil)
	wantValue(t, r, err, "1")
}

func TestCancel(t *testing.T) {
	for _, tt := range []struct {
		name, then string
		killed     uint64
	}{
		{"heeded", "until-cancel", 0},
		{"ignored", "hang", 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := open(t, nil)
			running := filepath.Join(t.TempDir(), "running")
			deploy(t, s, "acme", "wait", "touch "+running+"\n"+tt.then, timeout(30*time.Second))
			ctx, cancel := context.WithCancel(t.Context())
			done := make(chan error, 1)
			go func() { _, err := s.Invoke(ctx, "acme", "wait", nil); done <- err }()
			eventually(t, "it runs", func() bool { _, err := os.Stat(running); return err == nil })
			cancel()
			err := <-done
			wantOutcome(t, err, outcome.Canceled)
			if !errors.Is(err, context.Canceled) {
				t.Errorf("%v is not context.Canceled", err)
			}
			if n := s.Stats(); n.Ended["canceled"] != tt.killed {
				t.Errorf("stats %+v", n)
			}
		})
	}
}

func TestDrain(t *testing.T) {
	s := open(t, nil)
	dir := t.TempDir()
	gate, running := filepath.Join(dir, "gate"), filepath.Join(dir, "running")
	deploy(t, s, "acme", "wait", "touch "+running+"\nawait-file "+gate+"\nreturn 1", timeout(30*time.Second))
	inflight := make(chan error, 1)
	go func() { _, err := s.Invoke(context.Background(), "acme", "wait", nil); inflight <- err }()
	eventually(t, "it runs", func() bool { _, err := os.Stat(running); return err == nil })

	short, cancel := context.WithTimeout(t.Context(), time.Millisecond)
	defer cancel()
	wantOutcome(t, s.Drain(short), outcome.Canceled)
	_, err := s.Invoke(t.Context(), "acme", "wait", nil)
	if e := wantOutcome(t, err, outcome.Overloaded); e.RetryAfter <= 0 {
		t.Errorf("refusal %+v", e)
	}
	if s.Ready() == nil {
		t.Error("ready while draining")
	}
	if err := os.WriteFile(gate, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := s.Drain(t.Context()); err != nil {
		t.Error(err)
	}
	if err := <-inflight; err != nil {
		t.Errorf("the one in flight: %v", err)
	}
	if kids := children(t); len(kids) > 0 {
		t.Errorf("children after the drain: %v", kids)
	}
}

func TestCloseEndsWhatRuns(t *testing.T) {
	s := open(t, nil)
	running := filepath.Join(t.TempDir(), "running")
	deploy(t, s, "acme", "hang", "touch "+running+"\nhang", timeout(30*time.Second))
	done := make(chan error, 1)
	go func() { _, err := s.Invoke(context.Background(), "acme", "hang", nil); done <- err }()
	eventually(t, "it runs", func() bool { _, err := os.Stat(running); return err == nil })
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	wantOutcome(t, <-done, outcome.Overloaded)
	if _, err := s.Invoke(t.Context(), "acme", "hang", nil); outcome.Of(err) != outcome.Overloaded {
		t.Errorf("after Close: %v", err)
	}
}

func TestStartFails(t *testing.T) {
	dir := t.TempDir()
	plain := filepath.Join(dir, "plain")
	if err := os.WriteFile(plain, []byte("no program"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, tt := range map[string]struct{ binary, want string }{
		"missing":        {filepath.Join(dir, "none"), "--sandbox-bin"},
		"not executable": {plain, "not an executable"},
		"wrong program":  {script(t, "echo hello; sleep 5"), `"hello"`},
		"exits":          {script(t, "echo out of luck >&2; exit 3"), "out of luck"},
		"silent":         {script(t, "exec sleep 60"), "not ready in time"},
		"tcp":            {script(t, "echo '1|1|tcp|127.0.0.1:1|grpc|'; exec sleep 60"), "only a unix socket"},
		"elsewhere":      {script(t, "echo '1|1|unix|/tmp/other.sock|grpc|'; exec sleep 60"), "outside its own directory"},
		"symlink":        {script(t, `ln -s /tmp "$PLUGIN_UNIX_SOCKET_DIR/s"; echo "1|1|unix|$PLUGIN_UNIX_SOCKET_DIR/s|grpc|"; exec sleep 60`), "instead of a socket"},
		"protocol":       {script(t, "echo '1|9|unix|/x|grpc|'; exec sleep 60"), "version mismatch"},
		"endless line":   {script(t, "exec yes abc | tr -d '\\n'"), "instead of a handshake"},
	} {
		t.Run(name, func(t *testing.T) {
			noLeaks(t)
			ctx := t.Context()
			if name == "silent" {
				var cancel context.CancelFunc
				ctx, cancel = context.WithTimeout(ctx, 100*time.Millisecond)
				defer cancel()
			}
			s, err := supervisor.New(ctx, supervisor.Options{SandboxBinary: tt.binary, CacheDir: t.TempDir(), StartTimeout: 100 * time.Millisecond})
			if err == nil {
				_ = s.Close()
			}
			if e := wantOutcome(t, err, outcome.Invalid); !strings.Contains(e.Error(), tt.want) {
				t.Errorf("got %v, want %q in it", err, tt.want)
			}
		})
	}
}

// A supervisor that was killed leaves its directory behind; the next one
// removes it, but not that of a living one.
func TestStaleDirectoriesAreSwept(t *testing.T) {
	s := open(t, nil)
	_ = s
	base := os.Getenv("XDG_RUNTIME_DIR")
	stale := filepath.Join(base, "bh-1")
	if err := os.MkdirAll(filepath.Join(stale, "p1"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(stale, "lock"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	other, err := supervisor.New(t.Context(), supervisor.Options{SandboxBinary: fakeBinary(t), Layers: fakeLayers, CacheDir: t.TempDir(), Spares: -1})
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	if _, err := os.Stat(stale); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the stale directory is still there: %v", err)
	}
	deploy(t, s, "acme", "fine", "return 1") // s can still start processes
}

func TestDataDirInUse(t *testing.T) {
	dir := t.TempDir()
	open(t, func(o *supervisor.Options) { o.DataDir = dir })
	_, err := supervisor.New(t.Context(), supervisor.Options{DataDir: dir, SandboxBinary: fakeBinary(t), Layers: fakeLayers})
	wantOutcome(t, err, outcome.Invalid)
}

func TestRestartKeepsFunctions(t *testing.T) {
	dir := t.TempDir()
	s := open(t, func(o *supervisor.Options) { o.DataDir = dir })
	f := deploy(t, s, "acme", "fine", "return 1")
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = open(t, func(o *supervisor.Options) { o.DataDir = dir })
	r, err := s.Invoke(t.Context(), "acme", "fine", nil)
	wantValue(t, r, err, "1")
	if again, err := s.Function("acme", "fine"); err != nil || again != f {
		t.Errorf("got %+v, %v; want %+v", again, err, f)
	}
}
