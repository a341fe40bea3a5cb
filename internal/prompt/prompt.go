// Package prompt reads and writes sockets without a word to Go's scheduler.
//
// An ordinary read or write is announced to it, for it may take long. In a process
// that is idle from message to message each announcement wakes the runtime's
// monitor, whose thread then looks around every 20 µs for a while: a quarter of
// what a small request costs. In non-blocking mode no call takes long.
package prompt

import (
	"io"
	"sync"
	"syscall"
)

// most is how many bytes one call moves, so that none takes long.
const most = 64 << 10

// Socket reads and writes a socket. Its methods may be called from many goroutines.
type Socket struct{ reads, writes side }

// side is one direction of a socket.
type side struct {
	wait func(try func(fd uintptr) bool) error // tries when the socket is ready, until try says true
	try  func(fd uintptr) bool                 // made once, so that moving allocates nothing

	mu  sync.Mutex // guards what follows
	buf []byte
	n   int
	err error
}

// New returns what moves the bytes of a socket in non-blocking mode, which stays
// the caller's: its deadlines hold, and closing it ends what waits.
func New(conn syscall.Conn) (*Socket, error) {
	raw, err := conn.SyscallConn()
	if err != nil {
		return nil, err
	}
	s := &Socket{}
	s.reads.init(raw.Read, Read)
	s.writes.init(raw.Write, Write)
	return s, nil
}

func (s *side) init(wait func(func(uintptr) bool) error, call func(uintptr, []byte) (int, error)) {
	s.wait, s.try = wait, func(fd uintptr) bool {
		s.n, s.err = call(fd, s.buf)
		return s.err != syscall.EAGAIN
	}
}

// move moves some bytes, once the kernel is ready for it. The lock is held.
func (s *side) move(p []byte) (int, error) {
	s.buf = p
	err := s.wait(s.try)
	s.buf = nil
	if err != nil {
		return 0, err
	}
	return s.n, s.err
}

func (s *Socket) Read(p []byte) (int, error) {
	s.reads.mu.Lock()
	defer s.reads.mu.Unlock()
	n, err := s.reads.move(p)
	if n == 0 && err == nil && len(p) > 0 {
		err = io.EOF
	}
	return n, err
}

func (s *Socket) Write(p []byte) (n int, err error) {
	s.writes.mu.Lock()
	defer s.writes.mu.Unlock()
	for n < len(p) && err == nil {
		var moved int
		moved, err = s.writes.move(p[n:])
		n += moved
	}
	return n, err
}

// Read and Write are one call each, on a descriptor in non-blocking mode. They may
// move less than all.
func Read(fd uintptr, p []byte) (int, error)  { return once(read, fd, p) }
func Write(fd uintptr, p []byte) (int, error) { return once(write, fd, p) }

func once(call func(int, []byte) (int, error), fd uintptr, p []byte) (int, error) {
	for {
		n, err := call(int(fd), p[:min(len(p), most)])
		if err != syscall.EINTR {
			return max(n, 0), err
		}
	}
}
