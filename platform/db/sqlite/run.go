package sqlite

import (
	"context"

	"github.com/bulkhead-run/bulkhead/platform/db"
	"github.com/bulkhead-run/bulkhead/platform/db/wire"
)

// maxRounds is how often a statement may turn out to do other things than it
// was approved for: the schema changes while it is on its way.
const maxRounds = 8

// Run implements db.Engine.
func (e *Engine) Run(ctx context.Context, tenant string, s db.Statement, approve db.Approve) (*db.Result, error) {
	w, err := e.acquire(ctx, tenant)
	if err != nil {
		return nil, err
	}
	defer e.release(w)
	return w.run(ctx, s, approve, func(f *wire.Facts, q wire.Request) (*wire.Response, error) {
		from := w.readers
		if f != nil && f.Writes {
			from = w.writer
		}
		s, err := w.take(ctx, from)
		if err != nil {
			return nil, err
		}
		defer from.put(s)
		a, err := s.call(ctx, q)
		if a != nil && a.Open {
			w.kill(&e.stats.violations, "it left a transaction open")
		}
		return a, err
	})
}

// run learns what a statement does, has it approved, and runs it within that.
// do sends a request on a connection that can do what f says.
func (w *worker) run(ctx context.Context, s db.Statement, approve db.Approve, do func(f *wire.Facts, q wire.Request) (*wire.Response, error)) (*db.Result, error) {
	f := w.facts.get(s.SQL)
	if f == nil {
		a, err := do(nil, wire.Request{Op: wire.Describe, SQL: s.SQL})
		if err != nil {
			return nil, err
		}
		f = a.Facts
	}
	q := wire.Request{Op: wire.Run, SQL: s.SQL, Params: params(s.Params)}
	for range maxRounds {
		if approve != nil {
			if err := approve(db.Facts{Kinds: f.Kinds, Tables: f.Tables, Writes: f.Writes}); err != nil {
				return nil, err
			}
		}
		q.Facts = f
		a, err := do(f, q)
		if err != nil {
			return nil, err
		}
		if r := a.Result; r != nil {
			w.facts.put(s.SQL, f)
			return &db.Result{Columns: r.Columns, Rows: r.Rows, Changes: r.Changes, LastInsertRowID: r.LastInsertRowID}, nil
		}
		f = a.Facts
	}
	return nil, db.Errorf(db.CodeLocked, "the schema keeps changing; try again")
}

// params brings parameters into the form of SQLite, which has no booleans.
func params(given []db.Param) []wire.Param {
	params := make([]wire.Param, len(given))
	for i, p := range given {
		params[i] = wire.Param{Name: p.Name, Value: p.Value}
		if b, ok := p.Value.(bool); ok {
			params[i].Value = int64(0)
			if b {
				params[i].Value = int64(1)
			}
		}
	}
	return params
}
