package supervisor_test

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/bulkhead-run/bulkhead/internal/outcome"
	"github.com/bulkhead-run/bulkhead/supervisor"
)

// What a process exports is no more than a snapshot may be, or the process is
// killed; the deploy is none the worse for it.
func TestExportOfCompromisedSandbox(t *testing.T) {
	data := t.TempDir()
	s := open(t, func(o *supervisor.Options) { o.DataDir = data })
	violations := uint64(0)
	for _, kind := range []string{
		"nothing", "no-memory", "no-description", "two-descriptions", "both-at-once", "long-description", "large-part", "empty-part", "small-parts", "endless",
	} {
		deploy(t, s, "snapshots", kind, "export "+kind+"\nreturn 1")
		violations++
		eventually(t, kind+": its process is killed", func() bool { return s.Stats().Ended["violation"] == violations })
		r, err := s.Invoke(t.Context(), "snapshots", kind, nil)
		wantValue(t, r, err, "1")
	}
	for _, kind := range []string{"exit", "fail"} {
		deploy(t, s, "snapshots", kind, "export "+kind+"\nreturn 1")
		r, err := s.Invoke(t.Context(), "snapshots", kind, nil)
		wantValue(t, r, err, "1")
	}
	if n := s.Stats(); n.SnapshotsStored != 0 || n.Snapshots != 0 || n.SnapshotsFailed != 0 || n.Ended["violation"] != violations {
		t.Errorf("stats %+v", n)
	}
	if left, _ := filepath.Glob(filepath.Join(data, "snapshots", ".new", "*")); len(left) > 0 || len(snapshotFiles(t, data)) > 0 {
		t.Errorf("left: %v %v", left, snapshotFiles(t, data))
	}
}

func TestExportThatHangs(t *testing.T) {
	s := open(t, func(o *supervisor.Options) { o.StartTimeout = 2 * time.Second })
	deploy(t, s, "snapshots", "f", "export hang\nreturn 1")
	r, err := s.Invoke(t.Context(), "snapshots", "f", nil)
	wantValue(t, r, err, "1")
	eventually(t, "its process is killed", func() bool { return s.Stats().Ended["stuck"] == 1 })
	if n := s.Stats(); n.SnapshotsStored != 0 {
		t.Errorf("stats %+v", n)
	}
}

func TestForgedFingerprint(t *testing.T) {
	s := open(t, nil)
	if _, err := s.PutTenant(t.Context(), supervisor.Tenant{Name: "forger", Policy: "open"}); err != nil {
		t.Fatal(err)
	}
	_, err := s.Deploy(t.Context(), supervisor.FunctionSpec{Tenant: "forger", Function: "f", Code: "export well\nreturn 1"})
	wantOutcome(t, err, outcome.Internal)
	eventually(t, "its process is killed", func() bool { return s.Stats().Ended["violation"] == 1 })
}

// How a process answers to a snapshot.
func TestSnapshotInCompromisedSandbox(t *testing.T) {
	s := open(t, func(o *supervisor.Options) { o.LoadTimeout, o.IdleTTL = 500*time.Millisecond, time.Hour })
	invoke := func(tenant, kind string) (supervisor.Result, error) {
		t.Helper()
		deploy(t, s, tenant, "f", "export well\nsnapshot "+kind+"\nreturn 1")
		if s.Stats().Snapshots == 0 {
			t.Fatal("no snapshot was stored")
		}
		return s.Invoke(t.Context(), tenant, "f", nil)
	}
	r, err := invoke("snapshots-used", "use")
	wantValue(t, r, err, "1")
	if n := s.Stats(); n.SnapshotsUsed != 1 {
		t.Errorf("stats %+v", n)
	}
	r, err = invoke("snapshots-refused", "refuse")
	wantValue(t, r, err, "1")
	if n := s.Stats(); n.SnapshotsUsed != 1 || n.Snapshots != 1 || n.Ended["violation"] != 0 {
		t.Errorf("stats %+v", n)
	}
	// The process is killed, and the invocation run again, from source.
	r, err = invoke("snapshots-problem", "problem")
	wantValue(t, r, err, "1")
	eventually(t, "its process is killed", func() bool { return s.Stats().Ended["violation"] == 1 })
	_, err = invoke("snapshots-hung", "hang")
	wantOutcome(t, err, outcome.Deadline)
	r, err = s.Invoke(t.Context(), "snapshots-hung", "f", nil)
	wantValue(t, r, err, "1")
	if n := s.Stats(); n.SnapshotsUsed != 1 || n.Snapshots != 1 {
		t.Errorf("stats %+v", n)
	}
}

// A process that never takes the files it is sent is found out: it cannot hold
// more than a few.
func TestFilesThatAreNotTaken(t *testing.T) {
	s := open(t, nil)
	for n := range 20 {
		deploy(t, s, "snapshots", fmt.Sprint("f", n), "export well\nreturn 1", timeout(20*time.Second))
	}
	first, last := supervisor.Result{}, supervisor.Result{}
	for n := range 20 {
		r, err := s.Invoke(t.Context(), "snapshots", fmt.Sprint("f", n), nil)
		if err != nil && strings.Contains(err.Error(), "killed for another invocation's sake") {
			continue // it was this one that found it out
		}
		wantValue(t, r, err, "1")
		if n == 0 {
			first = r
		}
		last = r
	}
	if n := s.Stats(); n.Ended["stuck"] == 0 || first.PID == last.PID {
		t.Errorf("stats %+v, processes %d and %d", n, first.PID, last.PID)
	}
}
