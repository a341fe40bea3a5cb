package db

import "context"

// Turn lets the statements of one transaction run one at a time, for an
// engine's Tx. Its fields belong to who has the turn.
type Turn struct {
	token chan struct{}
	// Ended says that the transaction is over and its connection given back,
	// Lost that the database ended the transaction by itself.
	Ended, Lost bool
}

// NewTurn returns the turn of a transaction that has begun.
func NewTurn() *Turn { return &Turn{token: make(chan struct{}, 1)} }

// Enter waits for the turn; the caller leaves. It fails when ctx ends, and when
// nothing can be done in the transaction any more.
func (t *Turn) Enter(ctx context.Context) error {
	select {
	case t.token <- struct{}{}:
	case <-ctx.Done():
		return ContextError(ctx)
	}
	switch {
	case t.Ended:
		t.Leave()
		return Errorf(CodeTransaction, "the transaction has ended")
	case t.Lost:
		t.Leave()
		return Errorf(CodeRolledBack, "the database rolled the transaction back when a statement failed")
	}
	return nil
}

// EnterLast waits for the turn, whatever has become of the transaction; a
// statement that runs ends with its context.
func (t *Turn) EnterLast() { t.token <- struct{}{} }

// Leave passes the turn on.
func (t *Turn) Leave() { <-t.token }
