package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/bulkhead-run/bulkhead/internal/confine/confinetest"
	"github.com/bulkhead-run/bulkhead/platform"
	"github.com/bulkhead-run/bulkhead/platform/db"
	"github.com/bulkhead-run/bulkhead/platform/db/dbtest"
	"github.com/bulkhead-run/bulkhead/platform/db/sqlite"
	"github.com/bulkhead-run/bulkhead/policies/seccomp"
)

// Every rule of the profile is used by the workload, or says when it is; and the
// profile lacks nothing: no process dies of it.
func TestProfileIsWhatIsNeeded(t *testing.T) {
	dir := t.TempDir()
	binary := filepath.Join(dir, "database")
	build := exec.Command("go", "build", "-o", binary, ".")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	w := confinetest.NewWatch(t, binary, seccomp.Database)
	// There may be more rounds: what only happens now and then needs time.
	deadline := time.Now().Add(time.Minute)
	for round := 0; round < 2 || len(w.Unused()) > 0 && time.Now().Before(deadline); round++ {
		work(t, filepath.Join(dir, "db"), w.Binary)
		if t.Failed() {
			break
		}
	}
	if err := w.Fault(); err != nil {
		t.Error(err)
	}
	if rules := w.Unused(); len(rules) > 0 {
		t.Errorf("the profile allows what nothing needs:\n%s", strings.Join(rules, "\n"))
	}
}

// work is what tenants do that the kernel hears of.
func work(t *testing.T, dir, binary string) {
	t.Helper()
	e, err := sqlite.New(sqlite.Options{Dir: dir, Binary: binary, MaxSize: 4 << 20, Grace: time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	d := db.New(e)
	defer d.Close()
	f := &dbtest.Fixture{DB: d, Tenant: "a", Invocation: "i"}
	f.Must(t, "db.exec", "CREATE TABLE IF NOT EXISTS t (a INTEGER PRIMARY KEY, b TEXT, at TEXT DEFAULT (datetime('now', 'localtime')))")
	f.Must(t, "db.exec", "DELETE FROM t")
	for range 20 {
		f.Must(t, "db.exec", "INSERT INTO t (b) SELECT hex(randomblob(20000)) FROM (VALUES (1), (2))")
	}
	tx := f.Begin(t.Context(), t)
	f.Must(t, "db.exec", "UPDATE t SET b = ''", nil, tx)
	f.Must(t, "db.transaction", "commit", tx)
	f.Must(t, "db.query", "SELECT count(*) AS n, max(b) AS b FROM t ORDER BY random()")
	var group sync.WaitGroup
	for n := range 8 {
		group.Go(func() {
			reader := f.In("a", fmt.Sprint(n))
			for range 10 {
				reader.Must(t, "db.query", "WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c WHERE n < 20000) SELECT sum(n) AS s, (SELECT count(*) FROM t) AS n FROM c")
			}
		})
		group.Go(func() { f.In("a", fmt.Sprint("w", n)).Must(t, "db.exec", "INSERT INTO t (b) VALUES (?)", []any{"x"}) })
	}
	group.Wait()
	// It runs until it is interrupted.
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	var pe *platform.Error
	if _, err := f.Do(ctx, t, "db.query", "WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c) SELECT count(*) AS n FROM c"); !errors.As(err, &pe) || pe.Name != "TimeoutError" {
		t.Errorf("an endless statement: %v", err)
	}
	if s := e.Stats(); s.Crashed+s.Killed+s.Violations != 0 {
		t.Errorf("%+v", s)
	}
}
