package fetch

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/bulkhead-run/bulkhead/platform"
	"github.com/bulkhead-run/bulkhead/policies"
)

// TestMain fails when a test leaves a goroutine behind.
func TestMain(m *testing.M) {
	flag.Parse()
	if flag.Lookup("test.fuzz").Value.String() != "" {
		os.Exit(m.Run())
	}
	before := runtime.NumGoroutine()
	code := m.Run()
	http.DefaultTransport.(*http.Transport).CloseIdleConnections()
	deadline := time.Now().Add(5 * time.Second)
	for runtime.NumGoroutine() > before && time.Now().Before(deadline) {
		runtime.Gosched()
	}
	if n := runtime.NumGoroutine(); code == 0 && n > before {
		buf := make([]byte, 1<<20)
		fmt.Printf("%d goroutines left, %d before:\n%s\n", n, before, buf[:runtime.Stack(buf, true)])
		code = 1
	}
	os.Exit(code)
}

var allow = policies.Verdict{Allowed: true, Private: true, PortNamed: true}

type harness struct {
	*Fetch
	checks []policies.Attributes
	check  func(policies.Attributes) (policies.Verdict, error)
	// verdict, if not nil, is the first request's.
	verdict *policies.Verdict
	streams streams
}

func newHarness(t *testing.T, o Options) *harness {
	h := &harness{Fetch: New(o)}
	t.Cleanup(h.Close)
	t.Cleanup(h.streams.end)
	return h
}

// call makes a request; the body may still be a stream.
func (h *harness) call(ctx context.Context, tenant, url, init string) (*response, error) {
	verdict := allow
	if h.verdict != nil {
		verdict = *h.verdict
	}
	v, err := h.API().Func(ctx, &platform.Call{
		Tenant: tenant, Function: "f", Args: args(url, init), Verdict: verdict, Streams: &h.streams,
		Check: func(a policies.Attributes) (policies.Verdict, error) {
			h.checks = append(h.checks, a)
			if h.check != nil {
				return h.check(a)
			}
			return allow, nil
		},
	})
	if err != nil {
		return nil, err
	}
	r := &response{}
	return r, json.Unmarshal(v.(json.RawMessage), r)
}

// get is call, and reads the body.
func (h *harness) get(ctx context.Context, tenant, url, init string) (*response, error) {
	r, err := h.call(ctx, tenant, url, init)
	if err != nil || r.BodyStream == nil {
		return r, err
	}
	body, err := io.ReadAll(h.streams.sent(*r.BodyStream))
	if err != nil {
		return nil, err
	}
	r.setBody(body) // it took its time, or was large
	return r, nil
}

func (r *response) header(name string) string {
	for _, h := range r.Headers {
		if h[0] == name {
			return h[1]
		}
	}
	return ""
}

func (r *response) bytes(t *testing.T) []byte {
	t.Helper()
	if (r.Body == nil) == (r.BodyBase64 == nil) {
		t.Fatal("one of body and bodyBase64 must be there")
	}
	if r.Body != nil {
		return []byte(*r.Body)
	}
	b, err := base64.StdEncoding.DecodeString(*r.BodyBase64)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func serve(t *testing.T, f http.HandlerFunc) *httptest.Server {
	s := httptest.NewServer(f)
	t.Cleanup(s.Close)
	return s
}

func wantError(t *testing.T, err error, name, part string) {
	t.Helper()
	var pe *platform.Error
	if !errors.As(err, &pe) || pe.Name != name || !strings.Contains(pe.Message, part) {
		t.Errorf("got %v, want %s with %q", err, name, part)
	}
}

func TestRoundTrip(t *testing.T) {
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		w.Header().Add("Set-Cookie", "a=1")
		w.Header().Add("Set-Cookie", "b=2")
		w.Header().Set("X-Seen", fmt.Sprintf("%s %s %q ct=%s len=%d te=%v ua=%s", r.Method, r.URL.RequestURI(), body, r.Header.Get("Content-Type"), r.ContentLength, r.TransferEncoding, r.UserAgent()))
		w.Header().Set("X-Host", r.Host)
		w.WriteHeader(418)
		io.WriteString(w, "<tea> & é")
	})
	h := newHarness(t, Options{})
	r, err := h.get(t.Context(), "a", s.URL+"/p?q=a b", `{"method":"post","headers":{"x-a":"1","host":"evil"},"body":"hi"}`)
	if err != nil {
		t.Fatal(err)
	}
	if r.Status != 418 || r.StatusText != "I'm a teapot" || r.Redirected || r.URL != s.URL+"/p?q=a%20b" || *r.Body != "<tea> & é" {
		t.Errorf("got %+v", r)
	}
	if got := r.header("x-seen"); got != "POST /p?q=a%20b \"hi\" ct=text/plain;charset=UTF-8 len=2 te=[] ua=Bulkhead" {
		t.Errorf("the server saw %q", got)
	}
	if got := r.header("x-host"); got != strings.TrimPrefix(s.URL, "http://") {
		t.Errorf("the server was called %q", got)
	}
	cookies := 0
	for _, hd := range r.Headers {
		if hd[0] == "set-cookie" {
			cookies++
		}
	}
	if cookies != 2 {
		t.Errorf("%d cookies in %v", cookies, r.Headers)
	}
	r, err = h.get(t.Context(), "a", s.URL, `{"method":"PUT","bodyBase64":"AAE="}`)
	if err != nil || !strings.HasPrefix(r.header("x-seen"), `PUT / "\x00\x01" ct= len=2`) {
		t.Errorf("binary body: %+v, %v", r, err)
	}
	r, err = h.get(t.Context(), "a", s.URL, `{"method":"HEAD"}`)
	if err != nil || *r.Body != "" || r.Status != 418 {
		t.Errorf("HEAD: %+v, %v", r, err)
	}
}

func TestBinaryAndSwellingBodies(t *testing.T) {
	bodies := map[string][]byte{"/bin": {0xff, 0, 1, 2}, "/nul": bytes.Repeat([]byte{0}, 1000), "/text": []byte("plain"), "/empty": nil}
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header()["X-Latin"] = []string{"caf\xe9"}
		w.Write(bodies[r.URL.Path])
	})
	h := newHarness(t, Options{})
	for path, want := range bodies {
		r, err := h.get(t.Context(), "a", s.URL+path, "")
		if err != nil || !bytes.Equal(r.bytes(t), want) {
			t.Errorf("%s: %+v, %v", path, r, err)
			continue
		}
		if base64 := path == "/bin" || path == "/nul"; (r.BodyBase64 != nil) != base64 {
			t.Errorf("%s: base64 is %v", path, !base64)
		}
		if r.header("x-latin") != "café" {
			t.Errorf("header %q", r.header("x-latin"))
		}
	}
}

func TestResponseBounds(t *testing.T) {
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/exact":
			w.Write(make([]byte, 1000))
		case "/over":
			w.Write(make([]byte, 1001))
		case "/gzip":
			w.Header().Set("Content-Encoding", "gzip")
			z := gzip.NewWriter(w)
			for range 1000 {
				z.Write(make([]byte, 1<<10))
			}
			z.Close()
		case "/endless":
			for r.Context().Err() == nil {
				if _, err := w.Write(make([]byte, 1<<10)); err != nil {
					return
				}
			}
		case "/header":
			w.Header().Set("X-Big", strings.Repeat("x", 100<<10))
		case "/short":
			w.Header().Set("Content-Length", "100")
			w.Write([]byte("x"))
		case "/early":
			for range 10_000 {
				w.Header().Set("Link", "<a>")
				w.WriteHeader(http.StatusEarlyHints)
			}
		}
	})
	h := newHarness(t, Options{MaxBody: 1000})
	if r, err := h.get(t.Context(), "a", s.URL+"/exact", ""); err != nil || len(r.bytes(t)) != 1000 {
		t.Errorf("at the limit: %v", err)
	}
	for path, part := range map[string]string{
		"/over": "over 1000 bytes", "/gzip": "over 1000 bytes", "/endless": "over 1000 bytes",
		"/header": "could not be read", "/short": "closed the connection early", "/early": "could not be read",
	} {
		_, err := h.get(t.Context(), "a", s.URL+path, "")
		wantError(t, err, "TypeError", part)
	}
}

func TestDeadlineAndCancel(t *testing.T) {
	arrived := make(chan struct{}, 2)
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(200)
		w.(http.Flusher).Flush()
		arrived <- struct{}{}
		<-r.Context().Done()
	})
	h := newHarness(t, Options{})
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	_, err := h.get(ctx, "a", s.URL, "")
	wantError(t, err, "TimeoutError", "deadline")
	<-arrived
	ctx, cancel = context.WithCancel(t.Context())
	go func() { <-arrived; cancel() }()
	_, err = h.get(ctx, "a", s.URL, "")
	wantError(t, err, "AbortError", "canceled")
}

func TestClose(t *testing.T) {
	arrived := make(chan struct{})
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		close(arrived)
		<-r.Context().Done()
	})
	h := newHarness(t, Options{})
	done := make(chan error)
	go func() {
		_, err := h.get(context.Background(), "a", s.URL, "")
		done <- err
	}()
	<-arrived
	h.Close()
	wantError(t, <-done, "AbortError", "")
	_, err := h.get(t.Context(), "a", s.URL, "")
	wantError(t, err, "TypeError", "closing")
}

func TestConcurrencyIsBoundedPerTenant(t *testing.T) {
	inside, free := make(chan struct{}, 10), make(chan struct{})
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/wait" {
			inside <- struct{}{}
			<-free
		}
	})
	h := newHarness(t, Options{MaxConcurrent: 2})
	var wg sync.WaitGroup
	for range 2 {
		wg.Go(func() { h.get(context.Background(), "a", s.URL+"/wait", "") })
	}
	<-inside
	<-inside
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Millisecond)
	defer cancel()
	_, err := h.get(ctx, "a", s.URL, "")
	wantError(t, err, "TimeoutError", "deadline")
	if _, err := h.get(t.Context(), "b", s.URL, ""); err != nil {
		t.Errorf("another tenant: %v", err)
	}
	close(free)
	wg.Wait()
	if _, err := h.get(t.Context(), "a", s.URL, ""); err != nil {
		t.Errorf("after the others: %v", err)
	}
}

func TestRedirects(t *testing.T) {
	other := serve(t, func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, "other %s auth=%q cookie=%q x=%q", r.Method, r.Header.Get("Authorization"), r.Header.Get("Cookie"), r.Header.Get("X-Keep"))
	})
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		var status int
		var to string
		fmt.Sscanf(r.URL.Path, "/to/%d", &status)
		if to = r.URL.Query().Get("to"); to != "" {
			w.Header().Set("Location", to)
			w.WriteHeader(status)
			return
		}
		if r.URL.Path == "/loop" {
			http.Redirect(w, r, "/loop", http.StatusFound)
			return
		}
		body, _ := io.ReadAll(r.Body)
		fmt.Fprintf(w, "%s body=%q ct=%q auth=%q", r.Method, body, r.Header.Get("Content-Type"), r.Header.Get("Authorization"))
	})
	post := `{"method":"POST","body":"b","headers":{"authorization":"secret","cookie":"c","x-keep":"k"}}`
	for _, c := range []struct {
		name, path, init, want string
	}{
		{"301 makes a POST a GET", "/to/301?to=/end", post, `GET body="" ct="" auth="secret"`},
		{"302 makes a POST a GET", "/to/302?to=/end", post, `GET body="" ct="" auth="secret"`},
		{"302 keeps a PUT", "/to/302?to=/end", `{"method":"PUT","body":"b"}`, `PUT body="b" ct="text/plain;charset=UTF-8" auth=""`},
		{"303 makes a PUT a GET", "/to/303?to=/end", `{"method":"PUT","body":"b"}`, `GET body="" ct="" auth=""`},
		{"307 keeps all", "/to/307?to=/end", post, `POST body="b" ct="text/plain;charset=UTF-8" auth="secret"`},
		{"308 keeps all", "/to/308?to=/end", post, `POST body="b" ct="text/plain;charset=UTF-8" auth="secret"`},
		{"another origin gets no credentials", "/to/307?to=" + other.URL, post, `other POST auth="" cookie="" x="k"`},
	} {
		t.Run(c.name, func(t *testing.T) {
			h := newHarness(t, Options{})
			r, err := h.get(t.Context(), "a", s.URL+c.path, c.init)
			if err != nil {
				t.Fatal(err)
			}
			if string(r.bytes(t)) != c.want || !r.Redirected || len(h.checks) != 1 {
				t.Errorf("got %s, checked %v", r.bytes(t), h.checks)
			}
		})
	}

	h := newHarness(t, Options{})
	_, err := h.get(t.Context(), "a", s.URL+"/loop", "")
	wantError(t, err, "TypeError", "more than 10 redirects")
	if len(h.checks) != 10 {
		t.Errorf("%d hops were checked", len(h.checks))
	}
	_, err = h.get(t.Context(), "a", s.URL+"/loop", `{"redirect":"error"}`)
	wantError(t, err, "TypeError", "redirect is \"error\"")
	r, err := h.get(t.Context(), "a", s.URL+"/loop", `{"redirect":"manual"}`)
	if err != nil || r.Status != 302 || r.header("location") != "/loop" || r.Redirected {
		t.Errorf("manual: %+v, %v", r, err)
	}
	for _, to := range []string{"file:///etc/passwd", "gopher://x/", "unix:/x", "http://user:pw@127.0.0.1/", "http://0x7f.1/", "http://%5Cx/"} {
		_, err := h.get(t.Context(), "a", s.URL+"/to/302?to="+to, "")
		wantError(t, err, "TypeError", "fetch failed: the server redirects")
	}
}

func TestRedirectIsCheckedByPolicy(t *testing.T) {
	hit := false
	target := serve(t, func(http.ResponseWriter, *http.Request) { hit = true })
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, target.URL+"/secret", http.StatusTemporaryRedirect)
	})
	denied := platform.Errorf("PermissionError", "denied")
	h := newHarness(t, Options{})
	h.check = func(policies.Attributes) (policies.Verdict, error) { return policies.Verdict{}, denied }
	if _, err := h.get(t.Context(), "a", s.URL, `{"method":"DELETE"}`); !errors.Is(err, denied) {
		t.Errorf("got %v", err)
	}
	_, port, _ := net.SplitHostPort(strings.TrimPrefix(target.URL, "http://"))
	if len(h.checks) != 1 || h.checks[0].Host != "127.0.0.1" || fmt.Sprint(h.checks[0].Port) != port || h.checks[0].Method != "DELETE" || h.checks[0].Scheme != "http" {
		t.Errorf("checked %+v", h.checks)
	}
	h.check = func(policies.Attributes) (policies.Verdict, error) { return policies.Verdict{Reason: "no"}, nil }
	_, err := h.get(t.Context(), "a", s.URL, "")
	wantError(t, err, "PermissionError", "no")
	// Allowed, but not for private addresses: the hop fails though the first was private.
	h.check = func(policies.Attributes) (policies.Verdict, error) { return policies.Verdict{Allowed: true}, nil }
	_, err = h.get(t.Context(), "a", s.URL, "")
	wantError(t, err, "TypeError", "the host cannot be reached")
	if hit {
		t.Error("the target was reached")
	}
}

func TestConnectionsAreNotShared(t *testing.T) {
	var mu sync.Mutex
	seen := map[string]string{}
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		seen[r.URL.Path] = r.RemoteAddr
	})
	h := newHarness(t, Options{MaxTenants: 2})
	for _, c := range [][2]string{{"a", "/a1"}, {"a", "/a2"}, {"b", "/b1"}, {"c", "/c1"}, {"a", "/a3"}} {
		if _, err := h.get(t.Context(), c[0], s.URL+c[1], ""); err != nil {
			t.Fatal(err)
		}
	}
	if seen["/a1"] != seen["/a2"] {
		t.Error("a tenant's own connection is not reused")
	}
	if seen["/a1"] == seen["/b1"] || seen["/a1"] == seen["/a3"] {
		t.Errorf("connections are shared, or outlive their pool: %v", seen)
	}
	if n := len(h.pools.byTenant); n != 2 {
		t.Errorf("%d pools", n)
	}
	// A pooled private connection does not serve a public verdict.
	_, err := h.API().Func(t.Context(), &platform.Call{Tenant: "a", Args: args(s.URL, ""), Verdict: policies.Verdict{Allowed: true}})
	wantError(t, err, "TypeError", "the host cannot be reached")
}

func TestNetworkFailures(t *testing.T) {
	t.Setenv("HTTP_PROXY", "http://127.0.0.1:1")
	t.Setenv("http_proxy", "http://127.0.0.1:1")
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := ln.Addr().String()
	ln.Close()
	h := newHarness(t, Options{})
	_, err = h.get(t.Context(), "a", "http://"+addr, "")
	wantError(t, err, "TypeError", "refused the connection")
	s := httptest.NewUnstartedServer(http.NotFoundHandler())
	s.Config.ErrorLog = log.New(io.Discard, "", 0)
	s.StartTLS()
	defer s.Close()
	_, err = h.get(t.Context(), "a", s.URL, "")
	wantError(t, err, "TypeError", "TLS certificate")
}
