package worker

import (
	"sync"
	"time"

	"modernc.org/libc"
	lib "modernc.org/sqlite/lib"

	"github.com/bulkhead-run/bulkhead/platform/db/wire"
)

// interruptInterval is how often SQLite is told: it forgets an interrupt that
// comes between two steps.
const interruptInterval = 5 * time.Millisecond

var errInterrupted = &failure{wire.Failure{Code: wire.CodeTimeout, Message: "the statement was interrupted"}}

// interrupts ends what a connection runs, when the supervisor says so. begin,
// over, allow and forbid are for the connection's goroutine.
type interrupts struct {
	handle uintptr

	mu      sync.Mutex
	running uint64 // the request that is at work
	ended   uint64 // the latest that is to end
	hungUp  bool   // all are
	exposed bool   // SQLite is at what may be interrupted
}

// begin says which request is at work from now on.
func (i *interrupts) begin(number uint64) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.running = number
}

// over reports whether the request at work is to end.
func (i *interrupts) over() bool {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.isOver()
}

func (i *interrupts) isOver() bool { return i.hungUp || i.running <= i.ended }

// allow lets SQLite be interrupted until forbid. It fails when the request is to
// end.
func (i *interrupts) allow() error {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.isOver() {
		return errInterrupted
	}
	i.exposed = true
	return nil
}

func (i *interrupts) forbid() {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.exposed = false
}

// end ends a request, which may be yet to come.
func (i *interrupts) end(number uint64) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.ended = max(i.ended, number)
	i.strike()
}

// hangUp ends the request at work and all that follow.
func (i *interrupts) hangUp() {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.hungUp = true
	i.strike()
}

// strike interrupts what is over. The lock is held.
func (i *interrupts) strike() {
	if !i.exposed || !i.isOver() {
		return
	}
	tls := libc.NewTLS() // the connection's own is in use
	defer tls.Close()
	lib.Xsqlite3_interrupt(tls, i.handle)
	number := i.running
	time.AfterFunc(interruptInterval, func() {
		i.mu.Lock()
		defer i.mu.Unlock()
		if i.running == number {
			i.strike()
		}
	})
}
