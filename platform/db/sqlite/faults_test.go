package sqlite_test

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	_ "modernc.org/sqlite" // plays another program that uses the file

	"github.com/bulkhead-run/bulkhead/internal/child/childtest"
	"github.com/bulkhead-run/bulkhead/platform"
	"github.com/bulkhead-run/bulkhead/platform/db"
	"github.com/bulkhead-run/bulkhead/platform/db/dbtest"
	"github.com/bulkhead-run/bulkhead/platform/db/sqlite"
)

func until(t *testing.T, what string, is func() bool) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); !is(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("not in time: " + what)
		}
	}
}

// pid returns the process whose working directory is the tenant's.
func pid(t *testing.T, dir, tenant string) int {
	t.Helper()
	if ids := inDirectory(t, filepath.Join(dir, tenant))(); len(ids) > 0 {
		return ids[0]
	}
	t.Fatalf("tenant %s has no process", tenant)
	return 0
}

// inDirectory returns what finds the processes whose working directory is dir,
// which may be gone by then. They call it "/".
func inDirectory(t *testing.T, dir string) func() []int {
	t.Helper()
	info, err := os.Stat(dir)
	if err != nil {
		t.Fatal(err)
	}
	return func() (ids []int) {
		for _, p := range processes(filepath.Dir(program)) {
			if cwd, err := os.Stat("/proc/" + p + "/cwd"); err == nil && os.SameFile(cwd, info) {
				id, _ := strconv.Atoi(p)
				ids = append(ids, id)
			}
		}
		return ids
	}
}

// slow keeps built-in functions busy for seconds: SQLite does not look for an
// interrupt meanwhile.
var slow = "WITH v(a, b) AS MATERIALIZED (SELECT replace(hex(zeroblob(80000)),'0','a'), replace(hex(zeroblob(40000)),'0','a')||'b') SELECT " +
	strings.TrimSuffix(strings.Repeat("instr(a, b) + ", 14), "+ ") + " AS n FROM v"

// A statement that outlives its interrupt is ended with its process. What the
// tenant had running beside it fails with an error that says to try again;
// the next call has a new process, and the neighbour keeps his.
func TestStuckStatement(t *testing.T) {
	dir := t.TempDir()
	var log bytes.Buffer
	f, e := openFixture(t, sqlite.Options{Dir: dir, Grace: 20 * time.Millisecond, Logger: slog.New(slog.NewTextHandler(&log, nil))})
	f.Must(t, "db.exec", "CREATE TABLE t (a)")
	neighbour := f.In("b", "i")
	neighbour.Must(t, "db.query", "SELECT 1 AS n")
	first, other := pid(t, dir, "a"), pid(t, dir, "b")

	beside := f.In("a", "beside")
	tx := beside.Begin(t.Context(), t)
	beside.Must(t, "db.exec", "INSERT INTO t VALUES (1)", nil, tx)
	ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
	defer cancel()
	_, err := f.Do(ctx, t, "db.query", slow)
	dbtest.WantError(t, err, "TimeoutError", "", "deadline")
	_, err = beside.Do(t.Context(), t, "db.exec", "INSERT INTO t VALUES (2)", nil, tx)
	dbtest.WantError(t, err, "DatabaseError", db.CodeUnavailable, "try again")
	var pe *platform.Error
	if errors.As(err, &pe) && pe.Properties["retryable"] != true {
		t.Errorf("%v is not marked as retryable", pe.Properties)
	}
	_, err = beside.Do(t.Context(), t, "db.transaction", "commit", tx)
	dbtest.WantError(t, err, "DatabaseError", db.CodeRolledBack, "")
	if got := f.Must(t, "db.query", "SELECT a FROM t"); got != "[]" {
		t.Errorf("the transaction left %s", got)
	}
	if again := pid(t, dir, "a"); again == first {
		t.Error("the process is the same")
	}
	neighbour.Must(t, "db.query", "SELECT 1 AS n")
	if pid(t, dir, "b") != other {
		t.Error("the neighbour has a new process")
	}
	if s := e.Stats(); s.Killed != 1 || s.Crashed != 0 || s.Started != 3 || s.Processes != 2 {
		t.Errorf("%+v", s)
	}
	if text := log.String(); !strings.Contains(text, "did not stop at its deadline") || !strings.Contains(text, "tenant=a") || strings.Contains(text, "level=WARN") {
		t.Errorf("the log: %s", text)
	}
}

// Killed at any moment, the process loses no commit that was acknowledged and
// keeps no transaction that was not.
func TestKilledProcess(t *testing.T) {
	dir := t.TempDir()
	f, e := openFixture(t, sqlite.Options{Dir: dir})
	f.Must(t, "db.exec", "CREATE TABLE t (round INTEGER, n INTEGER)")
	acknowledged := map[int]bool{}
	for round := range 8 {
		id := pid(t, dir, "a")
		var killer sync.WaitGroup
		killer.Go(func() {
			time.Sleep(time.Duration(rand.IntN(8000)) * time.Microsecond)
			if err := syscall.Kill(id, syscall.SIGKILL); err != nil {
				t.Error(err)
			}
		})
		for n := 0; ; n++ {
			_, err := f.Do(t.Context(), t, "db.batch", []any{
				fmt.Sprintf("INSERT INTO t VALUES (%d, %d)", round, n), fmt.Sprintf("INSERT INTO t VALUES (%d, -%d)", round, n+1),
			})
			if err != nil {
				dbtest.WantError(t, err, "DatabaseError", db.CodeUnavailable, "")
				break
			}
			acknowledged[round*1_000_000+n] = true
		}
		killer.Wait()
		until(t, "there is a process again", func() bool {
			_, err := f.Do(t.Context(), t, "db.query", "SELECT 1 AS n")
			return err == nil
		})
	}
	if got := f.Must(t, "db.query", "SELECT sum(n >= 0) - sum(n < 0) AS d FROM t"); got != "[{d:0}]" && got != "[{d:null}]" {
		t.Errorf("half transactions: %s", got)
	}
	for key := range acknowledged {
		if got := f.Must(t, "db.query", "SELECT count(*) AS c FROM t WHERE round = ? AND n = ?", []any{float64(key / 1_000_000), float64(key % 1_000_000)}); got != "[{c:1}]" {
			t.Errorf("commit %d is lost", key)
		}
	}
	if s := e.Stats(); s.Crashed != 8 {
		t.Errorf("%+v", s)
	}
}

func TestStoppedProcess(t *testing.T) {
	dir := t.TempDir()
	f, e := openFixture(t, sqlite.Options{Dir: dir, Grace: 10 * time.Millisecond})
	f.Must(t, "db.query", "SELECT 1 AS n")
	id := pid(t, dir, "a")
	childtest.Stop(t, id)
	until(t, "the process is killed", func() bool {
		ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		defer cancel()
		_, err := f.Do(ctx, t, "db.query", "SELECT 1 AS n")
		dbtest.WantError(t, err, "TimeoutError", "", "")
		return e.Stats().Killed == 1
	})
	f.Must(t, "db.query", "SELECT 1 AS n")
	if s := e.Stats(); s.Killed != 1 || s.Started != 2 {
		t.Errorf("%+v", s)
	}
}

func TestLocked(t *testing.T) {
	dir := t.TempDir()
	f, e := openFixture(t, sqlite.Options{Dir: dir, Grace: 500 * time.Millisecond})
	f.Must(t, "db.exec", "CREATE TABLE t (a)")
	other, err := sql.Open("sqlite", filepath.Join(dir, "a", "main.db"))
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	other.SetMaxOpenConns(1)
	if _, err := other.Exec("BEGIN IMMEDIATE"); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		_, err = f.Do(t.Context(), t, "db.exec", "INSERT INTO t VALUES (1)")
		dbtest.WantError(t, err, "DatabaseError", db.CodeLocked, "another program")
	}
	// The wait ends at the deadline, and not with the process.
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	_, err = f.Do(ctx, t, "db.exec", "INSERT INTO t VALUES (1)")
	dbtest.WantError(t, err, "TimeoutError", "", "deadline")
	f.Must(t, "db.query", "SELECT a FROM t")
	f.In("b", "i").Must(t, "db.exec", "CREATE TABLE t (a)")
	if _, err := other.Exec("ROLLBACK"); err != nil {
		t.Fatal(err)
	}
	f.Must(t, "db.exec", "INSERT INTO t VALUES (1)")
	if s := e.Stats(); s.Failures["locked"] != 2 || s.Killed != 0 {
		t.Errorf("%+v", s)
	}
}

// damaged opens what was damaged while it was closed.
func TestDamagedFiles(t *testing.T) {
	dir := t.TempDir()
	damage := map[string]func([]byte) []byte{
		"garbage": func(b []byte) []byte { return []byte(strings.Repeat("not a database", 1000)) },
		"flipped": func(b []byte) []byte {
			for i := 4096 * 2; i < len(b); i += 97 {
				b[i] ^= 0xff
			}
			return b
		},
		"cut":     func(b []byte) []byte { return b[:len(b)/2] },
		"healthy": func(b []byte) []byte { return b },
	}
	before := newEngine(t, sqlite.Options{Dir: dir})
	for tenant := range damage {
		for _, text := range []string{"CREATE TABLE t (a TEXT)", "CREATE INDEX i ON t (a)",
			"WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n WHERE i < 5000) INSERT INTO t SELECT hex(i) FROM n"} {
			if _, err := before.Run(t.Context(), tenant, db.Statement{SQL: text}, nil); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := before.Close(); err != nil {
		t.Fatal(err)
	}
	for tenant, how := range damage {
		file := filepath.Join(dir, tenant, "main.db")
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, how(data), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	var log bytes.Buffer
	f, e := openFixture(t, sqlite.Options{Dir: dir, Logger: slog.New(slog.NewTextHandler(&log, nil))})
	for _, tenant := range []string{"garbage", "flipped", "cut"} {
		for range 2 {
			_, err := f.In(tenant, "i").Do(t.Context(), t, "db.query", "SELECT count(*) FROM t WHERE a > '3'")
			dbtest.WantError(t, err, "DatabaseError", db.CodeCorrupt, "ask the operator")
		}
		if !strings.Contains(log.String(), "tenant="+tenant) {
			t.Errorf("no line about tenant %s: %s", tenant, log.String())
		}
	}
	if got := f.In("healthy", "i").Must(t, "db.query", "SELECT count(*) AS c FROM t"); got != `[{c:5000}]` {
		t.Errorf("the neighbour has %s", got)
	}
	if n := e.Stats().Failures["corrupt"]; n != 3 { // the second calls were answered from memory
		t.Errorf("%d counted", n)
	}
}

// Files that go away or change under a running process, and a log that is
// missing after a crash: a typed error at the most, and a database again after
// what is missing is given up.
func TestFilesVanish(t *testing.T) {
	for name, harm := range map[string]func(dir string) error{
		"log removed":     func(dir string) error { return os.Remove(filepath.Join(dir, "main.db-wal")) },
		"log cut":         func(dir string) error { return os.Truncate(filepath.Join(dir, "main.db-wal"), 100) },
		"index removed":   func(dir string) error { return os.Remove(filepath.Join(dir, "main.db-shm")) },
		"index cut":       func(dir string) error { return os.Truncate(filepath.Join(dir, "main.db-shm"), 0) },
		"database cut":    func(dir string) error { return os.Truncate(filepath.Join(dir, "main.db"), 1000) },
		"database gone":   func(dir string) error { return os.Remove(filepath.Join(dir, "main.db")) },
		"everything gone": os.RemoveAll,
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			f, e := openFixture(t, sqlite.Options{Dir: dir})
			f.Must(t, "db.exec", "CREATE TABLE t (a)")
			f.Must(t, "db.exec", "INSERT INTO t VALUES (1)")
			neighbour := f.In("b", "i")
			neighbour.Must(t, "db.exec", "CREATE TABLE t (a)")
			mine := inDirectory(t, filepath.Join(dir, "a"))
			if err := harm(filepath.Join(dir, "a")); err != nil {
				t.Fatal(err)
			}
			typed := func() {
				t.Helper()
				for _, text := range []string{"SELECT a FROM t", "INSERT INTO t VALUES (2)", "PRAGMA page_count"} {
					var pe *platform.Error
					if _, err := f.Do(t.Context(), t, "db.query", text); err != nil && (!errors.As(err, &pe) || pe.Name != "DatabaseError") {
						t.Errorf("%s: %v", text, err)
					}
				}
			}
			typed()
			// And after a crash.
			for _, id := range mine() {
				_ = syscall.Kill(id, syscall.SIGKILL) // it may be gone
			}
			typed()
			typed()
			neighbour.Must(t, "db.query", "SELECT a FROM t")
			if s := e.Stats(); s.Violations != 0 {
				t.Errorf("%+v", s)
			}
		})
	}
}

func TestFullDisk(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "small")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=4m"); err != nil {
		t.Skipf("a small file system cannot be mounted: %v", err)
	}
	defer func() {
		if err := syscall.Unmount(dir, syscall.MNT_DETACH); err != nil {
			t.Error(err)
		}
	}()
	e := newEngine(t, sqlite.Options{Dir: dir})
	f := dbtest.Open(t, db.New(e))
	f.Must(t, "db.exec", "CREATE TABLE t (a)")
	f.Must(t, "db.exec", "INSERT INTO t VALUES (1)")
	_, err := f.Do(t.Context(), t, "db.exec", "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n WHERE i < 100) INSERT INTO t SELECT zeroblob(100000) FROM n")
	dbtest.WantError(t, err, "DatabaseError", db.CodeFull, "the disk is full")
	if got := f.Must(t, "db.query", "SELECT count(*) AS c FROM t"); got != "[{c:1}]" {
		t.Errorf("got %s", got)
	}
	if err := f.DB.Close(); err != nil {
		t.Error(err)
	}
}
