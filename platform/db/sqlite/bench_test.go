package sqlite_test

import (
	"context"
	"slices"
	"testing"
	"time"

	"github.com/bulkhead-run/bulkhead/platform"
	"github.com/bulkhead-run/bulkhead/platform/db"
	"github.com/bulkhead-run/bulkhead/platform/db/dbtest"
	"github.com/bulkhead-run/bulkhead/platform/db/sqlite"
)

// One row by its key, through the API as the supervisor calls it: arguments
// from their wire form, the policy's check, the tenant's process, and the rows
// as values. Reports the median and the 99th percentile.
func BenchmarkQueryOneRow(b *testing.B) {
	e, err := sqlite.New(sqlite.Options{Dir: b.TempDir(), Binary: program})
	if err != nil {
		b.Fatal(err)
	}
	f := dbtest.Open(b, db.New(e))
	f.Must(b, "db.exec", "CREATE TABLE users (id INTEGER PRIMARY KEY, name TEXT)")
	f.Must(b, "db.exec", "INSERT INTO users VALUES (1, 'Alice'), (2, 'Bob')")
	query := f.API("db.query")
	call := f.Call(b, "SELECT id, name FROM users WHERE id = ?", []any{1.0})
	ctx, cancel := context.WithTimeout(b.Context(), time.Hour)
	defer cancel()
	run(b, ctx, query, call)
	took := make([]time.Duration, 0, b.N)
	for b.Loop() {
		start := time.Now()
		run(b, ctx, query, call)
		took = append(took, time.Since(start))
	}
	slices.Sort(took)
	b.ReportMetric(float64(took[len(took)/2].Microseconds()), "p50-µs")
	b.ReportMetric(float64(took[len(took)*99/100].Microseconds()), "p99-µs")
}

func run(b *testing.B, ctx context.Context, api platform.API, call *platform.Call) {
	rows, err := api.Func(ctx, call)
	if list, _ := rows.([]any); err != nil || len(list) != 1 {
		b.Fatal(rows, err)
	}
}
