package faults

import (
	"errors"
	"net/http"
	"syscall"
	"testing"
	"time"
)

// A sandbox that is stopped answers nothing: its caller hears of the timeout,
// the process is killed although it can handle no signal, and the next call has
// a new one.
func TestStoppedSandbox(t *testing.T) {
	t.Parallel()
	d := serve(t, options{config: "spares: 2\ngrace: 100ms"})
	const code = "export default () => 'here'"
	if err := errors.Join(d.deploy("victim", "f", code), d.deploy("other", "f", code)); err != nil {
		t.Fatal(err)
	}
	if a, err := d.do("PUT", "/v1/tenants/victim/functions/f?timeout=500ms", "text/javascript", "export default () => 'here'"); err != nil || a.status >= 300 {
		t.Fatalf("%d %s %v", a.status, a.body, err)
	}
	pid, err := d.process("victim", "f", "null")
	if err != nil {
		t.Fatal(err)
	}
	if err := syscall.Kill(pid, syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	if a, err := d.invoke("victim", "f", "null"); err != nil || a.problem() != "timeout" {
		t.Errorf("the stopped sandbox's caller got %d %s %v", a.status, a.body, err)
	}
	eventually(t, "the stopped process is gone", func() bool { return !alive(pid) })
	d.wants("victim", "f", "null", `"here"`)
	d.wants("other", "f", "null", `"here"`)
	d.stop()
}

// The supervisor itself is stopped for a while, longer than its functions'
// timeout, with callers waiting: it goes on where it was. Nothing that began
// after it went on fails, and no sandbox was replaced for having been silent.
func TestStoppedSupervisor(t *testing.T) {
	t.Parallel()
	const tenants = 20
	d := serve(t, options{config: "spares: 2"})
	l := newLoad(t, d, tenants, 50*time.Millisecond)
	before := map[int]int{}
	for n := range tenants {
		event, _ := question(tenantName(n), 1)
		pid, err := d.process(tenantName(n), "work", event)
		if err != nil {
			t.Fatal(err)
		}
		before[n] = pid
	}
	started := d.metric("bulkhead_sandboxes_started_total")
	l.run()
	if err := d.cmd.Process.Signal(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	stopped := lasting(t, 6*time.Second)
	time.Sleep(min(stopped, 30*time.Second)) // what is tested is that time passes
	for n := range tenants {
		// Only those calls may end by their timeout that were waiting.
		l.hurt[n].mu.Lock()
		l.hurt[n].until = time.Now()
		l.hurt[n].mu.Unlock()
	}
	if err := d.cmd.Process.Signal(syscall.SIGCONT); err != nil {
		t.Fatal(err)
	}
	calls := l.answers.Load() + l.excused.Load()
	eventually(t, "all tenants are answered again", func() bool { return l.answers.Load()+l.excused.Load() > calls+10*tenants })
	l.stop()
	same := 0
	for n := range tenants {
		event, _ := question(tenantName(n), 1)
		if pid, err := d.process(tenantName(n), "work", event); err == nil && pid == before[n] {
			same++
		}
	}
	t.Logf("stopped for %v: %d answers, %d told failures; %d of %d sandboxes kept, %v started", time.Since(began).Round(time.Second), l.answers.Load(), l.excused.Load(), same, tenants,
		d.metric("bulkhead_sandboxes_started_total")-started)
	if same < tenants {
		t.Errorf("%d of %d sandboxes were replaced", tenants-same, tenants)
	}
	// A spare that was on its way meanwhile has had its time, and is started anew.
	eventually(t, "it is ready", func() bool {
		a, err := d.do("GET", "/readyz", "", "")
		return err == nil && a.status == http.StatusOK
	})
	d.stop()
}
