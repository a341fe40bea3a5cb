package postgres_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/bulkhead-run/bulkhead/platform"
	"github.com/bulkhead-run/bulkhead/platform/db"
	"github.com/bulkhead-run/bulkhead/platform/db/dbtest"
	"github.com/bulkhead-run/bulkhead/platform/db/postgres"
)

const endless = "WITH RECURSIVE n(i) AS (SELECT 1::bigint UNION ALL SELECT i+1 FROM n) SELECT count(*) AS c FROM n"

var key = []byte("a key of sixteen or more bytes")

func newEngine(t testing.TB, o postgres.Options) *postgres.Engine {
	t.Helper()
	if o.URL == "" {
		o.URL = newDatabase(t)
	}
	o.Key = key
	e, err := postgres.New(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

func TestSuite(t *testing.T) {
	newDatabase(t) // skips all of it, once
	dbtest.Suite(t, dbtest.Dialect{
		Blob: "BYTEA", True: "true", Endless: endless, Numbers: "generate_series(1, %d) AS n(i)",
	}, func(t *testing.T) db.Engine {
		return newEngine(t, postgres.Options{MaxRows: dbtest.MaxRows, MaxResult: dbtest.MaxResult, MaxConns: dbtest.MaxConns})
	})
}

// What a tenant's role must not reach, whatever the statement.
func TestConfinement(t *testing.T) {
	url := newDatabase(t)
	f := dbtest.Open(t, db.New(newEngine(t, postgres.Options{URL: url})))
	f.Must(t, "db.exec", "CREATE TABLE mine (a INTEGER)")
	other := f.In("b", "i")
	other.Must(t, "db.exec", "CREATE TABLE theirs (a INTEGER)")
	for _, sql := range []string{
		"SELECT * FROM bulkhead_b.theirs", "CREATE TABLE bulkhead_b.x (a INTEGER)", "DROP TABLE bulkhead_b.theirs", "DROP SCHEMA bulkhead_b CASCADE",
		"CREATE TABLE public.x (a INTEGER)", "CREATE SCHEMA x", "CREATE DATABASE x", "CREATE ROLE x", "CREATE EXTENSION dblink",
		"ALTER ROLE bulkhead_a PASSWORD 'x'", "ALTER ROLE bulkhead_a CONNECTION LIMIT 100", "ALTER ROLE bulkhead_a SET statement_timeout = 0",
		"SET ROLE bulkhead_b", "SET SESSION AUTHORIZATION bulkhead_b", "SET statement_timeout = 0", "RESET ALL", "DISCARD ALL",
		"GRANT ALL ON mine TO bulkhead_b", "GRANT ALL ON mine TO PUBLIC",
		"CREATE FUNCTION f() RETURNS integer LANGUAGE sql AS 'SELECT 1'", "DO $$ BEGIN END $$",
		"CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NEW; END $$",
		"LISTEN x", "NOTIFY x", "SELECT pg_notify('x', 'y')", "SELECT pg_advisory_lock(1)", "SELECT lo_create(0)",
		"COPY mine TO PROGRAM 'true'", "COPY mine TO '/tmp/x'", "SELECT pg_read_file('/etc/passwd')", "SELECT pg_ls_dir('/')",
		"PREPARE p AS SELECT 1", "LOCK TABLE mine", "DECLARE c CURSOR FOR SELECT 1", "EXPLAIN ANALYZE DELETE FROM mine", "VACUUM",
		"COMMIT", "COMMIT AND CHAIN", "ROLLBACK", "PREPARE TRANSACTION 'x'", "CHECKPOINT", "SELECT 1 INTO TEMPORARY x",
	} {
		_, err := f.Do(t.Context(), t, "db.exec", sql)
		var pe *platform.Error
		if !errors.As(err, &pe) || pe.Name != "DatabaseError" || pe.Properties["code"] == db.CodeUnavailable || pe.Properties["code"] == db.CodeInternal {
			t.Errorf("%s: %v", sql, err)
		}
	}
	for _, f := range []*dbtest.Fixture{f, other} {
		f.Must(t, "db.query", "SELECT 1 AS n")
	}
	other.Must(t, "db.query", "SELECT a FROM theirs")
	// Settings do not stay, and the role's own hold.
	f.Must(t, "db.query", "SELECT set_config('statement_timeout', '0', false) AS s")
	for range 8 {
		if got := f.Must(t, "db.query", "SELECT current_setting('statement_timeout') AS s, current_user::text AS u, current_schema()::text AS c"); got != `[{s:"1min",u:"bulkhead_a",c:"bulkhead_a"}]` {
			t.Errorf("got %s", got)
		}
	}
	// Nobody gets in without the password.
	if conn, err := pgx.Connect(t.Context(), strings.Replace(url, "user=admin", "user=bulkhead_a password=guess", 1)); err == nil {
		t.Error("a wrong password was taken", conn.Close(context.Background()))
	}
}

func TestTypes(t *testing.T) {
	f := dbtest.Open(t, db.New(newEngine(t, postgres.Options{})))
	for sql, want := range map[string]string{
		"SELECT true AS b, NULL::boolean AS n":                                  "[{b:true,n:null}]",
		"SELECT 1.50::numeric AS n, 'NaN'::float8 AS f, '-Infinity'::real AS i": `[{n:"1.50",f:NaN,i:-Inf}]`,
		"SELECT '2024-01-02 03:04:05Z'::timestamptz AT TIME ZONE 'UTC' AS t":    `[{t:"2024-01-02 03:04:05"}]`,
		`SELECT '{"a": 1}'::jsonb AS j, ARRAY[1,2] AS l`:                        `[{j:"{\"a\": 1}",l:"{1,2}"}]`,
		"SELECT 9223372036854775807 AS n":                                       "[{n:9223372036854775807n}]",
	} {
		if got := f.Must(t, "db.query", sql); got != want {
			t.Errorf("%s: got %s, want %s", sql, got, want)
		}
	}
}

func TestQuota(t *testing.T) {
	f := dbtest.Open(t, db.New(newEngine(t, postgres.Options{MaxSize: 1 << 20})))
	f.Must(t, "db.exec", "CREATE TABLE t (a TEXT)")
	for deadline := time.Now().Add(30 * time.Second); ; {
		_, err := f.Do(t.Context(), t, "db.exec", "INSERT INTO t SELECT repeat(md5(i::text), 30) FROM generate_series(1, 1000) AS n(i)")
		var pe *platform.Error
		if errors.As(err, &pe) && pe.Name == "QuotaExceededError" {
			break
		}
		if err != nil || time.Now().After(deadline) {
			t.Fatalf("the quota does not hold: %v", err)
		}
	}
	f.Must(t, "db.query", "SELECT count(*) AS n FROM t")
	f.Must(t, "db.exec", "DELETE FROM t")
}

// A server that goes away is a typed error, and so is one that never was.
func TestServerGone(t *testing.T) {
	url := newDatabase(t)
	f := dbtest.Open(t, db.New(newEngine(t, postgres.Options{URL: url})))
	f.Must(t, "db.exec", "CREATE TABLE t (a INTEGER)")
	tx := f.Begin(t.Context(), t)
	f.Must(t, "db.exec", "INSERT INTO t VALUES (1)", nil, tx)
	admin, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	defer admin.Close(context.Background())
	if _, err := admin.Exec(t.Context(), "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'bulkhead_a'"); err != nil {
		t.Fatal(err)
	}
	_, err = f.Do(t.Context(), t, "db.exec", "INSERT INTO t VALUES (2)", nil, tx)
	dbtest.WantError(t, err, "DatabaseError", db.CodeUnavailable, "")
	_, err = f.Do(t.Context(), t, "db.transaction", "commit", tx)
	dbtest.WantError(t, err, "DatabaseError", db.CodeRolledBack, "")
	if got := f.Must(t, "db.query", "SELECT a FROM t"); got != "[]" {
		t.Errorf("got %s", got)
	}
	if _, err := postgres.New(t.Context(), postgres.Options{URL: "host=/nowhere user=x dbname=x", Key: key}); err == nil {
		t.Error("a server that is not there was taken")
	}
	if _, err := postgres.New(t.Context(), postgres.Options{URL: url}); err == nil || !strings.Contains(err.Error(), "Key") {
		t.Errorf("no key: %v", err)
	}
}
