package gateway_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/bulkhead-run/bulkhead/gateway"
	"github.com/bulkhead-run/bulkhead/internal/outcome"
	"github.com/bulkhead-run/bulkhead/supervisor"
)

// serve runs a server on loopback. stop ends it and waits; it may be called
// more than once.
func serve(t *testing.T, b gateway.Backend, o gateway.Options) (addr string, stop func()) {
	t.Helper()
	return listen(t, b, o, (*gateway.Server).Serve)
}

// serveFunctions runs the functions' listener on loopback.
func serveFunctions(t *testing.T, b gateway.Backend, o gateway.Options) string {
	t.Helper()
	addr, _ := listen(t, b, o, (*gateway.Server).ServeFunctions)
	return addr
}

func listen(t *testing.T, b gateway.Backend, o gateway.Options, serve func(*gateway.Server, context.Context, net.Listener) error) (addr string, stop func()) {
	t.Helper()
	o.Logger = slog.New(slog.DiscardHandler)
	s, err := gateway.New(b, o)
	if err != nil {
		t.Fatal(err)
	}
	ln, err := gateway.Listen("127.0.0.1:0", false)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- serve(s, ctx, ln); close(done) }()
	stop = func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("serving: %v", err)
		}
	}
	t.Cleanup(stop)
	return ln.Addr().String(), stop
}

const invokeTarget = "/v1/tenants/t/functions/f/invoke"

func TestListenRefuses(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	for addr, want := range map[string]string{
		"0.0.0.0:0":           "--plain-http",
		":0":                  "--plain-http",
		"[::]:0":              "--plain-http",
		"192.0.2.1:80":        "--plain-http",
		"example.com:80":      "--plain-http",
		"127.0.0.1":           "HOST:PORT",
		"127.0.0.1:x":         "cannot listen",
		taken.Addr().String(): "the port is in use",
	} {
		ln, err := gateway.Listen(addr, false)
		if err == nil {
			ln.Close()
			t.Errorf("%s: no error", addr)
			continue
		}
		if !strings.Contains(err.Error(), want) || outcome.Of(err) != outcome.Invalid {
			t.Errorf("%s: %v", addr, err)
		}
	}
	ln, err := gateway.Listen("0.0.0.0:0", true)
	if err != nil {
		t.Fatal(err)
	}
	ln.Close()
}

func TestLoopbackServerAnswersOnlyToLoopbackNames(t *testing.T) {
	addr, _ := serve(t, newFake(), gateway.Options{})
	_, port, _ := net.SplitHostPort(addr)
	for host, want := range map[string]int{
		addr: 200, "localhost": 200, "LOCALHOST:" + port: 200, "[::1]:" + port: 200, "127.9.9.9": 200, "a.localhost": 200,
		"evil.example": 421, "evil.example:" + port: 421, "127.0.0.1.evil.example": 421, "192.0.2.1": 421, "localhost.evil.example": 421,
	} {
		req, _ := http.NewRequest("GET", "http://"+addr+"/healthz", nil)
		req.Host = host
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		io.Copy(io.Discard, resp.Body)
		resp.Body.Close()
		if resp.StatusCode != want {
			t.Errorf("Host %q: %d, want %d", host, resp.StatusCode, want)
		}
	}
}

func TestDisconnectEndsTheInvocation(t *testing.T) {
	f := newFake().withFunction()
	started, ended := make(chan struct{}), make(chan error, 1)
	f.invoke = func(ctx context.Context, _ json.RawMessage) (supervisor.Result, error) {
		close(started)
		<-ctx.Done()
		ended <- ctx.Err()
		return supervisor.Result{}, ctx.Err()
	}
	addr, _ := serve(t, f, gateway.Options{})
	ctx, cancel := context.WithCancel(context.Background())
	req, _ := http.NewRequestWithContext(ctx, "POST", "http://"+addr+invokeTarget, strings.NewReader("{}"))
	go func() {
		<-started
		cancel()
	}()
	if resp, err := http.DefaultClient.Do(req); err == nil {
		resp.Body.Close()
		t.Fatal("answered")
	}
	select {
	case <-ended:
	case <-time.After(10 * time.Second):
		t.Fatal("the invocation went on")
	}
}

// Who sends a header byte by byte is cut off, also after requests that were well,
// and keeps nobody else from being served.
func TestHeaderTimeout(t *testing.T) {
	addr, _ := serve(t, &fake{}, gateway.Options{HeaderTimeout: 200 * time.Millisecond})
	for name, before := range map[string]int{"first": 0, "after another": 1} {
		t.Run(name, func(t *testing.T) {
			conn, err := net.Dial("tcp", addr)
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			answers := bufio.NewReader(conn)
			for range before {
				if _, err := io.WriteString(conn, "GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"); err != nil {
					t.Fatal(err)
				}
				resp, err := http.ReadResponse(answers, nil)
				if err != nil || resp.StatusCode != http.StatusOK {
					t.Fatalf("%+v %v", resp, err)
				}
				if _, err := io.Copy(io.Discard, resp.Body); err != nil {
					t.Fatal(err)
				}
			}
			closed := make(chan struct{})
			go func() {
				defer close(closed)
				_, _ = io.Copy(io.Discard, answers) // up to the connection's end, whatever is said before
			}()
			if _, err := io.WriteString(conn, "GET /healthz HTTP/1.1\r\nHost: localhost\r\nX-Slow: "); err != nil {
				t.Fatal(err)
			}
			drip := time.NewTicker(10 * time.Millisecond)
			defer drip.Stop()
			for n := 0; ; n++ {
				select {
				case <-closed:
				case <-drip.C:
					if _, err := conn.Write([]byte("x")); err == nil && n < 3000 {
						if n%20 == 0 {
							resp, err := http.Get("http://" + addr + "/healthz")
							if err != nil || resp.StatusCode != http.StatusOK {
								t.Fatalf("another client: %+v %v", resp, err)
							}
							_ = resp.Body.Close()
						}
						continue
					} else if err == nil {
						t.Fatal("it is still listened to")
					}
				}
				break
			}
		})
	}
}

// A body's time limit must not end an invocation that takes longer.
func TestBodyTimeout(t *testing.T) {
	f := newFake().withFunction()
	const limit = 50 * time.Millisecond
	f.invoke = func(ctx context.Context, event json.RawMessage) (supervisor.Result, error) {
		select {
		case <-ctx.Done():
			return supervisor.Result{}, ctx.Err()
		case <-time.After(4 * limit):
			return supervisor.Result{Receipt: supervisor.Receipt{Invocation: "i"}, Value: event}, nil
		}
	}
	addr, _ := serve(t, f, gateway.Options{BodyTimeout: limit})
	resp, err := http.Post("http://"+addr+invokeTarget, jsonText, strings.NewReader("[1]"))
	if err != nil {
		t.Fatal(err)
	}
	body, _ := io.ReadAll(resp.Body)
	resp.Body.Close()
	if resp.StatusCode != 200 || string(body) != "[1]" {
		t.Errorf("slow function: %d %s", resp.StatusCode, body)
	}

	for _, request := range []string{
		"POST " + invokeTarget + " HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10\r\n\r\n[1",
		"PUT /v1/tenants/t HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n1\r\n{\r\n",
	} {
		conn, err := net.Dial("tcp", addr)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		fmt.Fprint(conn, request)
		conn.SetReadDeadline(time.Now().Add(10 * time.Second))
		resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
		if err != nil {
			t.Fatal(err)
		}
		if resp.StatusCode != http.StatusRequestTimeout {
			t.Errorf("%q: %s", request, resp.Status)
		}
		resp.Body.Close()
	}
}

func TestShutdownLetsRequestsFinish(t *testing.T) {
	f := newFake().withFunction()
	started, finish := make(chan struct{}), make(chan struct{})
	f.invoke = func(_ context.Context, event json.RawMessage) (supervisor.Result, error) {
		close(started)
		<-finish
		return supervisor.Result{Receipt: supervisor.Receipt{Invocation: "i"}, Value: event}, nil
	}
	addr, stop := serve(t, f, gateway.Options{})
	answered := make(chan int, 1)
	go func() {
		resp, err := http.Post("http://"+addr+invokeTarget, jsonText, strings.NewReader("1"))
		if err != nil {
			answered <- 0
			return
		}
		resp.Body.Close()
		answered <- resp.StatusCode
	}()
	<-started
	stopped := make(chan struct{})
	go func() { stop(); close(stopped) }()
	// The listener closes first; only then may the request end.
	for deadline := time.Now().Add(10 * time.Second); ; {
		conn, err := net.Dial("tcp", addr)
		if err != nil {
			break
		}
		conn.Close()
		if time.Now().After(deadline) {
			t.Fatal("the listener stays open")
		}
		time.Sleep(time.Millisecond)
	}
	close(finish)
	if status := <-answered; status != 200 {
		t.Errorf("the running request got %d", status)
	}
	<-stopped
}

func TestShutdownCutsOffAtItsLimit(t *testing.T) {
	f := newFake().withFunction()
	started := make(chan struct{})
	f.invoke = func(ctx context.Context, _ json.RawMessage) (supervisor.Result, error) {
		close(started)
		<-ctx.Done()
		return supervisor.Result{}, ctx.Err()
	}
	addr, stop := serve(t, f, gateway.Options{ShutdownTimeout: time.Millisecond})
	failed := make(chan error, 1)
	go func() {
		resp, err := http.Post("http://"+addr+invokeTarget, jsonText, nil)
		if err == nil {
			resp.Body.Close()
		}
		failed <- err
	}()
	<-started
	stop()
	if err := <-failed; err == nil {
		t.Error("the request was answered")
	}
}
