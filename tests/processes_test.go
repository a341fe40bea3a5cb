package tests

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

const double = `export default async (event) => ({ tenant: event.tenant, twice: event.n * 2 })`

// Two hundred tenants share fewer processes than there are tenants, all at
// once, and each gets its own answers.
func TestTwoHundredTenants(t *testing.T) {
	const tenants, calls, processes = 200, 3, 24
	d := serve(t, t.TempDir(), fmt.Sprintf("max_processes: %d", processes))
	before := descriptors(t, d.cmd.Process.Pid)
	name := func(n int) string { return fmt.Sprintf("tenant-%d", n) }

	inParallel(t, tenants, func(n int) error { return d.deploy(name(n), "f", double) })
	inParallel(t, tenants, func(n int) error {
		for call := range calls {
			want := fmt.Sprintf(`{"tenant":%q,"twice":%d}`, name(n), 2*(n+call))
			a, err := retried(func() (answer, error) {
				return d.invoke(name(n), "f", fmt.Sprintf(`{"tenant":%q,"n":%d}`, name(n), n+call))
			})
			if err != nil {
				return err
			}
			if a.status != http.StatusOK || a.body != want {
				return fmt.Errorf("%s: %d %s, want %s", name(n), a.status, a.body, want)
			}
		}
		return nil
	})
	if n := len(d.children()); n > processes {
		t.Errorf("%d sandbox processes, want at most %d", n, processes)
	}
	http.DefaultClient.CloseIdleConnections()
	// A process takes a few descriptors; nothing else may have grown.
	eventually(t, "the descriptors come back", func() bool {
		return descriptors(t, d.cmd.Process.Pid) <= before+8*processes
	})
	d.stop()
}

// inParallel calls f for 0 to n-1, 64 at a time.
func inParallel(t *testing.T, n int, f func(int) error) {
	t.Helper()
	var all sync.WaitGroup
	room := make(chan struct{}, 64)
	errs := make([]error, n)
	for i := range n {
		room <- struct{}{}
		all.Go(func() {
			errs[i] = f(i)
			<-room
		})
	}
	all.Wait()
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
}

// retried tries again while the supervisor says that it has no room.
func retried(f func() (answer, error)) (answer, error) {
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(20 * time.Millisecond) {
		a, err := f()
		if err != nil || a.status != http.StatusServiceUnavailable || time.Now().After(deadline) {
			return a, err
		}
		if a.header.Get("Retry-After") == "" {
			return a, errors.New("refused without Retry-After")
		}
	}
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
	d := serve(t, t.TempDir(), "spares: 1")
	if err := errors.Join(d.deploy("victim", "f", `export default (e) => e ? new Promise((r) => setTimeout(r, e.ms)) : 'ready'`), d.deploy("other", "f", double)); err != nil {
		t.Fatal(err)
	}
	victim, other := d.process("victim", "f"), d.process("other", "f")
	if victim == other {
		t.Fatal("two tenants in one process")
	}
	type outcome struct {
		a   answer
		err error
	}
	hung := make(chan outcome)
	go func() {
		a, err := d.invoke("victim", "f", `{"ms":4000}`)
		hung <- outcome{a, err}
	}()
	// The invocation shows as a thread's worth of nothing: it sleeps. That it
	// has begun is seen from the next one needing a second instance.
	eventually(t, "the call runs", func() bool {
		a, err := d.invoke("victim", "f", "null")
		return err == nil && strings.Contains(a.header.Get("Bulkhead-Receipt"), "start=cold")
	})
	if err := syscall.Kill(victim, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	got := <-hung
	if got.err != nil || got.a.status != http.StatusBadGateway || got.a.problem() != "sandbox-crashed" {
		t.Errorf("the call in the killed process: %d %s %v", got.a.status, got.a.body, got.err)
	}
	if a, err := d.invoke("victim", "f", "null"); err != nil || a.body != `"ready"` {
		t.Errorf("the next call: %d %s %v", a.status, a.body, err)
	}
	if d.process("victim", "f") == victim || d.process("other", "f") != other {
		t.Error("the wrong process was replaced")
	}
	d.stop()
}

// kill -9 of the supervisor: no sandbox outlives it, and what was acknowledged
// is there after a restart on the same directory.
func TestSupervisorIsKilled(t *testing.T) {
	data := t.TempDir()
	d := serve(t, data, "spares: 2")
	if err := d.deploy("acme", "f", double); err != nil {
		t.Fatal(err)
	}
	if err := d.deploy("acme", "spin", `() => { for (;;); }`); err != nil {
		t.Fatal(err)
	}
	d.process("acme", "f")
	// One sandbox computes without end when its supervisor dies.
	spinning := make(chan struct{})
	go func() {
		defer close(spinning)
		_, _ = d.invoke("acme", "spin", "null") // the connection breaks
	}()
	eventually(t, "there is a tenant's process and spares", func() bool { return len(d.children()) >= 3 })
	children := d.children()
	// One cannot read the end of its lifeline: the kernel has to end it.
	if err := syscall.Kill(children[0], syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	if err := d.cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = d.cmd.Wait() // killed, as it should be
	<-spinning
	for _, id := range children {
		eventually(t, fmt.Sprintf("sandbox process %d is gone", id), func() bool { return !alive(id) })
	}

	again := serve(t, data, "")
	a, err := again.invoke("acme", "f", `{"tenant":"acme","n":4}`)
	if err != nil || a.body != `{"tenant":"acme","twice":8}` {
		t.Errorf("after the restart: %d %s %v", a.status, a.body, err)
	}
	again.stop()
}

// A deploy tells every fault at once, wherever each is found.
func TestDeployTellsEverything(t *testing.T) {
	d := serve(t, t.TempDir(), "spares: 1")
	if err := d.deploy("acme", "f", double); err != nil {
		t.Fatal(err)
	}
	a, err := d.do("PUT", "/v1/tenants/acme/functions/Bad_Name?timeout=5&memory=1TiB", "text/javascript", "export default (e) => {\n  const x = ;\n}")
	if err != nil {
		t.Fatal(err)
	}
	var p struct {
		Problems []struct {
			Field string
			Line  int
		}
	}
	if err := json.Unmarshal([]byte(a.body), &p); err != nil || a.status != http.StatusBadRequest {
		t.Fatalf("%d %s: %v", a.status, a.body, err)
	}
	found := make(map[string]int)
	for _, problem := range p.Problems {
		found[problem.Field] = problem.Line
	}
	if len(found) != 4 || found["code"] != 2 {
		t.Errorf("problems: %s", a.body)
	}
	d.stop()
}
