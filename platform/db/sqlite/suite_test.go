package sqlite_test

import (
	"testing"

	"github.com/bulkhead-run/bulkhead/platform/db"
	"github.com/bulkhead-run/bulkhead/platform/db/dbtest"
	"github.com/bulkhead-run/bulkhead/platform/db/sqlite"
)

const endless = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n) SELECT count(*) AS c FROM n"

func newEngine(t testing.TB, o sqlite.Options) *sqlite.Engine {
	t.Helper()
	if o.Dir == "" {
		o.Dir = t.TempDir()
	}
	o.Binary = program
	e, err := sqlite.New(o)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

func TestSuite(t *testing.T) {
	dbtest.Suite(t, dbtest.Dialect{
		Blob: "BLOB", True: "1", InsertID: true, Endless: endless,
		Numbers: "(WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n WHERE i < %d) SELECT i FROM n)",
	}, func(t *testing.T) db.Engine {
		return newEngine(t, sqlite.Options{MaxRows: dbtest.MaxRows, MaxResult: dbtest.MaxResult, MaxConns: dbtest.MaxConns})
	})
}
