package db

import (
	"context"
	"encoding/json"
	"sync"

	"github.com/bulkhead-run/bulkhead/platform"
	"github.com/bulkhead-run/bulkhead/policies"
)

// MaxBatch is how many statements one db.batch may have.
const MaxBatch = 1000

// DB is the platform APIs on an engine. It is safe for concurrent use.
type DB struct {
	engine Engine
	open   transactions
	// rollbacks are those of invocations that ended.
	rollbacks sync.WaitGroup
}

// New makes the APIs. The caller closes the DB, which closes engine.
func New(engine Engine) *DB {
	return &DB{engine: engine, open: transactions{m: make(map[string]*transaction)}}
}

// Close rolls back every transaction and closes the engine. Calls made later
// fail.
func (db *DB) Close() error {
	for _, t := range db.open.all() {
		t.forget()
		if db.open.remove(t) {
			t.tx.Rollback()
		}
	}
	err := db.engine.Close()
	db.rollbacks.Wait()
	return err
}

// APIs returns the platform APIs.
//
//	db.query(sql, params?)   an array of rows, as objects
//	db.exec(sql, params?)    {changes, lastInsertRowid}
//	db.batch(statements)     an array of their results, in one transaction
//	db.transaction(callback) what callback returns, in one transaction
//	db_query(sql, params?)   an older name of db.query
//
// Host calls carry one more argument: the number of the transaction that a
// statement belongs to. db.transaction itself is called as ("begin"), which
// returns that number, ("commit", number) and ("rollback", number).
func (db *DB) APIs() []platform.API {
	query := func(ctx context.Context, call *platform.Call) (any, error) {
		r, err := db.run(ctx, call, "db.query")
		if err != nil {
			return nil, err
		}
		return rows(r), nil
	}
	return []platform.API{
		{Name: "db.query", ChecksItself: true, Func: query,
			Doc: "db.query(sql, params?): the rows that one SQL statement returns, as objects"},
		{Name: "db.exec", ChecksItself: true, DeleteTenant: db.engine.DeleteTenant, Func: func(ctx context.Context, call *platform.Call) (any, error) {
			r, err := db.run(ctx, call, "db.exec")
			if err != nil {
				return nil, err
			}
			return changes(r), nil
		}, Doc: "db.exec(sql, params?): {changes, lastInsertRowid} of one SQL statement"},
		{Name: "db.batch", ChecksItself: true, Func: db.batch,
			Doc: "db.batch([sql | {sql, params}, ...]): the statements' results, all or none"},
		{Name: "db.transaction", Func: db.transaction, Attributes: func([]json.RawMessage) (policies.Attributes, error) {
			return policies.Attributes{Statement: "other"}, nil // its statements are checked one by one
		},
			Doc: "db.transaction(async (tx) => ...): tx.query and tx.exec, all or none"},
		{Name: "db_query", ChecksItself: true, Func: query, Doc: "db_query(sql, params?): an older name of db.query"},
	}
}

// run runs the one statement of a call, in a transaction if the call names
// one.
func (db *DB) run(ctx context.Context, call *platform.Call, name string) (*Result, error) {
	args, err := call.Values()
	if err != nil {
		return nil, err
	}
	s, err := parseStatement(name, argument(args, 0), argument(args, 1))
	if err != nil {
		return nil, err
	}
	if number := argument(args, 2); number != nil {
		t, err := db.open.get(call, number)
		if err != nil {
			return nil, err
		}
		return t.tx.Run(ctx, s, approval(call))
	}
	approve := approval(call)
	return db.engine.Run(ctx, call.Tenant, s, func(f Facts) error {
		if err := approve(f); err != nil {
			return err
		}
		if f.Writes && db.open.has(call) {
			// It would wait for the transaction, and the transaction for it.
			return Errorf(CodeTransaction, "the invocation has a transaction open: use tx.query or tx.exec in it, and %s after it", name)
		}
		return nil
	})
}

// batch runs several statements in one transaction.
func (db *DB) batch(ctx context.Context, call *platform.Call) (any, error) {
	args, err := call.Values()
	if err != nil {
		return nil, err
	}
	statements, err := parseBatch(argument(args, 0))
	if err != nil {
		return nil, err
	}
	if db.open.has(call) {
		return nil, Errorf(CodeTransaction, "the invocation has a transaction open: use tx.query or tx.exec in it, and db.batch after it")
	}
	approve := approval(call)
	if len(statements) == 0 {
		return []any{}, approve(Facts{Kinds: []string{"other"}})
	}
	tx, err := db.engine.Begin(ctx, call.Tenant)
	if err != nil {
		return nil, err
	}
	defer tx.Rollback()
	results := make([]any, len(statements))
	for i, s := range statements {
		r, err := tx.Run(ctx, s, approve)
		if err != nil {
			return nil, inBatch(i, err)
		}
		if results[i] = any(changes(r)); len(r.Columns) > 0 {
			results[i] = rows(r)
		}
	}
	return results, tx.Commit(ctx)
}

// approval asks the call's policy, once for each kind of thing that a
// statement does.
func approval(call *platform.Call) Approve {
	return func(f Facts) error {
		for _, kind := range f.Kinds {
			if _, err := call.Check(policies.Attributes{Statement: kind, Tables: f.Tables}); err != nil {
				return err
			}
		}
		return nil
	}
}
