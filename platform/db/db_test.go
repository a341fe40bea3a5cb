package db_test

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/bulkhead-run/bulkhead/platform"
	"github.com/bulkhead-run/bulkhead/platform/db"
)

// TestMain fails when a test leaves a goroutine or a descriptor behind.
func TestMain(m *testing.M) {
	flag.Parse()
	if flag.Lookup("test.fuzz").Value.String() != "" {
		os.Exit(m.Run())
	}
	goroutines, files := runtime.NumGoroutine(), descriptors()
	code := m.Run()
	deadline := time.Now().Add(5 * time.Second)
	for (runtime.NumGoroutine() > goroutines || descriptors() > files) && time.Now().Before(deadline) {
		runtime.Gosched()
	}
	if code == 0 && (runtime.NumGoroutine() > goroutines || descriptors() > files) {
		buf := make([]byte, 1<<20)
		fmt.Printf("left: %d goroutines (%d before), %d descriptors (%d before)\n%s\n", runtime.NumGoroutine(), goroutines, descriptors(), files, buf[:runtime.Stack(buf, true)])
		code = 1
	}
	os.Exit(code)
}

func descriptors() int {
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		return 0
	}
	n := 0
	for _, e := range entries {
		// The runtime's own poller appears with the first network use.
		if to, err := os.Readlink("/proc/self/fd/" + e.Name()); err == nil && !strings.HasPrefix(to, "anon_inode:") {
			n++
		}
	}
	return n
}

func open(t testing.TB, o db.Options) *db.DB {
	t.Helper()
	if o.Dir == "" {
		o.Dir = t.TempDir()
	}
	d, err := db.New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := d.Close(); err != nil {
			t.Error(err)
		}
	})
	return d
}

func query(ctx context.Context, d *db.DB, tenant, sql string, params ...string) (string, error) {
	text, _ := json.Marshal(sql)
	args := []json.RawMessage{text}
	for _, p := range params {
		args = append(args, json.RawMessage(p))
	}
	v, err := d.API().Func(ctx, &platform.Call{Tenant: tenant, Args: args})
	if err != nil {
		return "", err
	}
	data, err := json.Marshal(v)
	return string(data), err
}

func mustQuery(t testing.TB, d *db.DB, tenant, sql string, params ...string) string {
	t.Helper()
	got, err := query(context.Background(), d, tenant, sql, params...)
	if err != nil {
		t.Fatalf("%.100s: %v", sql, err)
	}
	return got
}

func wantError(t *testing.T, err error, name, code, part string) {
	t.Helper()
	var pe *platform.Error
	if !errors.As(err, &pe) || pe.Name != name || !strings.Contains(pe.Message, part) {
		t.Errorf("got %v, want %s with %q", err, name, part)
		return
	}
	if got, _ := pe.Properties["code"].(string); got != code {
		t.Errorf("%v: code %q, want %q", err, got, code)
	}
}

func TestResults(t *testing.T) {
	d := open(t, db.Options{})
	for _, c := range []struct{ sql, params, want string }{
		{"CREATE TABLE users (id INTEGER PRIMARY KEY, name TEXT, made DATETIME, data BLOB, score REAL)", "", `{"changes":0,"lastInsertId":null}`},
		{"INSERT INTO users (name, made, data, score) VALUES (?, ?, ?, ?)", `["Alice", "2024-01-02 03:04:05", {"base64":"AP8="}, 1.5]`, `{"changes":1,"lastInsertId":1}`},
		{"INSERT INTO users (name, score) VALUES (:name, @score), ($name, NULL);", `{"name":"Bob","@score":true}`, `{"changes":2,"lastInsertId":3}`},
		{"SELECT * FROM users WHERE id = 1", "", `[{"id":1,"name":"Alice","made":"2024-01-02 03:04:05","data":{"base64":"AP8="},"score":1.5}]`},
		{"SELECT score, name FROM users WHERE name = ?2 AND id > ?1", `[2, "Bob"]`, `[{"score":null,"name":"Bob"}]`},
		{"SELECT name FROM users WHERE 0 -- none;", "", `[]`},
		{"UPDATE users SET name = upper(name) WHERE id > 1", "null", `{"changes":2,"lastInsertId":null}`},
		{"UPDATE users SET name = 'x' WHERE 0", "[]", `{"changes":0,"lastInsertId":null}`},
		{"INSERT INTO users (id, name) VALUES (9007199254740993, 'big') RETURNING name", "", `[{"name":"big"}]`},
		{"INSERT INTO users (name) VALUES ('bigger')", "", `{"changes":1,"lastInsertId":"9007199254740994"}`},
		{"SELECT CAST(max(id) AS TEXT) AS id FROM users", "", `[{"id":"9007199254740994"}]`},
		{"DELETE FROM users WHERE id > 3", "", `{"changes":2,"lastInsertId":null}`},
		{"CREATE INDEX by_name ON users (name)", "", `{"changes":0,"lastInsertId":null}`},
		{"CREATE TRIGGER no AFTER INSERT ON users BEGIN SELECT 1; UPDATE users SET score = 7 WHERE id = new.id; END;", "", `{"changes":0,"lastInsertId":null}`},
		{"INSERT INTO users (name) VALUES ('C')", "", `{"changes":1,"lastInsertId":4}`},
		{"SELECT score FROM users WHERE id = 4", "", `[{"score":7}]`},
		{"SELECT ? AS a, ? AS b, ? AS c, ? AS d", `[9223372036854775807, 1e3, -0.5, "` + `\u00e9\u0000` + `"]`, ""},
		{"SELECT " + strings.Repeat("instr('ab', 'b') + ", 16) + "0 AS n", "", `[{"n":32}]`},
		{"SELECT typeof(?) AS a, typeof(?) AS b, typeof(?) AS c, typeof(?) AS d", `[12345678901234567890, 1, true, null]`, `[{"a":"real","b":"integer","c":"integer","d":"null"}]`},
		{"SELECT trim('xxaxx', 'x') AS a, ltrim('éaé', 'é') AS b, rtrim(121, 1) AS c, trim(' a ') AS d, trim(NULL, 'a') AS e", "", `[{"a":"a","b":"aé","c":"12","d":"a","e":null}]`},
		{"PRAGMA table_info(users)", "", ""},
		{"EXPLAIN SELECT * FROM users", "", ""},
		{"WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n WHERE i < 3) SELECT i FROM n", "", `[{"i":1},{"i":2},{"i":3}]`},
		{"CREATE VIRTUAL TABLE notes USING fts5(body)", "", `{"changes":0,"lastInsertId":null}`},
		{"INSERT INTO notes VALUES ('the quick fox')", "", `{"changes":1,"lastInsertId":1}`},
		{"SELECT body FROM notes WHERE notes MATCH 'quick'", "", `[{"body":"the quick fox"}]`},
		{"ANALYZE", "", `{"changes":0,"lastInsertId":null}`},
	} {
		var params []string
		if c.params != "" {
			params = append(params, c.params)
		}
		got, err := query(t.Context(), d, "a", c.sql, params...)
		if strings.HasPrefix(c.sql, "SELECT ? AS a, ? AS b") {
			wantError(t, err, "DatabaseError", "ERR_OUT_OF_RANGE", `column "a" holds 9223372036854775807`)
			continue
		}
		if err != nil || c.want != "" && got != c.want || got == "" {
			t.Errorf("%s: got %s, %v; want %s", c.sql, got, err, c.want)
		}
	}
}

func TestWrongStatements(t *testing.T) {
	d := open(t, db.Options{})
	mustQuery(t, d, "a", "CREATE TABLE t (a INTEGER PRIMARY KEY, b TEXT UNIQUE NOT NULL CHECK (b <> 'no'))")
	mustQuery(t, d, "a", "INSERT INTO t VALUES (1, 'x')")
	for _, c := range []struct{ sql, params, name, code, part string }{
		{"SELECT * FROM nope", "", "DatabaseError", "SQLITE_ERROR", "no such table: nope"},
		{"SELEC 1", "", "DatabaseError", "SQLITE_ERROR", `near "SELEC": syntax error`},
		{`SELECT "text"`, "", "DatabaseError", "SQLITE_ERROR", "no such column"},
		{"INSERT INTO t VALUES (2, 'x')", "", "DatabaseError", "SQLITE_CONSTRAINT_UNIQUE", "UNIQUE constraint failed: t.b"},
		{"INSERT INTO t VALUES (1, 'y')", "", "DatabaseError", "SQLITE_CONSTRAINT_PRIMARYKEY", "t.a"},
		{"INSERT INTO t VALUES (2, NULL)", "", "DatabaseError", "SQLITE_CONSTRAINT_NOTNULL", "t.b"},
		{"INSERT INTO t VALUES (2, 'no')", "", "DatabaseError", "SQLITE_CONSTRAINT_CHECK", "CHECK"},
		{"", "", "DatabaseError", "ERR_ONE_STATEMENT", "exactly one"},
		{" ;; -- nothing", "", "DatabaseError", "ERR_ONE_STATEMENT", "exactly one"},
		{"SELECT 1; SELECT 2", "", "DatabaseError", "ERR_ONE_STATEMENT", "exactly one"},
		{"SELECT 1; DROP TABLE t", "", "DatabaseError", "ERR_ONE_STATEMENT", "exactly one"},
		{"SELECT 1\x00; DROP TABLE t", "", "TypeError", "", "NUL"},
		{"SELECT '" + strings.Repeat("x", 100_000) + "'", "", "TypeError", "", "at most 100000"},
		{"SELECT ?", "", "TypeError", "", "missing argument with index 1"},
		{"SELECT :a", `{"b":1}`, "TypeError", "", `missing named argument "a"`},
		{"SELECT ?1", `{"b":1}`, "TypeError", "", "missing"},
		{"SELECT ?", `[[1]]`, "TypeError", "", "param 1 must be"},
		{"SELECT ?", `[{"base64":"?"}]`, "TypeError", "", "param 1 must be"},
		{"SELECT ?", `[{"base64":"AA==","x":1}]`, "TypeError", "", "param 1 must be"},
		{"SELECT :a", `{"a":{}}`, "TypeError", "", `param "a" must be`},
		{"SELECT ?", `"x"`, "TypeError", "", "must be an array or an object"},
		{"SELECT 1e999 AS i", "", "DatabaseError", "ERR_OUT_OF_RANGE", "infinite"},
		{"SELECT " + strings.Repeat("1+", 200) + "1", "", "DatabaseError", "SQLITE_ERROR", "depth"},
	} {
		var params []string
		if c.params != "" {
			params = append(params, c.params)
		}
		_, err := query(t.Context(), d, "a", c.sql, params...)
		if err == nil {
			t.Errorf("%.60q: no error", c.sql)
			continue
		}
		wantError(t, err, c.name, c.code, c.part)
	}
	if got := mustQuery(t, d, "a", "SELECT * FROM t"); got != `[{"a":1,"b":"x"}]` {
		t.Errorf("the table is now %s", got)
	}
	for _, args := range [][]json.RawMessage{nil, {json.RawMessage("1")}, {json.RawMessage("null")}} {
		_, err := d.API().Func(t.Context(), &platform.Call{Tenant: "a", Args: args})
		wantError(t, err, "TypeError", "", "")
	}
}

func TestRefusedStatements(t *testing.T) {
	dir := t.TempDir()
	d := open(t, db.Options{Dir: dir})
	mustQuery(t, d, "a", "CREATE TABLE t (a)")
	other := filepath.Join(dir, "b", "main.db")
	outside := filepath.Join(dir, "outside.db")
	for sql, part := range map[string]string{
		"BEGIN":                                                    "BEGIN is not supported: every statement is a transaction",
		"COMMIT":                                                   "COMMIT is not supported",
		"ROLLBACK":                                                 "ROLLBACK is not supported",
		"SAVEPOINT x":                                              "SAVEPOINT is not supported",
		"ATTACH '" + other + "' AS b":                              "not supported",
		"ATTACH DATABASE ':memory:' AS b":                          "not supported",
		"DETACH main":                                              "not supported",
		"VACUUM":                                                   "not supported",
		"VACUUM INTO '" + outside + "'":                            "not supported",
		"SELECT load_extension('/tmp/x.so')":                       "load_extension is not supported",
		"SELECT fts3_tokenizer('a')":                               "",
		"SELECT readfile('/etc/passwd')":                           "",
		"CREATE TEMP TABLE x (a)":                                  "temporary",
		"CREATE TEMP VIEW x AS SELECT 1":                           "temporary",
		"CREATE VIRTUAL TABLE x USING rtree(a,b,c)":                "module rtree is not supported",
		"PRAGMA writable_schema=ON":                                "PRAGMA writable_schema is not supported",
		"PRAGMA max_page_count=1000000":                            "PRAGMA max_page_count can only be read",
		"PRAGMA journal_mode=OFF":                                  "can only be read",
		"PRAGMA temp_store_directory='/tmp'":                       "not supported",
		"PRAGMA hard_heap_limit=1":                                 "not supported",
		"PRAGMA soft_heap_limit=1":                                 "not supported",
		"PRAGMA foreign_keys=OFF":                                  "can only be read",
		"PRAGMA trusted_schema=1":                                  "not supported",
		"PRAGMA mmap_size=1000000000":                              "not supported",
		"PRAGMA wal_checkpoint":                                    "not supported",
		"PRAGMA database_list":                                     "not supported",
		"PRAGMA cache_size=-1000000":                               "not supported",
		"SELECT * FROM pragma_database_list":                       "",
		"INSERT INTO sqlite_master VALUES (1,2,3,4,5)":             "sqlite_master",
		"UPDATE sqlite_schema SET sql = ''":                        "sqlite_master",
		"DELETE FROM sqlite_master":                                "sqlite_master",
		"SELECT " + strings.Repeat("instr('a', 'b') + ", 17) + "1": "at most 16 times",
		"SELECT * FROM b.users":                                    "no such table",
	} {
		_, err := query(t.Context(), d, "a", sql)
		var pe *platform.Error
		if !errors.As(err, &pe) || pe.Name != "DatabaseError" || !strings.Contains(pe.Message, part) || strings.Contains(pe.Message, dir) {
			t.Errorf("%s: got %v", sql, err)
		}
	}
	if _, err := os.Stat(outside); err == nil {
		t.Error("a file was made")
	}
	if got := mustQuery(t, d, "a", "PRAGMA max_page_count"); got != `[{"max_page_count":16384}]` {
		t.Errorf("max_page_count is %s", got)
	}
	for _, tenant := range []string{"", "..", "a/b", "A", "-a", ".", "a\x00", strings.Repeat("a", 64)} {
		if _, err := query(t.Context(), d, tenant, "SELECT 1"); err == nil {
			t.Errorf("tenant %q was taken", tenant)
		}
		if err := d.Exec(t.Context(), tenant, "SELECT 1"); err == nil {
			t.Errorf("tenant %q was taken by Exec", tenant)
		}
	}
}

func TestResultLimits(t *testing.T) {
	d := open(t, db.Options{MaxRows: 10, MaxResult: 1000, MaxSize: 1 << 20})
	const numbers = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n WHERE i < ?) "
	mustQuery(t, d, "a", "CREATE TABLE t (a)")
	if got := mustQuery(t, d, "a", numbers+"SELECT count(*) AS c FROM (SELECT i FROM n)", "[11]"); got != `[{"c":11}]` {
		t.Errorf("got %s", got)
	}
	mustQuery(t, d, "a", numbers+"SELECT i FROM n", "[10]")
	_, err := query(t.Context(), d, "a", numbers+"SELECT i FROM n", "[11]")
	wantError(t, err, "DatabaseError", "ERR_TOO_MANY_ROWS", "more than 10 rows")
	_, err = query(t.Context(), d, "a", "SELECT hex(zeroblob(500)) AS h")
	wantError(t, err, "DatabaseError", "ERR_RESULT_TOO_LARGE", "over 1000 bytes")
	_, err = query(t.Context(), d, "a", "SELECT length(zeroblob(300000)) AS h")
	wantError(t, err, "DatabaseError", "SQLITE_TOOBIG", "at most 262144 bytes")

	// A result over its limits undoes what the statement changed.
	_, err = query(t.Context(), d, "a", numbers+"INSERT INTO t SELECT i FROM n RETURNING a", "[11]")
	wantError(t, err, "DatabaseError", "ERR_TOO_MANY_ROWS", "")
	if got := mustQuery(t, d, "a", "SELECT count(*) AS c FROM t"); got != `[{"c":0}]` {
		t.Errorf("after the failed insert: %s", got)
	}
	mustQuery(t, d, "a", numbers+"INSERT INTO t SELECT i FROM n RETURNING a", "[3]")
	if got := mustQuery(t, d, "a", "SELECT count(*) AS c FROM t"); got != `[{"c":3}]` {
		t.Errorf("after the insert: %s", got)
	}

	// The quota of the file.
	_, err = query(t.Context(), d, "a", numbers+"INSERT INTO t SELECT zeroblob(100000) FROM n", "[100]")
	wantError(t, err, "DatabaseError", "SQLITE_FULL", "at most 1048576 bytes")
	mustQuery(t, d, "a", "INSERT INTO t VALUES (4)")
	if got := mustQuery(t, d, "a", "SELECT count(*) AS c FROM t"); got != `[{"c":4}]` {
		t.Errorf("after the quota: %s", got)
	}
}

func TestTenantsAreApart(t *testing.T) {
	d := open(t, db.Options{MaxOpen: 2})
	for i := range 10 {
		tenant := fmt.Sprintf("t%d", i)
		mustQuery(t, d, tenant, "CREATE TABLE t (a)")
		mustQuery(t, d, tenant, "INSERT INTO t VALUES (?)", fmt.Sprintf("[%d]", i))
	}
	var wg sync.WaitGroup
	for i := range 10 {
		for range 2 {
			wg.Go(func() {
				for range 5 {
					got, err := query(context.Background(), d, fmt.Sprintf("t%d", i), "SELECT a FROM t")
					if want := fmt.Sprintf(`[{"a":%d}]`, i); err != nil || got != want {
						t.Errorf("got %s, %v", got, err)
					}
				}
			})
		}
	}
	wg.Wait()
}

func TestConcurrentWrites(t *testing.T) {
	d := open(t, db.Options{})
	mustQuery(t, d, "a", "CREATE TABLE t (a)")
	var wg sync.WaitGroup
	for i := range 20 {
		wg.Go(func() {
			if _, err := query(context.Background(), d, "a", "INSERT INTO t VALUES (?)", fmt.Sprintf("[%d]", i)); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if got := mustQuery(t, d, "a", "SELECT count(*) AS c FROM t"); got != `[{"c":20}]` {
		t.Errorf("got %s", got)
	}
}

const endless = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n) SELECT count(*) FROM n"

func TestDeadline(t *testing.T) {
	d := open(t, db.Options{MaxConns: 1})
	mustQuery(t, d, "a", "CREATE TABLE t (a)")
	for _, sql := range []string{
		endless,
		"INSERT INTO t " + endless,
		"WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n) INSERT INTO t SELECT i FROM n RETURNING a",
		// The first row comes at once, the second never.
		"WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n) SELECT i FROM n WHERE i = 1 OR i < 0",
	} {
		ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		_, err := query(ctx, d, "a", sql)
		cancel()
		wantError(t, err, "TimeoutError", "", "deadline")
		if got := mustQuery(t, d, "a", "SELECT count(*) AS c FROM t"); got != `[{"c":0}]` {
			t.Errorf("after %.30s: %s", sql, got)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(20*time.Millisecond, cancel)
	_, err := query(ctx, d, "a", endless)
	wantError(t, err, "AbortError", "", "canceled")
}

// slow keeps built-in functions busy for seconds: SQLite does not look for an
// interrupt meanwhile.
var slow = "WITH v(a, b) AS MATERIALIZED (SELECT replace(hex(zeroblob(80000)),'0','a'), replace(hex(zeroblob(40000)),'0','a')||'b') SELECT " +
	strings.TrimSuffix(strings.Repeat("instr(a, b), ", 14), ", ") + " FROM v"

func TestStuckStatements(t *testing.T) {
	d := open(t, db.Options{MaxConns: 2})
	mustQuery(t, d, "a", "SELECT 1")
	mustQuery(t, d, "b", "SELECT 1")
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	var wg sync.WaitGroup
	for range 2 {
		wg.Go(func() {
			_, err := query(ctx, d, "a", slow)
			wantError(t, err, "TimeoutError", "", "deadline")
		})
	}
	wg.Wait()
	// Both connections are still busy.
	_, err := query(t.Context(), d, "a", "SELECT 1")
	wantError(t, err, "DatabaseError", "SQLITE_BUSY", "2 statements still run")
	mustQuery(t, d, "b", "SELECT 1")
	for deadline := time.Now().Add(30 * time.Second); ; {
		if _, err := query(t.Context(), d, "a", "SELECT 1"); err == nil {
			break
		} else if time.Now().After(deadline) {
			t.Fatalf("the connections do not come back: %v", err)
		}
		runtime.Gosched()
	}
}

func TestTrimIsFast(t *testing.T) {
	d := open(t, db.Options{})
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	const letters = "replace(hex(zeroblob(65000)),'0','a')"
	got, err := query(ctx, d, "a", "SELECT length(trim(replace(hex(zeroblob(131000)),'0','b'), "+letters+"||'b')) AS n")
	if err != nil || got != `[{"n":0}]` {
		t.Errorf("got %s, %v", got, err)
	}
}

func TestExec(t *testing.T) {
	d := open(t, db.Options{})
	script := "CREATE TABLE users (id INTEGER, name TEXT); INSERT INTO users VALUES (1, 'Alice'), (2, 'Bob');"
	if err := d.Exec(t.Context(), "b", script); err != nil {
		t.Fatal(err)
	}
	if got := mustQuery(t, d, "b", "SELECT * FROM users"); got != `[{"id":1,"name":"Alice"},{"id":2,"name":"Bob"}]` {
		t.Errorf("got %s", got)
	}
	err := d.Exec(t.Context(), "b", "INSERT INTO users VALUES (3, 'C'); INSERT INTO nope VALUES (1)")
	if err == nil || !strings.Contains(err.Error(), "tenant b") || !strings.Contains(err.Error(), "nope") {
		t.Errorf("got %v", err)
	}
	if got := mustQuery(t, d, "b", "SELECT count(*) AS c FROM users"); got != `[{"c":2}]` {
		t.Errorf("a failed script left %s", got)
	}
}

func TestDamagedFiles(t *testing.T) {
	dir := t.TempDir()
	fill := func() {
		d, err := db.New(db.Options{Dir: dir})
		if err != nil {
			t.Fatal(err)
		}
		defer d.Close()
		for _, tenant := range []string{"garbage", "flipped", "cut", "healthy"} {
			if err := d.Exec(t.Context(), tenant, "CREATE TABLE t (a TEXT); CREATE INDEX i ON t (a);"+
				"WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n WHERE i < 5000) INSERT INTO t SELECT hex(i) FROM n"); err != nil {
				t.Fatal(err)
			}
		}
	}
	fill()
	damage := func(tenant string, f func([]byte) []byte) {
		file := filepath.Join(dir, tenant, "main.db")
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, f(data), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	damage("garbage", func(b []byte) []byte { return []byte(strings.Repeat("not a database", 1000)) })
	damage("flipped", func(b []byte) []byte {
		for i := 4096 * 2; i < len(b); i += 97 {
			b[i] ^= 0xff
		}
		return b
	})
	damage("cut", func(b []byte) []byte { return b[:len(b)/2] })
	d := open(t, db.Options{Dir: dir})
	for tenant, code := range map[string]string{"garbage": "SQLITE_NOTADB", "flipped": "SQLITE_CORRUPT", "cut": "SQLITE_CORRUPT"} {
		for range 2 {
			_, err := query(t.Context(), d, tenant, "SELECT count(*) FROM t WHERE a > '3'")
			wantError(t, err, "DatabaseError", code, "ask the operator")
		}
	}
	if got := mustQuery(t, d, "healthy", "SELECT count(*) AS c FROM t"); got != `[{"c":5000}]` {
		t.Errorf("the neighbour has %s", got)
	}
}

func TestNewAndClose(t *testing.T) {
	if _, err := db.New(db.Options{}); err == nil {
		t.Error("no directory was accepted")
	}
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := db.New(db.Options{Dir: file}); err == nil || !strings.Contains(err.Error(), file) {
		t.Errorf("a file for a directory: %v", err)
	}
	dir := t.TempDir()
	d, err := db.New(db.Options{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	mustQuery(t, d, "a", "CREATE TABLE t (a)")
	done := make(chan error)
	go func() {
		_, err := query(context.Background(), d, "a", endless)
		done <- err
	}()
	select {
	case err := <-done:
		t.Fatalf("ended: %v", err)
	case <-time.After(20 * time.Millisecond):
	}
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	wantError(t, <-done, "AbortError", "", "")
	if _, err := query(t.Context(), d, "a", "SELECT 1"); err == nil {
		t.Error("a closed DB answers")
	}
	again := open(t, db.Options{Dir: dir})
	mustQuery(t, again, "a", "SELECT * FROM t")
	info, err := os.Stat(filepath.Join(dir, "a"))
	if err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("the tenant's directory: %v, %v", info, err)
	}
}

func FuzzQuery(f *testing.F) {
	d := open(f, db.Options{MaxSize: 1 << 20})
	for _, s := range []string{"SELECT 1; SELECT 2", "CREATE TABLE t (a)", "INSERT INTO t VALUES (?) RETURNING *", "PRAGMA page_count", "SELECT trim(?, ?)"} {
		f.Add(s, `[1, "x"]`)
	}
	f.Fuzz(func(t *testing.T, sql, params string) {
		if !json.Valid([]byte(params)) {
			params = "[]"
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := query(ctx, d, "fuzz", sql, params); err != nil {
			var pe *platform.Error
			if !errors.As(err, &pe) || pe.Properties["code"] == "SQLITE_INTERNAL" {
				t.Fatalf("%q %s: %v", sql, params, err)
			}
		}
	})
}
