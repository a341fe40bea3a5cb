package supervisor_test

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"testing"

	"github.com/bulkhead-run/bulkhead/supervisor"
)

// Who finds no spare waits for one that is being started, rather than have
// another process start beside it.
func TestSpareOnItsWayIsAwaited(t *testing.T) {
	hold := filepath.Join(t.TempDir(), "hold")
	s := open(t, func(o *supervisor.Options) {
		o.SandboxBinary = script(t, fmt.Sprintf("while [ -e '%s' ]; do sleep 0.01; done; exec '%s'", hold, o.SandboxBinary))
	})
	for _, tenant := range []string{"a", "b"} {
		deploy(t, s, tenant, "pid", "pid")
	}
	eventually(t, "there is one process, a spare", func() bool { n := s.Stats(); return n.Spares == 1 && n.Processes == 1 })
	if err := os.WriteFile(hold, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	a, err := s.Invoke(t.Context(), "a", "pid", nil)
	if err != nil {
		t.Fatal(err)
	}
	var next []string
	eventually(t, "the next spare is being started", func() bool {
		next = slices.DeleteFunc(children(t), func(pid string) bool { return pid == strconv.Itoa(a.PID) })
		return len(next) == 1
	})
	done := make(chan struct{})
	go func() {
		defer close(done)
		b, err := s.Invoke(t.Context(), "b", "pid", nil)
		if err != nil || strconv.Itoa(b.PID) != next[0] {
			t.Errorf("b got %+v, %v; process %s was on its way", b, err, next[0])
		}
	}()
	eventually(t, "b is under way", func() bool { return s.Stats().Busy == 0 && s.Stats().Computing == 1 })
	if n := s.Stats().Processes; n > 2 {
		t.Errorf("%d processes: one was started beside the spare on its way", n)
	}
	if err := os.Remove(hold); err != nil {
		t.Fatal(err)
	}
	<-done
}
