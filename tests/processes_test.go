package tests

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/bulkhead-run/bulkhead/internal/child/childtest"
	"github.com/bulkhead-run/bulkhead/tests/daemon"
)

const double = `export default async (event) => ({ tenant: event.tenant, twice: event.n * 2 })`

// Two hundred tenants share fewer processes than there are tenants, all at
// once, and each gets its own answers.
func TestTwoHundredTenants(t *testing.T) {
	const tenants, calls, processes = 200, 3, 24
	d := daemon.Serve(t, daemon.Options{Config: fmt.Sprintf("max_processes: %d", processes)})
	before := descriptors(t, d.Cmd.Process.Pid)
	name := func(n int) string { return fmt.Sprintf("tenant-%d", n) }

	daemon.InParallel(t, tenants, func(n int) error { return d.Deploy(name(n), "f", double) })
	daemon.InParallel(t, tenants, func(n int) error {
		for call := range calls {
			want := fmt.Sprintf(`{"tenant":%q,"twice":%d}`, name(n), 2*(n+call))
			a, err := retried(func() (daemon.Answer, error) {
				return d.Invoke(name(n), "f", fmt.Sprintf(`{"tenant":%q,"n":%d}`, name(n), n+call))
			})
			if err != nil {
				return err
			}
			if a.Status != http.StatusOK || a.Body != want {
				return fmt.Errorf("%s: %d %s, want %s", name(n), a.Status, a.Body, want)
			}
		}
		return nil
	})
	if n := len(d.Children()); n > processes {
		t.Errorf("%d sandbox processes, want at most %d", n, processes)
	}
	d.HTTP.CloseIdleConnections()
	// A process takes a few descriptors; nothing else may have grown.
	daemon.Eventually(t, "the descriptors come back", func() bool {
		return descriptors(t, d.Cmd.Process.Pid) <= before+10*processes
	})
	d.Stop()
}

// retried tries again while the supervisor says that it has no room.
func retried(f func() (daemon.Answer, error)) (daemon.Answer, error) {
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(20 * time.Millisecond) {
		a, err := f()
		if err != nil || a.Status != http.StatusServiceUnavailable || time.Now().After(deadline) {
			return a, err
		}
		if a.Header.Get("Retry-After") == "" {
			return a, errors.New("refused without Retry-After")
		}
	}
}

// process returns the id of the process that a tenant's function runs in.
func process(d *daemon.Daemon, tenant, function string) int {
	d.T.Helper()
	pid, err := d.Process(tenant, function, "null")
	if err != nil {
		d.T.Fatal(err)
	}
	return pid
}

func descriptors(t *testing.T, pid int) int {
	t.Helper()
	list, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", pid))
	if err != nil {
		t.Fatal(err)
	}
	return len(list)
}

// kill -9 of a sandbox in the middle of a call: that caller is told, the next
// call works, and another tenant notices nothing.
func TestSandboxIsKilled(t *testing.T) {
	d := daemon.Serve(t, daemon.Options{Config: "spares: 1"})
	if err := errors.Join(d.Deploy("victim", "f", `export default (e) => e ? new Promise((r) => setTimeout(r, e.ms)) : 'ready'`), d.Deploy("other", "f", double)); err != nil {
		t.Fatal(err)
	}
	victim, other := process(d, "victim", "f"), process(d, "other", "f")
	if victim == other {
		t.Fatal("two tenants in one process")
	}
	type outcome struct {
		a   daemon.Answer
		err error
	}
	hung := make(chan outcome)
	go func() {
		a, err := d.Invoke("victim", "f", `{"ms":4000}`)
		hung <- outcome{a, err}
	}()
	// The invocation shows as a thread's worth of nothing: it sleeps. That it
	// has begun is seen from the next one needing a second instance.
	daemon.Eventually(t, "the call runs", func() bool {
		a, err := d.Invoke("victim", "f", "null")
		return err == nil && strings.Contains(a.Header.Get("Bulkhead-Receipt"), "start=cold")
	})
	if err := syscall.Kill(victim, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	got := <-hung
	if got.err != nil || got.a.Status != http.StatusBadGateway || got.a.Problem() != "sandbox-crashed" {
		t.Errorf("the call in the killed process: %d %s %v", got.a.Status, got.a.Body, got.err)
	}
	if a, err := d.Invoke("victim", "f", "null"); err != nil || a.Body != `"ready"` {
		t.Errorf("the next call: %d %s %v", a.Status, a.Body, err)
	}
	if process(d, "victim", "f") == victim || process(d, "other", "f") != other {
		t.Error("the wrong process was replaced")
	}
	d.Stop()
}

// kill -9 of the supervisor: no sandbox outlives it, and what was acknowledged
// is there after a restart on the same directory.
func TestSupervisorIsKilled(t *testing.T) {
	data := t.TempDir()
	d := daemon.Serve(t, daemon.Options{Data: data, Config: "spares: 2"})
	if err := d.Deploy("acme", "f", double); err != nil {
		t.Fatal(err)
	}
	if err := d.Deploy("acme", "spin", `() => { for (;;); }`); err != nil {
		t.Fatal(err)
	}
	process(d, "acme", "f")
	// One sandbox computes without end when its supervisor dies.
	spinning := make(chan struct{})
	go func() {
		defer close(spinning)
		_, _ = d.Invoke("acme", "spin", "null") // the connection breaks
	}()
	daemon.Eventually(t, "there is a tenant's process and spares", func() bool { return len(d.Children()) >= 3 })
	children := d.Children()
	// One cannot read the end of its lifeline: the kernel has to end it.
	childtest.Stop(t, children[0])
	if err := d.Cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = d.Cmd.Wait() // killed, as it should be
	<-spinning
	for _, id := range children {
		daemon.Eventually(t, fmt.Sprintf("sandbox process %d is gone", id), func() bool { return !daemon.Alive(id) })
	}

	again := daemon.Serve(t, daemon.Options{Data: data})
	a, err := again.Invoke("acme", "f", `{"tenant":"acme","n":4}`)
	if err != nil || a.Body != `{"tenant":"acme","twice":8}` {
		t.Errorf("after the restart: %d %s %v", a.Status, a.Body, err)
	}
	again.Stop()
}

// A deploy tells every fault at once, wherever each is found.
func TestDeployTellsEverything(t *testing.T) {
	d := daemon.Serve(t, daemon.Options{Config: "spares: 1"})
	if err := d.Deploy("acme", "f", double); err != nil {
		t.Fatal(err)
	}
	a, err := d.Do("PUT", "/v1/tenants/acme/functions/Bad_Name?timeout=5&memory=1TiB", "text/javascript", "export default (e) => {\n  const x = ;\n}")
	if err != nil {
		t.Fatal(err)
	}
	var p struct {
		Problems []struct {
			Field string
			Line  int
		}
	}
	if err := json.Unmarshal([]byte(a.Body), &p); err != nil || a.Status != http.StatusBadRequest {
		t.Fatalf("%d %s: %v", a.Status, a.Body, err)
	}
	found := make(map[string]int)
	for _, problem := range p.Problems {
		found[problem.Field] = problem.Line
	}
	if len(found) != 4 || found["code"] != 2 {
		t.Errorf("problems: %s", a.Body)
	}
	d.Stop()
}
