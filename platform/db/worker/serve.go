package worker

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"strconv"
	"sync"
	"time"

	"github.com/bulkhead-run/bulkhead/platform/db/wire"
)

// closing is how long the connections may take to close once the supervisor
// has hung up.
const closing = 2 * time.Second

// Serve opens the database in the working directory, answers on the sockets
// until the supervisor closes one of them, and closes the database. An error
// means that it did not start, or that the supervisor broke the protocol. lock is called
// before anything of the tenant's is read, when nothing but the directory is needed any
// more; the supervisor is told what it returns.
func Serve(config *wire.Config, lock func() ([]byte, error)) error {
	if config.Version != wire.Version {
		return fmt.Errorf("the supervisor speaks version %d of the protocol, this program %d; install both from one release", config.Version, wire.Version)
	}
	if err := probe(); err != nil {
		return err
	}
	sockets, err := inherit(config.Connections)
	if err != nil {
		return err
	}
	report, err := lock()
	if err != nil {
		return err
	}
	var connections []*connection
	for i := range sockets {
		c, err := open(config, i == 0, i == 0 && config.Check)
		if err != nil {
			for _, c := range connections {
				c.close()
			}
			_ = sockets[0].Write(&wire.Response{Failure: describeError(config, "", err), Lockdown: report}) // it may be gone
			return nil
		}
		connections = append(connections, c)
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	var all sync.WaitGroup
	failures := make([]error, len(sockets))
	for i, c := range connections {
		all.Go(func() {
			s := &session{connection: c, socket: sockets[i]}
			if i == 0 {
				s.lockdown = report
			}
			failures[i] = s.serve(ctx)
			cancel() // one is as good as all
			time.AfterFunc(closing, func() { os.Exit(1) })
			for _, other := range sockets {
				_ = other.Close()
			}
		})
	}
	all.Wait()
	// One after another: the last to close makes the log part of the file.
	for _, c := range connections {
		c.close()
	}
	return errors.Join(failures...)
}

// inherit takes the sockets that the process was started with.
func inherit(n int) ([]*wire.Conn, error) {
	if n < 2 || n > 64 {
		return nil, fmt.Errorf("%d connections; from 2 to 64 are possible", n)
	}
	var conns []*wire.Conn
	for i := range n {
		f := os.NewFile(uintptr(wire.FirstSocket+i), "socket "+strconv.Itoa(i))
		c, err := net.FileConn(f)
		if err != nil {
			return nil, err
		}
		if err := f.Close(); err != nil {
			return nil, err
		}
		conns = append(conns, wire.NewConn(c, wire.MaxRequest))
	}
	return conns, nil
}

// session serves one socket with one connection.
type session struct {
	*connection
	socket   *wire.Conn
	lockdown []byte // to report

	mu          sync.Mutex
	cancel      context.CancelFunc // of what runs
	running     uint64
	interrupted uint64 // the latest request to interrupt
}

func (s *session) serve(ctx context.Context) error {
	if err := s.socket.Write(&wire.Response{Lockdown: s.lockdown}); err != nil {
		return nil
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	requests := make(chan *wire.Request)
	broken := make(chan error, 1)
	go func() {
		defer cancel()
		broken <- s.receive(ctx, requests)
	}()
	for {
		select {
		case q := <-requests:
			if err := s.socket.Write(s.answer(ctx, q)); err != nil {
				return nil
			}
		case <-ctx.Done():
			_ = s.socket.Close() // ends receive
			return <-broken
		}
	}
}

// receive hands requests on, and carries out interrupts. It returns nil when
// the supervisor has hung up.
func (s *session) receive(ctx context.Context, requests chan<- *wire.Request) error {
	for {
		q := &wire.Request{}
		if err := s.socket.Read(q); errors.Is(err, wire.ErrMalformed) {
			return err
		} else if err != nil {
			return nil
		}
		if q.Op == wire.Interrupt {
			s.interrupt(q.Number)
			continue
		}
		select {
		case requests <- q:
		case <-ctx.Done():
			return nil
		}
	}
}

func (s *session) interrupt(number uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.interrupted = number
	if s.running == number {
		s.cancel()
	}
}

func (s *session) answer(ctx context.Context, q *wire.Request) *wire.Response {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	s.mu.Lock()
	s.running, s.cancel = q.Number, cancel
	if s.interrupted == q.Number {
		cancel()
	}
	s.mu.Unlock()
	defer func() {
		s.mu.Lock()
		s.running = 0
		s.mu.Unlock()
	}()

	a := &wire.Response{Number: q.Number}
	was := s.inTransaction()
	var err error
	switch q.Op {
	case wire.Describe:
		a.Facts, err = s.describe(ctx, q.SQL)
	case wire.Run:
		if q.Facts == nil || len(q.Facts.Kinds) == 0 {
			err = refusal("nothing is allowed")
			break
		}
		a.Result, a.Facts, err = s.run(ctx, q)
	case wire.Begin:
		err = s.exec("BEGIN IMMEDIATE")
	case wire.Commit:
		err = s.exec("COMMIT")
	case wire.Rollback:
		if was {
			err = s.exec("ROLLBACK")
		}
	default:
		err = refusal("operation %d is unknown", q.Op)
	}
	if err != nil {
		a.Failure = describeError(s.config, s.auth.denied, err)
		if ctx.Err() != nil {
			a.Failure = &wire.Failure{Code: wire.CodeTimeout, Message: "the statement was interrupted"}
		}
		a.Facts, a.Result = nil, nil
	}
	if s.inTransaction() && (!was && q.Op != wire.Begin || q.Op == wire.Commit && err != nil) {
		// What a failure left open belongs to nobody.
		if err := s.exec("ROLLBACK"); err != nil {
			fmt.Fprintln(os.Stderr, "a transaction could not be rolled back:", err)
			os.Exit(1)
		}
	}
	a.Open = s.inTransaction()
	return a
}
