package main

import (
	"context"
	"encoding/json"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/bulkhead-run/bulkhead/internal/confine/confinetest"
	"github.com/bulkhead-run/bulkhead/internal/outcome"
	"github.com/bulkhead-run/bulkhead/platform"
	"github.com/bulkhead-run/bulkhead/policies"
	"github.com/bulkhead-run/bulkhead/policies/seccomp"
	"github.com/bulkhead-run/bulkhead/supervisor"
)

// workload is what functions do that the kernel hears of.
var workload = []struct {
	name, code string
	isolation  supervisor.Isolation
	want       outcome.Outcome
}{
	{"call", `async (e) => (await Promise.all([1, 2, 3].map((n) => echo(n)))).length`, "", outcome.OK},
	{"module", `const at = Date.now(); export default async () => { await new Promise((r) => setTimeout(r, 5)); console.log(at); return Math.random() }`, "", outcome.OK},
	{"fetch", `export default { async fetch(r) { return new Response(new URL(r.url).pathname) } }`, "", outcome.OK},
	{"crypto", `async () => {
		const key = await crypto.subtle.generateKey({ name: "ECDSA", namedCurve: "P-256" }, true, ["sign", "verify"]);
		const signed = await crypto.subtle.sign({ name: "ECDSA", hash: "SHA-256" }, key.privateKey, new TextEncoder().encode(crypto.randomUUID()));
		return signed.byteLength;
	}`, "", outcome.OK},
	{"recursion", `() => { const f = () => f() + 1; try { f() } catch (e) { return e.name } }`, "", outcome.OK},
	{"grow", `() => { const a = []; for (let n = 0; n < 200; n++) a.push(new Array(1000).fill(n + 0.5)); return a.length }`, "", outcome.OK},
	{"warm", `let n = 0; export default () => ++n`, supervisor.Warm, outcome.OK},
	{"throw", `() => { throw new Error("no") }`, "", outcome.Exception},
	{"memory", `() => { const a = []; for (;;) a.push(new Array(1000).fill(1.5)) }`, "", outcome.Memory},
	{"loop", `() => { for (;;); }`, "", outcome.Deadline},
}

// Every rule of the profile is used by the workload, or says when it is; and the
// profile lacks nothing: no process dies of it.
func TestProfileIsWhatIsNeeded(t *testing.T) {
	dir := t.TempDir()
	binary := filepath.Join(dir, "sandbox")
	build := exec.Command("go", "build", "-o", binary, ".")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	w := confinetest.NewWatch(t, binary, seccomp.Sandbox)

	t.Setenv("XDG_RUNTIME_DIR", shortDir(t))
	open, err := policies.Parse("open.yaml", []byte("version: 1\nname: open\ndefault: allow\n"), nil)
	if err != nil {
		t.Fatal(err)
	}
	s, err := supervisor.New(t.Context(), supervisor.Options{
		SandboxBinary: w.Binary, DataDir: filepath.Join(dir, "data"), Policies: []*policies.Policy{open},
		Logger: slog.New(slog.DiscardHandler), Spares: 1, StartTimeout: time.Minute, LoadTimeout: 20 * time.Second, Grace: 20 * time.Second,
		APIs: []platform.API{{Name: "echo", Func: func(_ context.Context, c *platform.Call) (any, error) { return json.RawMessage(c.Args[0]), nil }}},
	})
	if err != nil {
		t.Fatal(err)
	}
	closed := false
	t.Cleanup(func() {
		if !closed {
			_ = s.Close()
		}
	})
	if _, err := s.PutTenant(t.Context(), supervisor.Tenant{Name: "acme", Policy: "open"}); err != nil {
		t.Fatal(err)
	}
	for _, f := range workload {
		timeout := 20 * time.Second
		if f.want == outcome.Deadline {
			timeout = 100 * time.Millisecond
		}
		if _, err := s.Deploy(t.Context(), supervisor.FunctionSpec{Tenant: "acme", Function: f.name, Code: f.code, Isolation: f.isolation, Timeout: timeout, Concurrency: 4}); err != nil {
			t.Fatalf("%s: %v", f.name, err)
		}
	}
	// The second round is run by another process, which is sent snapshots. There
	// may be more: what only happens now and then needs time.
	deadline := time.Now().Add(time.Minute)
	for round := 0; round < 2 || len(w.Unused()) > 0 && time.Now().Before(deadline); round++ {
		pid := runWorkload(t, s)
		if s.Stats().Ended["crash"] != 0 && round == 0 || t.Failed() {
			break
		}
		if round == 0 {
			if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
				t.Fatal(err)
			}
		}
	}
	stats := s.Stats()
	closed = true
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	if stats.Ended["crash"] > 1 || stats.SnapshotsUsed == 0 {
		t.Errorf("%d processes crashed beside the one that was killed, %d snapshots were used", stats.Ended["crash"]-1, stats.SnapshotsUsed)
	}
	if err := w.Fault(); err != nil {
		t.Error(err)
	}
	if names := w.Unused(); len(names) > 0 {
		t.Errorf("the profile allows what nothing needs:\n%s", strings.Join(names, "\n"))
	}
}

// runWorkload invokes every function several times at once, and returns the
// process that did it.
func runWorkload(t *testing.T, s *supervisor.Supervisor) (pid int) {
	var mu sync.Mutex
	var group sync.WaitGroup
	for _, f := range workload {
		for range 3 {
			group.Go(func() {
				var r supervisor.Result
				var err error
				for until := time.Now().Add(time.Minute); time.Now().Before(until); {
					r, err = s.Invoke(t.Context(), "acme", f.name, []byte(`{"url":"http://h/path","method":"GET"}`))
					if o := outcome.Of(err); o != outcome.Overloaded && o != outcome.Crashed {
						break // its process may just have been killed
					}
				}
				if got := outcome.Of(err); got != f.want {
					t.Errorf("%s: %v (%v), want %v", f.name, got, err, f.want)
				}
				if r.PID != 0 {
					mu.Lock()
					pid = r.PID
					mu.Unlock()
				}
			})
		}
	}
	group.Wait()
	return pid
}
