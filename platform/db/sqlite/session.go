package sqlite

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/bulkhead-run/bulkhead/platform/db"
	"github.com/bulkhead-run/bulkhead/platform/db/wire"
)

// session is one connection of a process, used by one call at a time.
type session struct {
	w      *worker
	conn   *wire.Conn
	index  int // of the process's connections
	number uint64
}

// call sends a request and returns its answer, checked, or the error that the
// tenant sees. When ctx ends the request is interrupted; a process that does
// not heed that is killed.
func (s *session) call(ctx context.Context, q wire.Request) (*wire.Response, error) {
	if ctx.Err() != nil {
		return nil, db.ContextError(ctx)
	}
	s.number++
	q.Number = s.number
	hooked := make(chan struct{})
	var killer *time.Timer
	unhook := context.AfterFunc(ctx, func() {
		defer close(hooked)
		killer = time.AfterFunc(s.w.e.o.Grace, func() {
			s.w.kill(&s.w.e.stats.killed, "a statement did not stop at its deadline")
		})
		_ = s.w.interrupts.write(&wire.Interrupt{Connection: s.index, Number: q.Number}) // the killer sees to a failure
	})
	a, err := s.exchange(&q)
	if !unhook() {
		<-hooked
		killer.Stop()
	}
	if err != nil {
		if ctx.Err() != nil {
			return nil, db.ContextError(ctx)
		}
		return nil, s.w.lost()
	}
	if a.Failure != nil {
		return a, s.w.failure(ctx, a.Failure)
	}
	return a, nil
}

func (s *session) exchange(q *wire.Request) (*wire.Response, error) {
	var a *wire.Response
	err := s.conn.Write(q)
	if err == nil {
		a, err = s.read()
	}
	if err == nil {
		err = a.Check(&s.w.config, q.Op, q.Number)
	}
	if errors.Is(err, wire.ErrMalformed) {
		s.w.kill(&s.w.e.stats.violations, "it broke the protocol: "+err.Error())
	} else if err != nil {
		s.w.await()
	}
	return a, err
}

func (s *session) read() (*wire.Response, error) {
	a := &wire.Response{}
	err := s.conn.Read(a)
	return a, err
}

// interrupts is the socket of a process's interrupts.
type interrupts struct {
	conn *wire.Conn
	mu   sync.Mutex
}

func (i *interrupts) write(m *wire.Interrupt) error {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.conn.Write(m)
}
