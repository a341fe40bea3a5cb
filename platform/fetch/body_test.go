package fetch

import (
	"bytes"
	"compress/flate"
	"compress/gzip"
	"compress/zlib"
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/bulkhead-run/bulkhead/platform"
	"github.com/bulkhead-run/bulkhead/policies"
)

// open makes a request and leaves the body to the caller, if it is a stream.
func (h *harness) open(t *testing.T, ctx context.Context, url, init string) (io.ReadCloser, *response) {
	t.Helper()
	r, err := h.call(ctx, "a", url, init)
	if err != nil {
		t.Fatal(err)
	}
	if r.BodyStream == nil {
		t.Fatalf("the body came with the result: %+v", r)
	}
	return h.streams.sent(*r.BodyStream), r
}

func compressed(t *testing.T, coding string, data []byte) []byte {
	t.Helper()
	var buf bytes.Buffer
	var w io.WriteCloser = gzip.NewWriter(&buf)
	switch coding {
	case "deflate":
		w = zlib.NewWriter(&buf)
	case "bare":
		w, _ = flate.NewWriter(&buf, 6)
	}
	w.Write(data)
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return buf.Bytes()
}

func TestDecompression(t *testing.T) {
	large := bytes.Repeat([]byte("abcdefgh"), 50_000)
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if got := r.Header.Get("Accept-Encoding"); got != "gzip, deflate" {
			t.Errorf("Accept-Encoding %q", got)
		}
		coding, data := r.URL.Query().Get("coding"), []byte("small")
		if r.URL.Path == "/large" {
			data = large
		}
		body := compressed(t, coding, data)
		switch r.URL.Path {
		case "/cut":
			body = body[:len(body)-3]
		case "/wrong":
			body = append([]byte("wrong"), body...)
		case "/empty":
			body = nil
		}
		if coding == "bare" {
			coding = "deflate"
		}
		w.Header().Set("Content-Encoding", coding)
		w.Write(body)
	})
	h := newHarness(t, Options{})
	for _, coding := range []string{"gzip", "x-gzip", "GZIP", "deflate", "bare"} {
		for path, want := range map[string][]byte{"/small": []byte("small"), "/large": large, "/empty": {}} {
			r, err := h.get(t.Context(), "a", s.URL+path+"?coding="+coding, `{"headers":{"accept-encoding":"br"}}`)
			if err != nil || !bytes.Equal(r.bytes(t), want) {
				t.Errorf("%s %s: %v", coding, path, err)
				continue
			}
			if r.header("content-encoding") != "" && path != "/empty" {
				t.Errorf("%s %s: headers %v", coding, path, r.Headers)
			}
		}
		_, err := h.get(t.Context(), "a", s.URL+"/cut?coding="+coding, "")
		wantError(t, err, "TypeError", "closed the connection early")
	}
	_, err := h.get(t.Context(), "a", s.URL+"/wrong?coding=gzip", "")
	wantError(t, err, "TypeError", "compression is not valid")
	r, err := h.get(t.Context(), "a", s.URL+"/small?coding=br", "")
	if err != nil || r.header("content-encoding") != "br" {
		t.Errorf("a coding that was not asked for: %+v, %v", r, err)
	}
}

func TestBodiesAreLimitedAsTheyPass(t *testing.T) {
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		var out io.Writer = w
		if r.URL.Path == "/bomb" {
			w.Header().Set("Content-Encoding", "gzip")
			z := gzip.NewWriter(w)
			defer z.Close()
			out = z
		}
		if r.URL.Path == "/told" {
			w.Header().Set("Content-Length", "10737418240")
		}
		for r.Context().Err() == nil {
			if _, err := out.Write(make([]byte, 64<<10)); err != nil {
				return
			}
		}
	})
	h := newHarness(t, Options{MaxBody: 1 << 20})
	for _, max := range []int64{0, 300_000, 5 << 20} {
		want := int64(1 << 20)
		if max == 300_000 {
			want = max
		}
		h.verdict = &policies.Verdict{Allowed: true, Private: true, PortNamed: true, MaxResponse: max}
		for _, path := range []string{"/bomb", "/endless"} {
			body, _ := h.open(t, t.Context(), s.URL+path, "")
			n, err := io.Copy(io.Discard, body)
			wantError(t, err, "TypeError", fmt.Sprintf("over %d bytes", want))
			if n > want {
				t.Errorf("%s: %d bytes passed", path, n)
			}
		}
		_, err := h.get(t.Context(), "a", s.URL+"/told", "")
		wantError(t, err, "TypeError", fmt.Sprintf("over %d bytes", want))
	}
}

// The last hop's verdict is the one that limits the body.
func TestLimitOfARedirectsTarget(t *testing.T) {
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/" {
			http.Redirect(w, r, "/big", http.StatusFound)
			return
		}
		w.Write(make([]byte, 100))
	})
	h := newHarness(t, Options{})
	h.check = func(policies.Attributes) (policies.Verdict, error) {
		return policies.Verdict{Allowed: true, Private: true, PortNamed: true, MaxResponse: 50}, nil
	}
	_, err := h.get(t.Context(), "a", s.URL, "")
	wantError(t, err, "TypeError", "over 50 bytes")
}

// A streamed body lives on after the call, until it is closed; the connection
// goes with it.
func TestClosedBodies(t *testing.T) {
	gone := make(chan struct{}, 1)
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		w.Write(make([]byte, 100))
		w.(http.Flusher).Flush()
		<-r.Context().Done()
		gone <- struct{}{}
	})
	h := newHarness(t, Options{MaxConcurrent: 1})
	for name, end := range map[string]func(io.Closer, context.CancelFunc){
		"closed":   func(c io.Closer, _ context.CancelFunc) { c.Close() },
		"canceled": func(_ io.Closer, cancel context.CancelFunc) { cancel() },
	} {
		t.Run(name, func(t *testing.T) {
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			body, _ := h.open(t, ctx, s.URL, "")
			if n, err := io.ReadFull(body, make([]byte, 100)); err != nil {
				t.Fatal(n, err)
			}
			read := make(chan error)
			go func() {
				_, err := body.Read(make([]byte, 1))
				read <- err
			}()
			end(body, cancel)
			wantError(t, <-read, "AbortError", "canceled")
			<-gone
			// Its place is free again.
			next, _ := h.open(t, t.Context(), s.URL, "")
			next.Close()
			<-gone
		})
	}
	t.Run("with Fetch", func(t *testing.T) {
		h := newHarness(t, Options{})
		body, _ := h.open(t, t.Context(), s.URL, "")
		h.Close()
		_, err := io.Copy(io.Discard, body)
		wantError(t, err, "AbortError", "canceled")
		<-gone
	})
}

// A body that has been read to its end gives its connection back.
func TestStreamedConnectionsAreReused(t *testing.T) {
	from := map[string]bool{}
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		from[r.RemoteAddr] = true
		w.Write(make([]byte, 200<<10))
	})
	h := newHarness(t, Options{MaxConcurrent: 1})
	for range 3 {
		body, _ := h.open(t, t.Context(), s.URL, "")
		if n, err := io.Copy(io.Discard, body); n != 200<<10 || err != nil {
			t.Fatal(n, err)
		}
	}
	if len(from) != 1 {
		t.Errorf("%d connections", len(from))
	}
}

func TestSilentServers(t *testing.T) {
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		w.Write(make([]byte, 10))
		w.(http.Flusher).Flush()
		<-r.Context().Done()
	})
	h := newHarness(t, Options{})
	h.bodyTimeout = 30 * time.Millisecond
	_, err := h.get(t.Context(), "a", s.URL, "")
	wantError(t, err, "TypeError", "sent nothing for too long")

	h = newHarness(t, Options{})
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	body, _ := h.open(t, ctx, s.URL, "")
	_, err = io.Copy(io.Discard, body)
	wantError(t, err, "TimeoutError", "deadline")
}

func TestResponsesThatBreakOff(t *testing.T) {
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/length" {
			w.Header().Set("Content-Length", "1000000")
		}
		w.Write(make([]byte, 200<<10))
		w.(http.Flusher).Flush()
		panic(http.ErrAbortHandler)
	})
	h := newHarness(t, Options{})
	for _, path := range []string{"/length", "/chunked"} {
		body, _ := h.open(t, t.Context(), s.URL+path, "")
		n, err := io.Copy(io.Discard, body)
		wantError(t, err, "TypeError", "fetch failed")
		if n > 200<<10 {
			t.Errorf("%s: %d bytes", path, n)
		}
		if _, again := body.Read(make([]byte, 1)); again == nil {
			t.Errorf("%s: it reads on", path)
		}
	}
}

// Too many streams fail the call, and leave nothing open.
func TestNoRoomForABody(t *testing.T) {
	gone := make(chan struct{})
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		w.Write(make([]byte, 100<<10))
		w.(http.Flusher).Flush()
		<-r.Context().Done()
		close(gone)
	})
	h := newHarness(t, Options{})
	h.streams.refuse = platform.Errorf("LimitError", "too many")
	_, err := h.call(t.Context(), "a", s.URL, "")
	wantError(t, err, "LimitError", "too many")
	<-gone
}

func TestUploads(t *testing.T) {
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		n, err := io.Copy(io.Discard, r.Body)
		fmt.Fprintf(w, "%s %d of %d %v %v", r.Method, n, r.ContentLength, r.TransferEncoding, err)
	})
	h := newHarness(t, Options{MaxBody: 4 << 20})
	for _, c := range []struct {
		name, size, want string
		n                int64
	}{
		{"unsized", "", "POST 3000000 of -1 [chunked] <nil>", 3_000_000},
		{"sized", `,"bodySize":3000000`, "POST 3000000 of 3000000 [] <nil>", 3_000_000},
		{"small", `,"bodySize":1000`, "POST 1000 of 1000 [] <nil>", 1000},
		{"empty", `,"bodySize":0`, "POST 0 of 0 [] <nil>", 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			id := h.streams.write(io.NopCloser(io.LimitReader(zeros{}, c.n)))
			r, err := h.get(t.Context(), "a", s.URL, fmt.Sprintf(`{"method":"POST","bodyStream":%d%s}`, id, c.size))
			if err != nil || string(r.bytes(t)) != c.want {
				t.Errorf("got %+v, %v", r, err)
			}
		})
	}
	for _, size := range []string{"", `,"bodySize":5000000`} {
		body := newClosing(zeros{})
		_, err := h.get(t.Context(), "a", s.URL, fmt.Sprintf(`{"method":"POST","bodyStream":%d%s}`, h.streams.write(body), size))
		wantError(t, err, "TypeError", "body is over 4194304 bytes")
		<-body.closed
	}
	for _, size := range []string{"1000", "2000000"} {
		_, err := h.get(t.Context(), "a", s.URL, fmt.Sprintf(`{"method":"POST","bodySize":%s,"bodyStream":%d}`, size, h.streams.write(io.NopCloser(strings.NewReader("short")))))
		wantError(t, err, "TypeError", "fetch failed")
	}
	_, err := h.get(t.Context(), "a", s.URL, `{"method":"POST","bodyStream":99}`)
	wantError(t, err, "TypeError", "no such stream")
}

// closing tells when it has been closed.
type closing struct {
	io.Reader
	once   sync.Once
	closed chan struct{}
}

func newClosing(r io.Reader) *closing { return &closing{Reader: r, closed: make(chan struct{})} }

func (c *closing) Close() error {
	c.once.Do(func() { close(c.closed) })
	return nil
}

func TestUploadsAndRedirects(t *testing.T) {
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		n, _ := io.Copy(io.Discard, r.Body)
		var status int
		if _, err := fmt.Sscanf(r.URL.Path, "/%d", &status); err == nil {
			http.Redirect(w, r, "/end", status)
			return
		}
		fmt.Fprint(w, r.Method, " ", n)
	})
	h := newHarness(t, Options{})
	for status, want := range map[int]string{301: "GET 0", 302: "GET 0", 303: "GET 0", 307: "", 308: ""} {
		for size, then := range map[string]string{"": want, `,"bodySize":2000000`: want, `,"bodySize":100`: strings.TrimSpace(want + strings.Repeat("POST 100", (status-300)/7))} {
			n := int64(2_000_000)
			if strings.HasSuffix(size, ":100") {
				n = 100
			}
			id := h.streams.write(io.NopCloser(io.LimitReader(zeros{}, n)))
			r, err := h.get(t.Context(), "a", fmt.Sprintf("%s/%d", s.URL, status), fmt.Sprintf(`{"method":"POST","bodyStream":%d%s}`, id, size))
			if then == "" {
				wantError(t, err, "TypeError", "cannot be sent again")
			} else if err != nil || string(r.bytes(t)) != then {
				t.Errorf("%d%s: %+v, %v", status, size, r, err)
			}
		}
	}
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { return len(p), nil }

// What is read ahead and what follows are the body, whatever the pace of either
// side.
func TestReadAhead(t *testing.T) {
	want := make([]byte, 300_000)
	for i := range want {
		want[i] = byte(i % 251)
	}
	for _, size := range []int{1, 100, 70_000, 300_000} {
		t.Run(fmt.Sprint(size), func(t *testing.T) {
			r, w := io.Pipe()
			go func() {
				for at := 0; at < len(want); at += size {
					w.Write(want[at:min(at+size, len(want))])
				}
				w.Close()
			}()
			a := readAhead(r, maxInline)
			if _, done, err := a.wait(0); done || err != nil {
				t.Fatal(done, err)
			}
			var got bytes.Buffer
			if _, err := io.CopyBuffer(&got, struct{ io.Reader }{a}, make([]byte, 777)); err != nil || !bytes.Equal(got.Bytes(), want) {
				t.Errorf("%d bytes, %v", got.Len(), err)
			}
		})
	}
}
