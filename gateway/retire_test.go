package gateway_test

import (
	"bufio"
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"testing"
	"time"

	"github.com/bulkhead-run/bulkhead/gateway"
)

// ask sends a request on a connection and returns its answer.
func ask(t *testing.T, conn net.Conn) *http.Response {
	t.Helper()
	fmt.Fprint(conn, "GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
	conn.SetReadDeadline(time.Now().Add(10 * time.Second))
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	return resp
}

func dial(t *testing.T, addr string) net.Conn {
	t.Helper()
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return conn
}

func TestRetire(t *testing.T) {
	s, err := gateway.New(newFake(), gateway.Options{Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	ln, err := gateway.Listen("127.0.0.1:0", false)
	if err != nil {
		t.Fatal(err)
	}
	serving, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- s.Serve(serving, ln) }()
	first, second := dial(t, ln.Addr().String()), dial(t, ln.Addr().String())
	for _, conn := range []net.Conn{first, second} {
		if resp := ask(t, conn); resp.Close {
			t.Fatal("closed before its time")
		}
	}

	retired := make(chan struct{})
	go func() { s.Retire(t.Context()); close(retired) }()
	// A new connection is taken, and closed with its answer once it retires.
	for deadline := time.Now().Add(10 * time.Second); !ask(t, dial(t, ln.Addr().String())).Close; {
		if time.Now().After(deadline) {
			t.Fatal("clients are not told")
		}
	}
	if resp := ask(t, first); !resp.Close || resp.StatusCode != 200 {
		t.Errorf("%+v", resp)
	}
	select {
	case <-retired:
		t.Error("retired while a connection waits that nobody has told")
	default:
	}
	if resp := ask(t, second); !resp.Close || resp.StatusCode != 200 {
		t.Errorf("%+v", resp)
	}
	<-retired
	stop()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

func TestRetireEndsWithItsContext(t *testing.T) {
	s, err := gateway.New(newFake(), gateway.Options{Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	ln, err := gateway.Listen("127.0.0.1:0", false)
	if err != nil {
		t.Fatal(err)
	}
	serving, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- s.Serve(serving, ln) }()
	ask(t, dial(t, ln.Addr().String()))
	limit, cancel := context.WithCancel(t.Context())
	cancel()
	s.Retire(limit)
	stop()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

// A connection that was accepted gets its answer, even when its request comes
// after the end has begun.
func TestShutdownAnswersWhoIsConnected(t *testing.T) {
	addr, stop := serve(t, newFake(), gateway.Options{})
	conn := dial(t, addr)
	ask(t, dial(t, addr)) // so the first one, too, has been accepted
	stopped := make(chan struct{})
	go func() { stop(); close(stopped) }()
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(time.Millisecond) {
		other, err := net.Dial("tcp", addr)
		if err != nil {
			break
		}
		other.Close()
		if time.Now().After(deadline) {
			t.Fatal("the listener stays open")
		}
	}
	if resp := ask(t, conn); resp.StatusCode != 200 || !resp.Close {
		t.Errorf("%+v", resp)
	}
	<-stopped
}

func TestProbe(t *testing.T) {
	s, err := gateway.New(newFake(), gateway.Options{Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Probe(t.Context()); err != nil {
		t.Error(err)
	}
}
