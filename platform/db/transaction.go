package db

import (
	"context"
	"sync"
	"sync/atomic"

	"github.com/bulkhead-run/bulkhead/platform"
)

// transaction is one that an invocation has open.
type transaction struct {
	key    string
	tx     Tx // nil until it has begun
	number float64
	forget func() // drops the rollback at the invocation's end
	ended  atomic.Bool
}

// transactions are those that are open: one of an invocation at the most,
// since a second would wait for the first.
type transactions struct {
	mu     sync.Mutex
	m      map[string]*transaction
	number float64
}

// key is what no two invocations share.
func key(call *platform.Call) string { return call.Tenant + "/" + call.Invocation }

func (ts *transactions) has(call *platform.Call) bool {
	ts.mu.Lock()
	defer ts.mu.Unlock()
	return ts.m[key(call)] != nil
}

// reserve makes room for the invocation's transaction.
func (ts *transactions) reserve(call *platform.Call) (*transaction, error) {
	ts.mu.Lock()
	defer ts.mu.Unlock()
	if ts.m[key(call)] != nil {
		return nil, Errorf(CodeTransaction, "the invocation has a transaction open; run transactions one after another, not in each other")
	}
	ts.number++
	t := &transaction{key: key(call), number: ts.number}
	ts.m[key(call)] = t
	return t, nil
}

// get returns the invocation's transaction, which must have this number.
func (ts *transactions) get(call *platform.Call, number any) (*transaction, error) {
	ts.mu.Lock()
	defer ts.mu.Unlock()
	if t := ts.m[key(call)]; t != nil && t.tx != nil && t.number == number {
		return t, nil
	}
	return nil, Errorf(CodeTransaction, "the transaction has ended")
}

// started completes what reserve began.
func (ts *transactions) started(t *transaction, tx Tx) {
	ts.mu.Lock()
	defer ts.mu.Unlock()
	t.tx = tx
}

// remove forgets a transaction; false if someone did before.
func (ts *transactions) remove(t *transaction) bool {
	if !t.ended.CompareAndSwap(false, true) {
		return false
	}
	ts.mu.Lock()
	defer ts.mu.Unlock()
	delete(ts.m, t.key)
	return true
}

func (ts *transactions) all() (all []*transaction) {
	ts.mu.Lock()
	defer ts.mu.Unlock()
	for _, t := range ts.m {
		if t.tx != nil {
			all = append(all, t)
		}
	}
	return all
}

// transaction begins or ends a transaction.
func (db *DB) transaction(ctx context.Context, call *platform.Call) (any, error) {
	args, err := call.Values()
	if err != nil {
		return nil, err
	}
	switch action := argument(args, 0); action {
	case "begin":
		return db.begin(ctx, call)
	case "commit", "rollback":
		t, err := db.open.get(call, argument(args, 1))
		if err != nil {
			return nil, err
		}
		t.forget()
		if !db.open.remove(t) {
			return nil, Errorf(CodeTransaction, "the transaction has ended")
		}
		defer t.tx.Rollback()
		if action == "commit" {
			return nil, t.tx.Commit(ctx)
		}
		return nil, nil
	}
	return nil, platform.TypeErrorf("db.transaction needs a function")
}

// begin opens a transaction that ends with the invocation at the latest.
func (db *DB) begin(ctx context.Context, call *platform.Call) (any, error) {
	t, err := db.open.reserve(call)
	if err != nil {
		return nil, err
	}
	tx, err := db.engine.Begin(ctx, call.Tenant)
	if err != nil {
		db.open.remove(t)
		return nil, err
	}
	db.rollbacks.Add(1)
	var once sync.Once
	done := func() { once.Do(db.rollbacks.Done) }
	stop := context.AfterFunc(call.Life, func() {
		defer done()
		if db.open.remove(t) {
			tx.Rollback()
		}
	})
	t.forget = func() {
		if stop() {
			done()
		}
	}
	db.open.started(t, tx)
	return t.number, nil
}
