package sqlite_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/bulkhead-run/bulkhead/platform"
	"github.com/bulkhead-run/bulkhead/platform/db"
	"github.com/bulkhead-run/bulkhead/platform/db/dbtest"
	"github.com/bulkhead-run/bulkhead/platform/db/sqlite"
	"github.com/bulkhead-run/bulkhead/policies"
	"github.com/bulkhead-run/bulkhead/value"
)

func openFixture(t testing.TB, o sqlite.Options) (*dbtest.Fixture, *sqlite.Engine) {
	t.Helper()
	e := newEngine(t, o)
	return dbtest.Open(t, db.New(e)), e
}

// What only SQLite has.
func TestDialect(t *testing.T) {
	f, _ := openFixture(t, sqlite.Options{})
	for _, c := range []struct {
		api, sql string
		params   any
		want     string
	}{
		{"db.exec", "CREATE TABLE t (id INTEGER PRIMARY KEY, d DATETIME, n)", nil, "{changes:0,lastInsertRowid:null}"},
		{"db.exec", "INSERT INTO t (d) VALUES ('2024-01-02 03:04:05')", nil, "{changes:1,lastInsertRowid:1}"},
		{"db.query", "SELECT d FROM t", nil, `[{d:"2024-01-02 03:04:05"}]`},
		{"db.exec", "INSERT INTO t (id) VALUES (9007199254740993)", nil, "{changes:1,lastInsertRowid:9007199254740993n}"},
		{"db.query", "SELECT ?2 AS a, ?1 AS b, ? AS c", []any{1.0, 2.0, 3.0}, "[{a:2,b:1,c:3}]"},
		{"db.query", "SELECT :a AS a, @b AS b, $c AS c, :a AS d", value.NewObject("a", 1.0, "@b", 2.0, "c", 3.0), "[{a:1,b:2,c:3,d:1}]"},
		{"db.query", "SELECT typeof(?) AS a, typeof(?) AS b, typeof(?) AS c, typeof(?) AS d, typeof(?) AS e", []any{1e18, 1.0, true, nil, []byte{1}}, `[{a:"real",b:"integer",c:"integer",d:"null",e:"blob"}]`},
		{"db.query", "SELECT 1e999 AS i, CAST(x'ff41' AS TEXT) AS t, x'' AS b", nil, "[{i:+Inf,t:\"\uFFFDA\",b:x''}]"},
		{"db.query", "SELECT trim('xxaxx', 'x') AS a, ltrim('éaé', 'é') AS b, rtrim(121, 1) AS c, trim(' a ') AS d, trim(NULL, 'a') AS e", nil, `[{a:"a",b:"aé",c:"12",d:"a",e:null}]`},
		{"db.query", "SELECT " + strings.Repeat("instr('ab', 'b') + ", 16) + "0 AS n", nil, "[{n:32}]"},
		{"db.query", "PRAGMA max_page_count", nil, "[{max_page_count:16384}]"},
		{"db.query", "SELECT value FROM json_each('[1,2]')", nil, "[{value:1},{value:2}]"},
		{"db.query", "SELECT count(*) AS n FROM pragma_table_info('t')", nil, "[{n:3}]"},
		{"db.exec", "CREATE VIRTUAL TABLE notes USING fts5(body)", nil, "{changes:0,lastInsertRowid:null}"},
		{"db.exec", "INSERT INTO notes VALUES ('the quick fox')", nil, "{changes:1,lastInsertRowid:1}"},
		{"db.query", "SELECT body FROM notes WHERE notes MATCH 'quick'", nil, `[{body:"the quick fox"}]`},
		{"db.exec", "CREATE TABLE posts (id INTEGER PRIMARY KEY, body TEXT)", nil, "{changes:0,lastInsertRowid:null}"},
		{"db.exec", "CREATE VIRTUAL TABLE posts_search USING fts5(body, content='posts', content_rowid='id')", nil, "{changes:0,lastInsertRowid:null}"},
		{"db.exec", "CREATE TRIGGER feed AFTER INSERT ON posts BEGIN INSERT INTO posts_search(rowid, body) VALUES (new.id, new.body); END", nil, "{changes:0,lastInsertRowid:null}"},
		{"db.exec", "INSERT INTO posts (body) VALUES ('lazy dog')", nil, "{changes:1,lastInsertRowid:1}"},
		{"db.query", "SELECT body FROM posts_search WHERE posts_search MATCH 'lazy'", nil, `[{body:"lazy dog"}]`},
		{"db.exec", "ALTER TABLE notes RENAME TO memos", nil, "{changes:0,lastInsertRowid:null}"},
		{"db.query", "SELECT body FROM memos WHERE memos MATCH 'fox'", nil, `[{body:"the quick fox"}]`},
		{"db.exec", "DROP TABLE memos", nil, "{changes:0,lastInsertRowid:null}"},
		{"db.exec", "ANALYZE", nil, "{changes:0,lastInsertRowid:null}"},
	} {
		got, err := f.Do(t.Context(), t, c.api, c.sql, c.params)
		if err != nil || got != c.want {
			t.Errorf("%s: got %s, %v; want %s", c.sql, got, err, c.want)
		}
	}
}

// The authorizer's word on statements that only SQLite has.
func TestFacts(t *testing.T) {
	f, _ := openFixture(t, sqlite.Options{})
	for _, sql := range []string{
		"CREATE TABLE users (id INTEGER PRIMARY KEY, name TEXT)", "CREATE TABLE log (text TEXT)", "CREATE TABLE users_data (a)",
		"CREATE TRIGGER t AFTER INSERT ON users BEGIN INSERT INTO log VALUES (new.name); DELETE FROM log WHERE text = 'x'; END",
		"CREATE VIRTUAL TABLE notes USING fts5(body)",
		"CREATE TABLE n (a)", "CREATE VIRTUAL TABLE outer USING fts5(name, content='users')",
	} {
		f.Must(t, "db.exec", sql)
	}
	for _, c := range []struct{ sql, kinds, tables, undo string }{
		{"INSERT INTO users VALUES (1, 'a')", "delete insert", "log users", "DELETE FROM users"},
		{"SELECT count(*) AS c FROM users_data, users", "select", "users users_data", ""},
		{"WITH x(i) AS (SELECT 1) SELECT count(*) AS c FROM x", "select", "", ""},
		{"WITH x(i) AS (SELECT 1) SELECT count(*) AS c FROM x, n", "select", "n", ""},
		{"SELECT count(*) AS c FROM json_each('[]')", "select", "", ""},
		{"INSERT INTO notes VALUES ('a')", "insert", "notes", ""},
		{"SELECT body FROM notes WHERE notes MATCH 'a'", "select", "notes", ""},
		{"SELECT name FROM outer WHERE rowid = 1", "select", "outer users", ""},
		{"SELECT name FROM sqlite_master WHERE 0", "select", "sqlite_master", ""},
		{"PRAGMA table_info(users)", "pragma", "users", ""},
		{"PRAGMA user_version", "pragma", "", ""},
		{"EXPLAIN SELECT * FROM users", "select", "users", ""},
		{"ANALYZE users", "other", "users", ""},
		{"REINDEX", "other", "", ""},
		{"DROP TRIGGER t", "drop", "users", "CREATE TRIGGER t AFTER INSERT ON users BEGIN DELETE FROM log; END"},
	} {
		for range 2 { // the second time, what is known is used
			f.Checks = nil
			f.Must(t, "db.query", c.sql)
			var kinds []string
			for _, a := range f.Checks {
				kinds = append(kinds, a.Statement)
			}
			slices.Sort(kinds)
			if got := strings.Join(slices.Compact(kinds), " "); got != c.kinds {
				t.Errorf("%s: kinds %q, want %q", c.sql, got, c.kinds)
			}
			// The last check is about all that it does.
			if got := strings.Join(f.Checks[len(f.Checks)-1].Tables, " "); got != c.tables {
				t.Errorf("%s: tables %q, want %q", c.sql, got, c.tables)
			}
			if c.undo != "" {
				f.Must(t, "db.exec", c.undo)
			}
		}
	}
	// Denied when it is learned only as it runs: nothing has happened.
	f.Deny = func(a policies.Attributes) bool { return len(a.Tables) == 2 }
	if got, err := f.Do(t.Context(), t, "db.query", "SELECT name FROM outer WHERE rowid = 2"); err == nil {
		t.Errorf("an index gave away its table: %s", got)
	}
}

// A statement that is run again is as good as new, whatever came in between.
func TestRunAgain(t *testing.T) {
	f, _ := openFixture(t, sqlite.Options{})
	f.Must(t, "db.exec", "CREATE TABLE t (a, b)")
	f.Must(t, "db.exec", "INSERT INTO t (a) VALUES ('x')")
	all := func(sql string, params ...any) string { return f.Must(t, "db.query", sql, params) }
	const list, find, explain = "SELECT * FROM t", "SELECT count(*) AS n FROM t WHERE a = ?1 OR ?2 IS NULL", "EXPLAIN QUERY PLAN SELECT b FROM t WHERE a = 1"
	for _, c := range []struct {
		between string
		sql     string
		params  []any
		want    string
	}{
		{"", list, nil, `[{a:"x",b:null}]`},
		{"ALTER TABLE t ADD COLUMN c DEFAULT 1", list, nil, `[{a:"x",b:null,c:1}]`},
		{"ALTER TABLE t DROP COLUMN b", list, nil, `[{a:"x",c:1}]`},
		{"", find, []any{"x", "x"}, `[{n:1}]`},
		{"", find, []any{"y", "x"}, `[{n:0}]`},
		{"", find, []any{"y", nil}, `[{n:1}]`},
		{"DROP TABLE t", "SELECT 1 AS n", nil, `[{n:1}]`},
		{"CREATE VIEW t AS SELECT 2 AS a", list, nil, `[{a:2}]`},
		{"", find, []any{2.0, 0.0}, `[{n:1}]`},
		{"DROP VIEW t", "PRAGMA table_info(t)", nil, `[]`},
		{"CREATE TABLE t (a, b)", "SELECT count(*) AS n FROM pragma_table_info('t')", nil, `[{n:2}]`},
		{"", explain, nil, `SCAN t`},
		{"CREATE INDEX i ON t (a)", list, nil, `[]`},
		{"", explain, nil, `USING INDEX i`},
	} {
		if c.between != "" {
			f.Must(t, "db.exec", c.between)
		}
		for range 2 {
			if got := all(c.sql, c.params...); !strings.Contains(got, c.want) {
				t.Errorf("%s, %s: %s, want %s", c.between, c.sql, got, c.want)
			}
		}
	}
	for _, params := range [][]any{{1.0}, {1.0, 2.0, 3.0}} {
		if got, err := f.Do(t.Context(), t, "db.query", find, params); err == nil {
			t.Errorf("%d params: %s", len(params), got)
		}
	}
	// More statements than are kept, each failing now and then.
	f.Must(t, "db.exec", "CREATE UNIQUE INDEX u ON t (b)")
	for range 2 {
		for n := range 100 {
			insert := fmt.Sprintf("INSERT INTO t VALUES (?, %d)", n)
			f.Must(t, "db.exec", insert, []any{"x"})
			_, err := f.Do(t.Context(), t, "db.exec", insert, []any{"x"})
			dbtest.WantError(t, err, "DatabaseError", db.CodeUnique, "t.b")
			if got, want := all(fmt.Sprintf("SELECT a, %d AS n FROM t WHERE b = ?", n), float64(n)), fmt.Sprintf(`[{a:"x",n:%d}]`, n); got != want {
				t.Errorf("got %s, want %s", got, want)
			}
		}
		f.Must(t, "db.exec", "DELETE FROM t")
	}
}

func TestRefused(t *testing.T) {
	dir := t.TempDir()
	f, _ := openFixture(t, sqlite.Options{Dir: dir})
	f.Must(t, "db.exec", "CREATE TABLE t (a)")
	other, outside := filepath.Join(dir, "b", "main.db"), filepath.Join(dir, "outside.db")
	for sql, part := range map[string]string{
		"ATTACH '" + other + "' AS b":                              "not supported",
		"ATTACH DATABASE ':memory:' AS b":                          "not supported",
		"DETACH main":                                              "not supported",
		"VACUUM":                                                   "not supported",
		"VACUUM INTO '" + outside + "'":                            "not supported",
		"SELECT load_extension('/tmp/x.so')":                       "load_extension is not supported",
		"SELECT fts3_tokenizer('a')":                               "",
		"SELECT readfile('/etc/passwd')":                           "",
		"SELECT writefile('x', 'y')":                               "",
		"CREATE TEMP TABLE x (a)":                                  "temporary",
		"CREATE TEMP VIEW x AS SELECT 1":                           "temporary",
		"CREATE VIRTUAL TABLE x USING rtree(a,b,c)":                "module rtree is not supported",
		"PRAGMA writable_schema=ON":                                "PRAGMA writable_schema is not supported",
		"PRAGMA max_page_count=1000000":                            "PRAGMA max_page_count can only be read",
		"PRAGMA journal_mode=OFF":                                  "can only be read",
		"PRAGMA temp_store_directory='/tmp'":                       "not supported",
		"PRAGMA temp_store=1":                                      "not supported",
		"PRAGMA hard_heap_limit=1":                                 "not supported",
		"PRAGMA soft_heap_limit=1":                                 "not supported",
		"PRAGMA foreign_keys=OFF":                                  "can only be read",
		"PRAGMA query_only=0":                                      "not supported",
		"PRAGMA trusted_schema=1":                                  "not supported",
		"PRAGMA mmap_size=1000000000":                              "not supported",
		"PRAGMA wal_checkpoint":                                    "not supported",
		"PRAGMA database_list":                                     "not supported",
		"PRAGMA cache_size=-1000000":                               "not supported",
		"PRAGMA busy_timeout=1000000":                              "not supported",
		"SELECT * FROM pragma_database_list":                       "",
		"INSERT INTO sqlite_master VALUES (1,2,3,4,5)":             "sqlite_master",
		"UPDATE sqlite_schema SET sql = ''":                        "sqlite_master",
		"DELETE FROM sqlite_master":                                "sqlite_master",
		"SELECT " + strings.Repeat("instr('a', 'b') + ", 17) + "1": "at most 16 times",
		"SELECT " + strings.Repeat("1+", 200) + "1":                "depth",
		"SELECT * FROM b.users":                                    "no such table",
		"SELECT length(zeroblob(300000)) AS h":                     "at most 262144 bytes",
		"SELECT randomblob(900000000)":                             "at most 262144 bytes",
		"SELECT printf('%.*c', 900000000, 'x')":                    "at most 262144 bytes",
	} {
		for _, api := range []string{"db.query", "db.exec"} {
			_, err := f.Do(t.Context(), t, api, sql)
			var pe *platform.Error
			if !errors.As(err, &pe) || pe.Name != "DatabaseError" || !strings.Contains(pe.Message, part) || strings.Contains(pe.Message, dir) {
				t.Errorf("%s: got %v", sql, err)
			}
		}
	}
	if _, err := os.Stat(outside); err == nil {
		t.Error("a file was made")
	}
	f.Must(t, "db.query", "SELECT * FROM t")
}

func TestQuota(t *testing.T) {
	const size = 1 << 20
	f, e := openFixture(t, sqlite.Options{MaxSize: size})
	f.Must(t, "db.exec", "CREATE TABLE t (a)")
	const fill = "INSERT INTO t SELECT zeroblob(100000) FROM (WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n WHERE i < 100) SELECT i FROM n)"
	_, err := f.Do(t.Context(), t, "db.exec", fill)
	var pe *platform.Error
	if !errors.As(err, &pe) || pe.Name != "QuotaExceededError" || pe.Properties["limit"] != int64(size) || !strings.Contains(pe.Message, "1048576 bytes") {
		t.Errorf("got %v", err)
	}
	f.Must(t, "db.exec", "INSERT INTO t VALUES (4)")
	if got := f.Must(t, "db.query", "SELECT count(*) AS c FROM t"); got != `[{c:1}]` {
		t.Errorf("after the quota: %s", got)
	}
	// In a transaction SQLite keeps the rest, or says that it does not.
	tx := f.Begin(t.Context(), t)
	f.Must(t, "db.exec", "INSERT INTO t VALUES (5)", nil, tx)
	if _, err := f.Do(t.Context(), t, "db.exec", fill, nil, tx); err == nil {
		t.Error("a transaction is not held to the quota")
	}
	_, err = f.Do(t.Context(), t, "db.transaction", "commit", tx)
	want := `[{c:2}]`
	if err != nil {
		dbtest.WantError(t, err, "DatabaseError", db.CodeRolledBack, "")
		want = `[{c:1}]`
	}
	if got := f.Must(t, "db.query", "SELECT count(*) AS c FROM t"); got != want {
		t.Errorf("after the transaction (%v): %s", err, got)
	}
	if n := e.Stats().Failures["quota"]; n != 2 {
		t.Errorf("%d failures counted", n)
	}
}

func TestMemory(t *testing.T) {
	f, e := openFixture(t, sqlite.Options{MaxMemory: 32 << 20})
	neighbour := f.In("b", "i")
	neighbour.Must(t, "db.exec", "CREATE TABLE t (a)")
	// Sorting without a temporary file takes memory; without a deadline that
	// is all that ends it.
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	_, err := f.Do(ctx, t, "db.query", "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n WHERE i < 100000) SELECT count(*) AS c FROM (SELECT i, zeroblob(10000) AS z FROM n ORDER BY z, i LIMIT -1 OFFSET 1)")
	var pe *platform.Error
	if !errors.As(err, &pe) || pe.Properties["code"] != db.CodeMemory && pe.Properties["code"] != db.CodeUnavailable {
		t.Errorf("got %v", err)
	}
	f.Must(t, "db.query", "SELECT 1 AS n")
	neighbour.Must(t, "db.query", "SELECT a FROM t")
	t.Logf("%v; %+v", err, e.Stats())
}
