package sqlite

import (
	"context"
	"time"

	"github.com/bulkhead-run/bulkhead/platform/db"
	"github.com/bulkhead-run/bulkhead/platform/db/wire"
)

// rollbackTimeout is how long a process may take to undo a transaction.
const rollbackTimeout = 5 * time.Second

// tx is a transaction on the connection that writes.
type tx struct {
	w    *worker
	s    *session
	turn *db.Turn
}

// Begin implements db.Engine.
func (e *Engine) Begin(ctx context.Context, tenant string) (db.Tx, error) {
	w, err := e.acquire(ctx, tenant)
	if err != nil {
		return nil, err
	}
	s, err := w.take(ctx, w.writer)
	if err != nil {
		e.release(w)
		return nil, err
	}
	t := &tx{w: w, s: s, turn: db.NewTurn()}
	if _, err := s.call(ctx, wire.Request{Op: wire.Begin}); err != nil {
		t.Rollback()
		return nil, err
	}
	return t, nil
}

// Run implements db.Tx.
func (t *tx) Run(ctx context.Context, s db.Statement, approve db.Approve) (*db.Result, error) {
	if err := t.turn.Enter(ctx); err != nil {
		return nil, err
	}
	defer t.turn.Leave()
	return t.w.run(ctx, s, approve, func(_ *wire.Facts, q wire.Request) (*wire.Response, error) {
		a, err := t.s.call(ctx, q)
		t.turn.Lost = t.turn.Lost || a == nil || !a.Open
		return a, err
	})
}

// Commit implements db.Tx.
func (t *tx) Commit(ctx context.Context) error {
	if err := t.turn.Enter(ctx); err != nil {
		return err
	}
	defer t.turn.Leave()
	_, err := t.s.call(ctx, wire.Request{Op: wire.Commit})
	if err == nil {
		t.giveBack()
	}
	return err
}

// Rollback implements db.Tx.
func (t *tx) Rollback() {
	t.turn.EnterLast()
	defer t.turn.Leave()
	if t.turn.Ended {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), rollbackTimeout)
	defer cancel()
	if a, err := t.s.call(ctx, wire.Request{Op: wire.Rollback}); (err != nil || a.Open) && !t.w.ended() {
		t.w.kill(&t.w.e.stats.killed, "a transaction could not be rolled back")
	}
	t.giveBack()
}

func (t *tx) giveBack() {
	t.turn.Ended = true
	t.w.writer.put(t.s)
	t.w.e.release(t.w)
}
