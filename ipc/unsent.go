package ipc

import (
	"errors"
	"os"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/bulkhead-run/bulkhead/internal/prompt"
)

// maxUnsent is how much may wait for a child that does not read, in bytes: the
// answers to all the calls that it may make without waiting for one.
const maxUnsent = 2 << 20

// unsent writes to a socket without waiting for its reader: whoever answers a
// child must go on to read what it sends, or two that both write would wait for
// each other. What the socket does not take at once, a goroutine writes, which
// ends with that or with the connection.
type unsent struct {
	conn *os.File
	raw  syscall.RawConn

	// Of try, which is made once so that writing allocates nothing.
	try   func(fd uintptr) bool
	bytes []byte
	n     int
	err   error

	mu     sync.Mutex
	queue  []byte
	room   sync.Cond // the queue has become shorter, or failed
	failed error
	drains bool
}

func (u *unsent) init(conn *os.File) (err error) {
	u.conn, u.room.L = conn, &u.mu
	u.try = func(fd uintptr) bool {
		u.n, u.err = prompt.Write(fd, u.bytes)
		return true
	}
	u.raw, err = conn.SyscallConn()
	return err
}

// write sends bytes, which stay the caller's, or keeps a copy of them.
func (u *unsent) write(b []byte) error {
	u.mu.Lock()
	defer u.mu.Unlock()
	for len(u.queue) > maxUnsent && u.failed == nil {
		u.room.Wait()
	}
	if u.failed != nil {
		return u.failed
	}
	if len(u.queue) == 0 && !u.drains {
		u.bytes = b
		err := u.raw.Write(u.try)
		u.bytes = nil
		if err == nil && u.err != nil && !errors.Is(u.err, unix.EAGAIN) {
			err = u.err
		}
		if err != nil {
			return err
		}
		if u.err == nil {
			b = b[u.n:]
		}
	}
	if len(b) == 0 {
		return nil
	}
	u.queue = append(u.queue, b...)
	if !u.drains {
		u.drains = true
		go u.drain()
	}
	return nil
}

func (u *unsent) drain() {
	u.mu.Lock()
	defer u.mu.Unlock()
	for len(u.queue) > 0 && u.failed == nil {
		batch := u.queue
		u.queue = nil
		u.mu.Unlock()
		_, err := u.conn.Write(batch)
		u.mu.Lock()
		u.failed = err
		u.room.Broadcast()
	}
	u.drains = false
}
