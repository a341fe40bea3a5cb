package supervisor

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/bulkhead-run/bulkhead/internal/outcome"
)

// enter counts a request in. It refuses when the supervisor drains or is
// closed; otherwise the caller calls done.
func (s *Supervisor) enter() (done func(), err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.draining {
		return nil, overloaded("", "", "the supervisor is shutting down", retryAfter)
	}
	s.inflight++
	return s.leave, nil
}

func (s *Supervisor) leave() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.inflight--; s.inflight == 0 && s.draining {
		close(s.quiet)
	}
}

// refuse lets no further request in, and returns a channel that is closed when
// the last one has left.
func (s *Supervisor) refuse() <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.draining {
		s.draining = true
		if s.inflight == 0 {
			close(s.quiet)
		}
	}
	return s.quiet
}

// Drain refuses new requests (Overloaded), waits for those in flight to end,
// and then ends the processes. When ctx ends first, it returns an error, and
// what is still running goes on until Close.
func (s *Supervisor) Drain(ctx context.Context) error {
	quiet := s.refuse()
	select {
	case <-quiet:
	case <-ctx.Done():
		s.mu.Lock()
		n := s.inflight
		s.mu.Unlock()
		return &outcome.Error{Outcome: outcome.Canceled, Detail: fmt.Sprintf("%d requests were still running when the wait for them ended", n), Err: ctx.Err()}
	}
	s.halt()
	return nil
}

// halt ends every process and everything that runs in the background.
func (s *Supervisor) halt() {
	s.end()
	s.journal.Close()
	s.pool.close()
	<-s.refuse()
	s.coroutines.close()
	s.background.Wait()
}

// Close ends everything at once: requests in flight fail, processes are
// killed, and when it returns no process, goroutine, descriptor or file of the
// supervisor's is left but the data directory. Use Drain before to let
// requests finish. Close may be called often.
func (s *Supervisor) Close() error {
	s.closing.Do(func() {
		s.refuse()
		s.halt()
		s.starter.Close()
		err := errors.Join(s.store.Close(), s.audit.Close(), s.ledger.Close())
		if s.temporary != "" {
			err = errors.Join(err, os.RemoveAll(s.temporary))
		}
		s.closeErr = errors.Join(err, s.runtime.close())
	})
	return s.closeErr
}
