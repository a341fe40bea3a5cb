package worker

import (
	"errors"
	"fmt"
	"os"
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
	control, sockets, err := inherit(config.Connections)
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
			// The supervisor hangs up when it has compared the report with the process.
			_ = control.Read(&wire.Interrupt{})
			return nil
		}
		connections = append(connections, c)
	}
	go heed(control, connections)
	ended := make(chan error, len(sockets))
	for i, c := range connections {
		hello := &wire.Response{}
		if i == 0 {
			hello.Lockdown = report
		}
		go func() { ended <- c.serve(sockets[i], hello) }()
	}
	for n := range sockets {
		if err := <-ended; err != nil {
			return err
		}
		if n == 0 { // the supervisor hangs up on all
			time.AfterFunc(closing, func() { os.Exit(1) })
		}
	}
	// One after another: the last to close makes the log part of the file.
	for _, c := range connections {
		c.close()
	}
	return nil
}

// inherit takes the sockets that the process was started with: that of the
// interrupts, and one for each connection. They are read by threads that wait in
// the kernel, which wakes them without the way through Go's poller.
func inherit(n int) (control *wire.Conn, sockets []*wire.Conn, err error) {
	if n < 2 || n > 64 {
		return nil, nil, fmt.Errorf("%d connections; from 2 to 64 are possible", n)
	}
	take := func(fd int) *wire.Conn {
		return wire.NewConn(os.NewFile(uintptr(fd), "socket"), wire.MaxRequest)
	}
	for i := range n {
		sockets = append(sockets, take(wire.FirstSocket+i))
	}
	return take(wire.InterruptSocket), sockets, nil
}

// heed carries out interrupts. When the supervisor hangs up, it ends all that
// runs.
func heed(control *wire.Conn, connections []*connection) {
	for {
		var i wire.Interrupt
		if control.Read(&i) != nil {
			for _, c := range connections {
				c.interrupts.hangUp()
			}
			return
		}
		if i.Connection >= 0 && i.Connection < len(connections) {
			connections[i.Connection].interrupts.end(i.Number)
		}
	}
}

// serve answers the requests of a socket. It returns nil when the supervisor has
// hung up.
func (c *connection) serve(socket *wire.Conn, hello *wire.Response) error {
	if socket.Write(hello) != nil {
		return nil
	}
	for {
		var q wire.Request
		switch err := socket.Read(&q); {
		case errors.Is(err, wire.ErrMalformed):
			return err
		case err != nil:
			return nil
		}
		if socket.Write(c.answer(&q)) != nil {
			return nil
		}
	}
}

func (c *connection) answer(q *wire.Request) *wire.Response {
	c.interrupts.begin(q.Number)
	a := &wire.Response{Number: q.Number}
	was := c.inTransaction()
	var err error
	switch q.Op {
	case wire.Describe:
		a.Facts, err = c.describe(q.SQL)
	case wire.Run:
		if q.Facts == nil || len(q.Facts.Kinds) == 0 {
			err = refusal("nothing is allowed")
			break
		}
		a.Result, a.Facts, err = c.run(q)
	case wire.Begin:
		err = c.exec("BEGIN IMMEDIATE")
	case wire.Commit:
		err = c.exec("COMMIT")
	case wire.Rollback:
		if was {
			err = c.exec("ROLLBACK")
		}
	default:
		err = refusal("operation %d is unknown", q.Op)
	}
	if err != nil {
		a.Facts, a.Result = nil, nil
		if c.interrupts.over() {
			a.Failure = &errInterrupted.Failure
		} else {
			a.Failure = describeError(c.config, c.auth.denied, err)
		}
	}
	if c.inTransaction() && (!was && q.Op != wire.Begin || q.Op == wire.Commit && err != nil) {
		// What a failure left open belongs to nobody.
		if err := c.exec("ROLLBACK"); err != nil {
			fmt.Fprintln(os.Stderr, "a transaction could not be rolled back:", err)
			os.Exit(1)
		}
	}
	a.Open = c.inTransaction()
	return a
}
