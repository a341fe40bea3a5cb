package supervisor_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/bulkhead-run/bulkhead/internal/journal"
	"github.com/bulkhead-run/bulkhead/internal/outcome"
	"github.com/bulkhead-run/bulkhead/supervisor"
)

// logged returns what Logs tells of the past.
func logged(t *testing.T, s *supervisor.Supervisor, f supervisor.LogFilter) (all []journal.Entry) {
	t.Helper()
	err := s.Logs(t.Context(), f, nil, func(line []byte) error {
		var e journal.Entry
		if strings.ContainsAny(string(line), "\x1b\x7f\u009b\u202e\u2028") {
			t.Errorf("a character that acts on terminals is in %q", line)
		}
		err := json.Unmarshal(line, &e)
		all = append(all, e)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func TestLogs(t *testing.T) {
	s := open(t, nil)
	version := deploy(t, s, "acme", "f", "log warn careful\ntext log\nthrow TypeError boom").Version
	deploy(t, s, "other", "f", "log info theirs\nreturn 1")
	r, err := s.Invoke(t.Context(), "acme", "f", nil)
	if outcome.Of(err) != outcome.Exception {
		t.Fatal(err)
	}
	if _, err := s.Invoke(t.Context(), "other", "f", nil); err != nil {
		t.Fatal(err)
	}
	got := logged(t, s, supervisor.LogFilter{Tenant: "acme", Level: slog.LevelDebug, Tail: -1})
	if len(got) != 3 {
		t.Fatalf("%d lines: %+v", len(got), got)
	}
	for i, e := range got {
		if e.Tenant != "acme" || e.Function != "f" || e.Version != version || e.Invocation != r.Invocation || e.Time.IsZero() {
			t.Errorf("line %d: %+v", i, e)
		}
	}
	if got[0].Level != "warn" || got[0].Message != "careful" || got[0].Outcome != "" || got[1].Message != hostileText {
		t.Errorf("the function's lines: %+v", got[:2])
	}
	if e := got[2]; e.Level != "error" || e.Outcome != "exception" || !strings.Contains(e.Message, "TypeError: boom") {
		t.Errorf("the failure: %+v", e)
	}
	if got := logged(t, s, supervisor.LogFilter{Tail: -1}); len(got) != 4 {
		t.Errorf("of all tenants: %+v", got)
	}
	for _, f := range []supervisor.LogFilter{{Tenant: "nobody"}, {Tenant: "acme", Function: "none"}} {
		if err := s.Logs(t.Context(), f, nil, nil); outcome.Of(err) != outcome.NotFound {
			t.Errorf("%+v: %v", f, err)
		}
	}
	// What there is not leaves nothing behind.
	if _, err := s.Invoke(t.Context(), "acme", "none", nil); outcome.Of(err) != outcome.NotFound {
		t.Error(err)
	}
	if err := s.DeleteFunction(t.Context(), "acme", "f"); err != nil {
		t.Fatal(err)
	}
	if got := logged(t, s, supervisor.LogFilter{Tenant: "acme", Tail: -1}); len(got) != 0 {
		t.Errorf("of a deleted function: %+v", got)
	}
}

// A follower that does not read holds no invocation up.
func TestStuckFollower(t *testing.T) {
	s := open(t, nil)
	deploy(t, s, "acme", "f", "flood 900\nreturn 1")
	begun, free := make(chan struct{}), make(chan struct{})
	ended := make(chan error, 1)
	var lost uint64
	go func() {
		ended <- s.Logs(context.Background(), supervisor.LogFilter{Follow: true}, func() { close(begun) }, func(line []byte) error {
			<-free
			var e journal.Entry
			err := json.Unmarshal(line, &e)
			lost += e.Lost
			return err
		})
	}()
	<-begun
	for range 5 { // 4500 lines; 1024 wait for the follower
		if _, err := s.Invoke(t.Context(), "acme", "f", nil); err != nil {
			t.Fatal(err)
		}
	}
	close(free)
	if _, err := s.Invoke(t.Context(), "acme", "f", nil); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if err := <-ended; err != nil || lost == 0 {
		t.Errorf("it ended with %v and missed %d", err, lost)
	}
}

func TestActivityAndSandboxes(t *testing.T) {
	s := open(t, func(o *supervisor.Options) { o.TenantLabels = 1 })
	deploy(t, s, "acme", "f", "pid")
	deploy(t, s, "acme", "bad", "die")
	deploy(t, s, "other", "f", "return 1")
	r, err := s.Invoke(t.Context(), "acme", "f", nil)
	if err != nil {
		t.Fatal(err)
	}
	pid := r.PID
	for range 3 {
		if _, err := s.Invoke(t.Context(), "other", "f", nil); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := s.Invoke(t.Context(), "nobody", "f", nil); outcome.Of(err) != outcome.NotFound {
		t.Error(err)
	}
	var mine supervisor.Sandbox
	states := make(map[string]int)
	for _, b := range s.Sandboxes(t.Context()) {
		if states[b.State]++; b.PID == pid {
			mine = b
		}
	}
	if mine.State != "idle" || mine.Tenant != "acme" || mine.Functions != 1 || mine.Resident < 1<<20 || mine.Started.IsZero() || states["idle"] != 2 {
		t.Errorf("%+v, %v", mine, states)
	}
	a := s.Activity()
	at := make(map[string]supervisor.TenantActivity)
	for _, tenant := range a.Tenants {
		at[tenant.Tenant] = tenant
	}
	if acme := at["acme"]; len(at) != 2 || acme.Invocations != 1 || acme.Cold != 1 || acme.Processes != 1 || acme.P50 <= 0 || acme.Rate <= 0 || acme.Resident < 1<<20 {
		t.Errorf("%+v", at)
	}
	if a.All.Invocations != 4 || a.All.Processes != 2 {
		t.Errorf("all: %+v", a.All)
	}
	if _, err := s.Invoke(t.Context(), "acme", "bad", nil); outcome.Of(err) != outcome.Crashed {
		t.Fatal(err)
	}
	n := s.Stats()
	if len(n.ByTenant) != 2 || n.ByTenant[1].Tenant != supervisor.OtherTenants || n.ByTenant[0].Tenant != "acme" {
		t.Fatalf("by tenant: %+v", n.ByTenant)
	}
	acme, others := n.ByTenant[0], n.ByTenant[1]
	if acme.Invocations[outcome.OK] != 1 || acme.Invocations[outcome.Crashed] != 1 || acme.Kills != 1 || acme.CPU <= 0 || others.Invocations[outcome.OK] != 3 || others.Resident == 0 {
		t.Errorf("acme %+v, others %+v", acme, others)
	}
	count := func(h supervisor.Histogram) (total uint64) {
		for _, c := range h.Counts {
			total += c
		}
		return total
	}
	if cold, warm, queue := count(n.Timings.Cold), count(n.Timings.Warm), count(n.Timings.Queue); cold+warm != 6 || queue != 5 || count(n.Timings.Start) != cold || cold < 3 {
		t.Errorf("%d cold, %d warm, %d queued", cold, warm, queue)
	}
	if n.Capacity != supervisor.DefaultMaxProcesses || n.Waiting != 0 {
		t.Errorf("capacity %d, waiting %d", n.Capacity, n.Waiting)
	}
	if err := s.DeleteTenant(t.Context(), "acme"); err != nil {
		t.Fatal(err)
	}
	if n := s.Stats(); n.ByTenant[0].Tenant == "acme" {
		t.Errorf("a deleted tenant still has its label: %+v", n.ByTenant)
	}
}

// A process at work is assigned, and those that wait for it are counted.
func TestWaiting(t *testing.T) {
	s := open(t, nil)
	reached := shortDir(t) + "/reached"
	release := shortDir(t) + "/release"
	deploy(t, s, "acme", "f", "touch "+reached+"\nawait-file "+release+"\nreturn 1", func(f *supervisor.FunctionSpec) {
		f.Concurrency, f.Timeout = 1, 20*time.Second
	})
	ended := make(chan error, 2)
	for range 2 {
		go func() {
			_, err := s.Invoke(t.Context(), "acme", "f", nil)
			ended <- err
		}()
	}
	eventually(t, "one runs and one waits", func() bool {
		_, err := os.Stat(reached)
		return err == nil && s.Activity().Waiting == 1 && s.Stats().Busy == 1
	})
	found := ""
	for _, b := range s.Sandboxes(t.Context()) {
		if b.Tenant == "acme" {
			found = fmt.Sprint(b.State, b.Running)
		}
	}
	if found != "assigned1" {
		t.Errorf("the process is %q", found)
	}
	if err := os.WriteFile(release, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(<-ended, <-ended); err != nil {
		t.Error(err)
	}
}
