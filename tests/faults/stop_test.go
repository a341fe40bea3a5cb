package faults

import (
	"errors"
	"net/http"
	"syscall"
	"testing"
	"time"

	"github.com/bulkhead-run/bulkhead/internal/child/childtest"
	"github.com/bulkhead-run/bulkhead/tests/daemon"
)

// A sandbox that is stopped answers nothing: its caller hears of the timeout,
// the process is killed although it can handle no signal, and the next call has
// a new one.
func TestStoppedSandbox(t *testing.T) {
	t.Parallel()
	d := daemon.Serve(t, daemon.Options{Config: "spares: 2\ngrace: 100ms"})
	const code = "export default () => 'here'"
	if err := errors.Join(d.Deploy("victim", "f", code), d.Deploy("other", "f", code)); err != nil {
		t.Fatal(err)
	}
	if a, err := d.Do("PUT", "/v1/tenants/victim/functions/f?timeout=500ms", "text/javascript", "export default () => 'here'"); err != nil || a.Status >= 300 {
		t.Fatalf("%d %s %v", a.Status, a.Body, err)
	}
	pid, err := d.Process("victim", "f", "null")
	if err != nil {
		t.Fatal(err)
	}
	childtest.Stop(t, pid)
	if a, err := d.Invoke("victim", "f", "null"); err != nil || a.Problem() != "timeout" {
		t.Errorf("the stopped sandbox's caller got %d %s %v", a.Status, a.Body, err)
	}
	daemon.Eventually(t, "the stopped process is gone", func() bool { return !daemon.Alive(pid) })
	d.Wants("victim", "f", "null", `"here"`)
	d.Wants("other", "f", "null", `"here"`)
	d.Stop()
}

// The supervisor itself is stopped for a while, longer than its functions'
// timeout, with callers waiting: it goes on where it was. Nothing that began
// after it went on fails, and no sandbox was replaced for having been silent.
func TestStoppedSupervisor(t *testing.T) {
	t.Parallel()
	const tenants = 20
	// On a busy machine the usual grace may pass before what sandboxes sent
	// meanwhile has been read.
	d := daemon.Serve(t, daemon.Options{Config: "spares: 2\ngrace: 10s"})
	l := newLoad(t, d, tenants, 50*time.Millisecond)
	l.failures = append(l.failures, http.StatusGatewayTimeout) // of calls that were waiting
	before := map[int]int{}
	for n := range tenants {
		event, _ := question(tenantName(n), 1)
		pid, err := d.Process(tenantName(n), "work", event)
		if err != nil {
			t.Fatal(err)
		}
		before[n] = pid
	}
	started := d.Metric("bulkhead_sandboxes_started_total")
	l.run()
	childtest.Stop(t, d.Cmd.Process.Pid)
	began := time.Now()
	stopped := lasting(t, 6*time.Second)
	time.Sleep(min(stopped, 30*time.Second)) // what is tested is that time passes
	for n := range tenants {
		// Only those calls may end by their timeout that were waiting.
		l.hurt[n].mu.Lock()
		l.hurt[n].until = time.Now()
		l.hurt[n].mu.Unlock()
	}
	if err := d.Cmd.Process.Signal(syscall.SIGCONT); err != nil {
		t.Fatal(err)
	}
	calls := l.answers.Load() + l.excused.Load()
	daemon.Eventually(t, "all tenants are answered again", func() bool { return l.answers.Load()+l.excused.Load() > calls+10*tenants })
	l.stop()
	same := 0
	for n := range tenants {
		event, _ := question(tenantName(n), 1)
		if pid, err := d.Process(tenantName(n), "work", event); err == nil && pid == before[n] {
			same++
		}
	}
	t.Logf("stopped for %v: %d answers, %d told failures; %d of %d sandboxes kept, %v started", time.Since(began).Round(time.Second), l.answers.Load(), l.excused.Load(), same, tenants,
		d.Metric("bulkhead_sandboxes_started_total")-started)
	if same < tenants {
		t.Errorf("%d of %d sandboxes were replaced", tenants-same, tenants)
	}
	// A spare that was on its way meanwhile has had its time, and is started anew.
	daemon.Eventually(t, "it is ready", func() bool {
		a, err := d.Do("GET", "/readyz", "", "")
		return err == nil && a.Status == http.StatusOK
	})
	d.Stop()
}
