package sqlite_test

import (
	"strings"
	"testing"
	"time"

	"github.com/bulkhead-run/bulkhead/internal/cgroup"
	"github.com/bulkhead-run/bulkhead/internal/cgroup/cgrouptest"
	"github.com/bulkhead-run/bulkhead/platform/db/sqlite"
)

// A database process has a control group from its start to its end.
func TestDatabaseHasAControlGroup(t *testing.T) {
	parent := cgrouptest.Parent(t)
	tree, err := cgroup.Open(parent)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = tree.Close() })
	f, _ := openFixture(t, sqlite.Options{Cgroups: tree, IdleTimeout: time.Second})
	if _, err := f.Do(t.Context(), t, "db.exec", "CREATE TABLE t (a)"); err != nil {
		t.Fatal(err)
	}
	if groups := cgrouptest.Groups(t, parent); len(groups) != 1 || !strings.HasPrefix(groups[0], "database-") {
		t.Errorf("groups: %v", groups)
	}
	for end := time.Now().Add(20 * time.Second); len(cgrouptest.Groups(t, parent)) > 0; time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("the group stays")
		}
	}
}
