package prompt_test

import (
	"bytes"
	"crypto/rand"
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/bulkhead-run/bulkhead/internal/prompt"
)

// pair is two ends of a TCP connection.
func pair(t *testing.T) (a, b *net.TCPConn) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	dialed, err := net.Dial("tcp", ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	accepted, err := ln.Accept()
	if err != nil {
		t.Fatal(err)
	}
	a, b = dialed.(*net.TCPConn), accepted.(*net.TCPConn)
	t.Cleanup(func() { a.Close(); b.Close() })
	return a, b
}

func open(t *testing.T, conn syscall.Conn) *prompt.Socket {
	t.Helper()
	s, err := prompt.New(conn)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// Both directions at once carry more than the kernel holds.
func TestSocketMovesAll(t *testing.T) {
	a, b := pair(t)
	want := make([]byte, 8<<20+1)
	rand.Read(want)
	var wg sync.WaitGroup
	defer wg.Wait()
	for _, s := range []*prompt.Socket{open(t, a), open(t, b)} {
		wg.Go(func() {
			if n, err := s.Write(want); n != len(want) || err != nil {
				t.Errorf("wrote %d: %v", n, err)
			}
		})
		wg.Go(func() {
			got := make([]byte, len(want))
			if _, err := io.ReadFull(s, got); err != nil || !bytes.Equal(got, want) {
				t.Errorf("read something else: %v", err)
			}
		})
	}
}

func TestSocketEnds(t *testing.T) {
	a, b := pair(t)
	s := open(t, a)
	if n, err := s.Read(nil); n != 0 || err != nil {
		t.Errorf("nothing: %d, %v", n, err)
	}
	_ = a.SetReadDeadline(time.Now().Add(time.Millisecond))
	if _, err := s.Read(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("past the deadline: %v", err)
	}
	_ = a.SetReadDeadline(time.Time{})
	b.CloseWrite()
	if _, err := s.Read(make([]byte, 1)); err != io.EOF {
		t.Errorf("after the other's end: %v", err)
	}
	_ = b.SetLinger(0)
	b.Close() // with a reset
	var err error
	for err == nil {
		_, err = s.Write(make([]byte, 1<<20))
	}
	if !errors.Is(err, syscall.ECONNRESET) && !errors.Is(err, syscall.EPIPE) {
		t.Errorf("after a reset: %v", err)
	}
}

// Closing ends a read that waits, and a write to somebody who does not read.
func TestSocketClosed(t *testing.T) {
	a, _ := pair(t)
	s := open(t, a)
	ended := make(chan error, 2)
	go func() { _, err := s.Read(make([]byte, 1)); ended <- err }()
	go func() { _, err := s.Write(make([]byte, 64<<20)); ended <- err }()
	a.Close()
	for range 2 {
		if err := <-ended; !errors.Is(err, net.ErrClosed) {
			t.Errorf("closed: %v", err)
		}
	}
}

// What is moved in small pieces allocates nothing.
func TestSocketAllocates(t *testing.T) {
	a, b := pair(t)
	from, to := open(t, a), open(t, b)
	buf := make([]byte, 100)
	if n := testing.AllocsPerRun(100, func() {
		from.Write(buf)
		io.ReadFull(to, buf)
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
