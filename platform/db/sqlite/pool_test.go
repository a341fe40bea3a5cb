package sqlite_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/bulkhead-run/bulkhead/platform/db"
	"github.com/bulkhead-run/bulkhead/platform/db/dbtest"
	"github.com/bulkhead-run/bulkhead/platform/db/sqlite"
)

// More tenants than processes, all at once.
func TestMoreTenantsThanProcesses(t *testing.T) {
	f, e := openFixture(t, sqlite.Options{MaxProcesses: 3})
	var all sync.WaitGroup
	for i := range 12 {
		all.Go(func() {
			f := f.In(fmt.Sprintf("t%d", i), "i")
			for _, text := range []string{"CREATE TABLE t (a)", fmt.Sprintf("INSERT INTO t VALUES (%d)", i)} {
				if _, err := f.Do(t.Context(), t, "db.exec", text); err != nil {
					t.Error(err)
				}
			}
			for range 3 {
				got, err := f.Do(t.Context(), t, "db.query", "SELECT a FROM t")
				if want := fmt.Sprintf("[{a:%d}]", i); err != nil || got != want {
					t.Errorf("got %s, %v, want %s", got, err, want)
				}
			}
		})
	}
	all.Wait()
	if s := e.Stats(); s.Processes > 3 || s.Killed+s.Crashed+s.Violations > 0 {
		t.Errorf("%+v", s)
	}
	// All are in use: the next tenant waits, up to its deadline.
	for i := range 3 {
		f.In(fmt.Sprintf("t%d", i), "i").Begin(t.Context(), t)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	_, err := f.In("t9", "i").Do(ctx, t, "db.query", "SELECT a FROM t")
	dbtest.WantError(t, err, "TimeoutError", "", "")
}

func TestIdleProcessStops(t *testing.T) {
	dir := t.TempDir()
	f, e := openFixture(t, sqlite.Options{Dir: dir, IdleTimeout: 20 * time.Millisecond})
	f.Must(t, "db.exec", "CREATE TABLE t (a)")
	until(t, "the process stops", func() bool { return e.Stats().Processes == 0 })
	// It closed its file: the log is part of it now.
	until(t, "the log is gone", func() bool {
		_, err := os.Stat(filepath.Join(dir, "a", "main.db-wal"))
		return os.IsNotExist(err)
	})
	f.Must(t, "db.query", "SELECT a FROM t")
	tx := f.Begin(t.Context(), t)
	f.Must(t, "db.exec", "INSERT INTO t VALUES (1)", nil, tx)
	// One that is used later, and no more, is stopped first.
	f.In("b", "i").Must(t, "db.query", "SELECT 1 AS n")
	until(t, "only the one in use is left", func() bool { return e.Stats().Processes == 1 })
	f.Must(t, "db.transaction", "commit", tx)
	if s := e.Stats(); s.Killed+s.Crashed != 0 {
		t.Errorf("%+v", s)
	}
}

// What the process has: its directory, sockets, and nothing of ours.
func TestConfinement(t *testing.T) {
	t.Setenv("BULKHEAD_TEST_SECRET", "s3cret")
	dir := t.TempDir()
	f, _ := openFixture(t, sqlite.Options{Dir: dir})
	f.Must(t, "db.query", "SELECT 1 AS n")
	proc := fmt.Sprintf("/proc/%d/", pid(t, dir, "a"))
	environ, err := os.ReadFile(proc + "environ")
	if err != nil || strings.Contains(string(environ), "s3cret") || strings.Count(string(environ), "\x00") != 1 {
		t.Errorf("its environment: %q, %v", environ, err)
	}
	status, err := os.ReadFile(proc + "status")
	if err != nil || !strings.Contains(string(status), "NoNewPrivs:\t1") {
		t.Errorf("it may get new privileges: %v", err)
	}
	limits, err := os.ReadFile(proc + "limits")
	if err != nil || strings.Contains(string(limits), "Max data size             unlimited") {
		t.Errorf("its memory is not bounded: %v", err)
	}
	fds, err := os.ReadDir(proc + "fd")
	if err != nil {
		t.Fatal(err)
	}
	for _, fd := range fds {
		to, err := os.Readlink(proc + "fd/" + fd.Name())
		if err != nil {
			continue // closed in the meantime
		}
		// The directory is the root, if the process has a root of its own.
		if !strings.HasPrefix(to, filepath.Join(dir, "a")+"/") && !strings.HasPrefix(to, "/main.db") && !strings.HasPrefix(to, "socket:") && !strings.HasPrefix(to, "pipe:") &&
			!strings.HasPrefix(to, "anon_inode:") && to != "/dev/null" {
			t.Errorf("it has %s open", to)
		}
	}
	info, err := os.Stat(filepath.Join(dir, "a"))
	if err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("the tenant's directory: %v, %v", info, err)
	}
}

func TestNewAndClose(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		o    sqlite.Options
		part string
	}{
		{sqlite.Options{Binary: program}, "Options.Dir"},
		{sqlite.Options{Dir: file, Binary: program}, file},
		{sqlite.Options{Dir: t.TempDir(), Binary: "/nowhere/database"}, "/nowhere/database"},
		{sqlite.Options{Dir: t.TempDir(), Binary: file}, "not an executable"},
	} {
		if _, err := sqlite.New(c.o); err == nil || !strings.Contains(err.Error(), c.part) {
			t.Errorf("%+v: %v", c.o, err)
		}
	}
	// Not a database program, but a program.
	f, _ := openFixture(t, sqlite.Options{})
	wrong, err := sqlite.New(sqlite.Options{Dir: t.TempDir(), Binary: "/bin/true"})
	if err != nil {
		t.Fatal(err)
	}
	_, err = dbtest.Open(t, db.New(wrong)).Do(t.Context(), t, "db.query", "SELECT 1")
	dbtest.WantError(t, err, "DatabaseError", db.CodeUnavailable, "ask the operator")

	f.Must(t, "db.exec", "CREATE TABLE t (a)")
	f.Begin(t.Context(), t)
	ended := make(chan error)
	go func() {
		_, err := f.In("a", "long").Do(t.Context(), t, "db.query", endless)
		ended <- err
	}()
	select {
	case err := <-ended:
		t.Fatalf("ended: %v", err)
	case <-time.After(20 * time.Millisecond):
	}
	if err := f.DB.Close(); err != nil {
		t.Fatal(err)
	}
	dbtest.WantError(t, <-ended, "DatabaseError", db.CodeUnavailable, "closing")
	_, err = f.Do(t.Context(), t, "db.query", "SELECT 1")
	dbtest.WantError(t, err, "DatabaseError", db.CodeUnavailable, "closing")
}
