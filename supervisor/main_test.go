package supervisor_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/bulkhead-run/bulkhead/internal/outcome"
	"github.com/bulkhead-run/bulkhead/platform"
	"github.com/bulkhead-run/bulkhead/policies"
	"github.com/bulkhead-run/bulkhead/supervisor"
)

func TestMain(m *testing.M) {
	if os.Getenv(fakeKey) != "" {
		runFake()
		return
	}
	if os.Getenv(victimKey) != "" {
		runVictim()
	}
	code := m.Run()
	if built != "" {
		_ = os.RemoveAll(built)
	}
	os.Exit(code)
}

var built string // the directory of the real binary, once it is built

// realBinary builds cmd/sandbox, once.
var realBinary = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "bulkhead-test-")
	if err != nil {
		return "", err
	}
	built = dir
	path := filepath.Join(dir, "sandbox")
	build := exec.Command("go", "build", "-o", path, "github.com/bulkhead-run/bulkhead/cmd/sandbox")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	out, err := build.CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("build cmd/sandbox: %w\n%s", err, out)
	}
	return path, nil
})

// open starts a supervisor with the fake sandbox, and checks at the test's end
// that it leaves nothing behind.
func open(t testing.TB, change func(*supervisor.Options)) *supervisor.Supervisor {
	t.Helper()
	o := supervisor.Options{
		SandboxBinary: fakeBinary(t), Layers: fakeLayers,
		CacheDir:     t.TempDir(),
		Logger:       slog.New(slog.DiscardHandler),
		Spares:       1,
		StartTimeout: 20 * time.Second, // for a busy machine
		Policies:     []*policies.Policy{policy(t, "open", "default: allow")},
	}
	if change != nil {
		change(&o)
	}
	noLeaks(t)
	s, err := supervisor.New(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

func policy(t testing.TB, name, rest string) *policies.Policy {
	t.Helper()
	p, err := policies.Parse(name+".yaml", []byte("version: 1\nname: "+name+"\n"+rest+"\n"), nil)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// noLeaks fails the test when it ends with more goroutines, descriptors or
// children than now, or with a directory for sockets.
func noLeaks(t testing.TB) {
	t.Setenv("XDG_RUNTIME_DIR", shortDir(t))
	goroutines, files := runtime.NumGoroutine(), openFiles(t)
	t.Cleanup(func() {
		eventually(t, "goroutines are back", func() bool { return runtime.NumGoroutine() <= goroutines })
		eventually(t, "descriptors are back", func() bool { return openFiles(t) <= files })
		if kids := children(t); len(kids) > 0 {
			t.Errorf("children left: %v", kids)
		}
		if left, _ := filepath.Glob(filepath.Join(os.Getenv("XDG_RUNTIME_DIR"), "*")); len(left) > 0 {
			t.Errorf("files left: %v", left)
		}
		if t.Failed() {
			buf := make([]byte, 1<<20)
			t.Logf("goroutines:\n%s", buf[:runtime.Stack(buf, true)])
		}
	})
}

func shortDir(t testing.TB) string {
	t.Helper()
	dir, err := os.MkdirTemp("/tmp", "bt")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	return dir
}

func openFiles(t testing.TB) int {
	t.Helper()
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(entries)
}

// children lists this process's children, dead ones not yet reaped included.
func children(t testing.TB) []string {
	t.Helper()
	tasks, _ := filepath.Glob("/proc/self/task/*/children")
	var kids []string
	for _, task := range tasks {
		text, _ := os.ReadFile(task)
		kids = append(kids, strings.Fields(string(text))...)
	}
	return kids
}

func eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); !ok(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Errorf("never: %s", what)
			return
		}
	}
}

// deploy makes a tenant with the policy "open" and a function of this source.
func deploy(t testing.TB, s *supervisor.Supervisor, tenant, function, source string, change ...func(*supervisor.FunctionSpec)) supervisor.Function {
	t.Helper()
	if _, err := s.PutTenant(t.Context(), supervisor.Tenant{Name: tenant, Policy: "open"}); err != nil {
		t.Fatal(err)
	}
	spec := supervisor.FunctionSpec{Tenant: tenant, Function: function, Code: source}
	for _, c := range change {
		c(&spec)
	}
	f, err := s.Deploy(t.Context(), spec)
	if err != nil {
		t.Fatal(err)
	}
	f.New = false // so that it equals what Function returns
	return f
}

func timeout(d time.Duration) func(*supervisor.FunctionSpec) {
	return func(f *supervisor.FunctionSpec) { f.Timeout = d }
}

func concurrency(n int) func(*supervisor.FunctionSpec) {
	return func(f *supervisor.FunctionSpec) { f.Concurrency = n }
}

func wantValue(t testing.TB, r supervisor.Result, err error, want string) {
	t.Helper()
	if err != nil {
		t.Fatalf("got error %v (%v), want %s", err, errors.Unwrap(err), want)
	}
	if string(r.Value) != want {
		t.Fatalf("got %s, want %s", r.Value, want)
	}
}

func wantOutcome(t testing.TB, err error, want outcome.Outcome) *outcome.Error {
	t.Helper()
	var e *outcome.Error
	if !errors.As(err, &e) {
		t.Fatalf("got %v, want an *outcome.Error with %v", err, want)
	}
	if e.Outcome != want {
		t.Fatalf("got outcome %v (%v), want %v", e.Outcome, e, want)
	}
	return e
}

// upper is a platform API for tests: it answers with its argument in capitals.
func upper() platform.API {
	return platform.API{Name: "upper", Func: func(_ context.Context, c *platform.Call) (any, error) {
		var text string
		if _, err := c.Arg(0, "text", &text); err != nil {
			return nil, err
		}
		return strings.ToUpper(text), nil
	}}
}

func apis(list ...platform.API) func(*supervisor.Options) {
	return func(o *supervisor.Options) { o.APIs = list }
}
