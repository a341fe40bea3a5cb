package fetch

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/bulkhead-run/bulkhead/policies"
)

// A redirect's target is checked like the first: by the policy, and when it is
// dialled.
func TestRedirectsToWhatIsOutOfReach(t *testing.T) {
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/meta" {
			io.WriteString(w, `<meta http-equiv="refresh" content="0;url=http://127.0.0.1:1/">`)
			return
		}
		var status int
		fmt.Sscanf(r.URL.Path, "/%d", &status)
		w.Header().Set("Location", r.URL.Query().Get("to"))
		w.WriteHeader(status)
	})
	h := newHarness(t, Options{})
	n := &names{answers: map[string][][]string{"loop.example.": {{"127.0.0.1"}}}}
	resolver := n.resolver(t)
	rec := record(h.Fetch, resolver)
	recording := h.pools.newDialer
	h.pools.newDialer = func(private bool) *dialer {
		if private {
			return &dialer{private: true} // for the test's server
		}
		return recording(false)
	}
	h.check = func(policies.Attributes) (policies.Verdict, error) {
		return policies.Verdict{Allowed: true, PortNamed: true}, nil
	}
	for _, status := range []int{301, 302, 303, 307, 308} {
		for _, to := range []string{"http://127.0.0.1:1/", "http://[::1]:1/", "http://169.254.169.254/latest/", "http://loop.example/", "//10.0.0.1/"} {
			_, err := h.get(t.Context(), "a", fmt.Sprintf("%s/%d?to=%s", s.URL, status, to), "")
			wantError(t, err, "TypeError", "the host cannot be reached")
			if got := rec.taken(); got != nil {
				t.Errorf("%d to %s: would connect to %v", status, to, got)
			}
		}
	}
	r, err := h.get(t.Context(), "a", s.URL+"/meta", "")
	if err != nil || r.Redirected {
		t.Errorf("a page that refreshes: %+v, %v", r, err)
	}
}

// What belongs to the connection is ours to say, whatever the function gives.
func TestHeadersOfTheConnection(t *testing.T) {
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		fmt.Fprintf(w, "%s|%v|%d|%s", r.Host, r.TransferEncoding, len(body), r.Proto)
		for _, name := range ownHeaders {
			if v := r.Header.Values(name); len(v) > 0 && name != "Accept-Encoding" && name != "Content-Length" {
				fmt.Fprintf(w, " %s=%q", name, v)
			}
		}
	})
	h := newHarness(t, Options{})
	r, err := h.get(t.Context(), "a", s.URL, `{"method":"POST","body":"abc","headers":[["Host","evil.example"],["Transfer-Encoding","chunked"],
		["Content-Length","100"],["Connection","upgrade, x-other"],["Upgrade","h2c"],["HTTP2-Settings","AAMAAABkAAQAoAAAAAIAAAAA"],["TE","trailers"],
		["Trailer","X"],["Expect","100-continue"],["Proxy-Authorization","Basic eA=="],["Proxy-Connection","keep-alive"],["Keep-Alive","timeout=9"]]}`)
	if want := strings.TrimPrefix(s.URL, "http://") + "|[]|3|HTTP/1.1"; err != nil || string(r.bytes(t)) != want {
		t.Errorf("got %s, %v; want %s", r.bytes(t), err, want)
	}
}

// raw serves connections with f, after the request's header.
func raw(t *testing.T, f func(net.Conn)) string {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	t.Cleanup(func() { ln.Close(); <-done })
	go func() {
		defer close(done)
		for {
			conn, err := ln.Accept()
			if err != nil {
				return
			}
			in := bufio.NewReader(conn)
			for line := ""; line != "\r\n"; {
				if line, err = in.ReadString('\n'); err != nil {
					break
				}
			}
			f(conn)
			conn.Close()
		}
	}()
	return "http://" + ln.Addr().String()
}

func TestHostileServers(t *testing.T) {
	for _, c := range []struct {
		name, part string
		serve      func(net.Conn)
	}{
		{"endless headers", "could not be read", func(c net.Conn) {
			io.WriteString(c, "HTTP/1.1 200 OK\r\n")
			for i := 0; ; i++ {
				if _, err := fmt.Fprintf(c, "X-%d: %s\r\n", i, strings.Repeat("x", 1000)); err != nil {
					return
				}
			}
		}},
		{"one endless header", "could not be read", func(c net.Conn) {
			io.WriteString(c, "HTTP/1.1 200 OK\r\nX: ")
			for {
				if _, err := io.WriteString(c, strings.Repeat("x", 1000)); err != nil {
					return
				}
			}
		}},
		{"informational answers without end", "could not be read", func(c net.Conn) {
			for {
				if _, err := io.WriteString(c, "HTTP/1.1 103 Early Hints\r\nLink: </"+strings.Repeat("x", 1000)+">\r\n\r\n"); err != nil {
					return
				}
			}
		}},
		{"a second version of HTTP", "could not be read", func(c net.Conn) {
			io.WriteString(c, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00\x04\x00\x00\x00\x00\x00")
		}},
		{"switching protocols", "switches protocols", func(c net.Conn) {
			io.WriteString(c, "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: h2c\r\n\r\nPRI")
		}},
		{"not HTTP", "could not be read", func(c net.Conn) { io.WriteString(c, "+PONG\r\n") }},
		{"nothing", "closed the connection early", func(net.Conn) {}},
		{"two lengths", "could not be read", func(c net.Conn) {
			io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nxx")
		}},
		{"a negative length", "could not be read", func(c net.Conn) { io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\nx") }},
		{"bad chunks", "could not be read", func(c net.Conn) {
			io.WriteString(c, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nx")
		}},
		{"a chunk without end", "could not be read", func(c net.Conn) {
			io.WriteString(c, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffffff\r\nx")
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := newHarness(t, Options{}).get(t.Context(), "a", raw(t, c.serve), "")
			wantError(t, err, "TypeError", c.part)
		})
	}
	t.Run("more than its length", func(t *testing.T) {
		url := raw(t, func(c net.Conn) {
			io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokHTTP/1.1 200 OK\r\n\r\n")
		})
		r, err := newHarness(t, Options{}).get(t.Context(), "a", url, "")
		if err != nil || string(r.bytes(t)) != "ok" {
			t.Errorf("got %+v, %v", r, err)
		}
	})
	t.Run("a byte at a time", func(t *testing.T) {
		url := raw(t, func(c net.Conn) {
			for _, err := io.WriteString(c, "HTTP/1.1 200 OK\r\nX: "); err == nil; _, err = io.WriteString(c, "x") {
				time.Sleep(10 * time.Millisecond)
			}
		})
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		defer cancel()
		_, err := newHarness(t, Options{}).get(ctx, "a", url, "")
		wantError(t, err, "TimeoutError", "deadline")
	})
}
