package gateway_test

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/bulkhead-run/bulkhead/gateway"
	"github.com/bulkhead-run/bulkhead/internal/outcome"
	"github.com/bulkhead-run/bulkhead/internal/tokens"
	"github.com/bulkhead-run/bulkhead/supervisor"
)

// web is a fake with the public function open and the private one closed, which
// answer with what they see.
func web() *fake {
	f := newFake()
	f.tenants["t"] = supervisor.Tenant{Name: "t", Created: since}
	f.functions["t/open"] = supervisor.Function{Tenant: "t", Function: "open", Public: true}
	f.functions["t/closed"] = supervisor.Function{Tenant: "t", Function: "closed"}
	f.answer = func(_ context.Context, r *supervisor.HTTPRequest) (*supervisor.HTTPResponse, error) {
		h := http.Header{"Content-Type": {"text/plain"}}
		h.Set("X-Url", r.URL)
		for _, name := range []string{"Authorization", "X-Forwarded-For", "X-Forwarded-Proto", "X-Forwarded-Prefix", "X-Hop", "Cookie"} {
			if v := r.Header.Get(name); v != "" {
				h.Set("Saw-"+name, v)
			}
		}
		return whole(200, h, "hello"), nil
	}
	return f
}

func whole(status int, h http.Header, body string) *supervisor.HTTPResponse {
	return &supervisor.HTTPResponse{Status: status, Header: h, Body: io.NopCloser(strings.NewReader(body)), Size: int64(len(body)), Invocation: "inv", Version: "v1", Result: &supervisor.Result{Receipt: supervisor.Receipt{Outcome: outcome.OK}}}
}

func askFunction(t *testing.T, h http.Handler, method, target string, header ...string) *httptest.ResponseRecorder {
	t.Helper()
	r := httptest.NewRequest(method, target, nil)
	for i := 0; i < len(header); i += 2 {
		if header[i] == "Host" {
			r.Host = header[i+1]
		}
		r.Header.Add(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

func functionsHandler(t *testing.T, b gateway.Backend, o gateway.Options) http.Handler {
	t.Helper()
	o.Logger = slog.New(slog.DiscardHandler)
	s, err := gateway.New(b, o)
	if err != nil {
		t.Fatal(err)
	}
	return s.Functions()
}

func TestFunctionsWhoMayCall(t *testing.T) {
	store := tokenStore(t)
	mine := "Bearer " + issue(t, store, "mine", "t", tokens.TenantInvoke)
	other := "Bearer " + issue(t, store, "other", "u", tokens.TenantInvoke)
	deploys := "Bearer " + issue(t, store, "deploys", "t", tokens.TenantDeploy)
	h := functionsHandler(t, web(), gateway.Options{Tokens: store})
	strict := functionsHandler(t, web(), gateway.Options{Tokens: store, Functions: gateway.FunctionOptions{NoPublic: true}})
	for _, tt := range []struct {
		h      http.Handler
		path   string
		auth   string
		status int
		saw    string
	}{
		{h, "/t/open/", "", 200, ""},
		{h, "/t/open/", "Basic abc", 200, "Basic abc"},
		{h, "/t/open/", "Bearer theirs", 200, "Bearer theirs"},
		{h, "/t/open/", mine, 200, ""}, // no function gets a token of ours
		{h, "/t/closed/", "", 401, ""},
		{h, "/t/closed/", mine, 200, ""},
		{h, "/t/closed/", other, 403, ""},
		{h, "/t/closed/", deploys, 403, ""},
		{h, "/t/none/", "", 401, ""},
		{h, "/t/none/", other, 403, ""},
		{h, "/t/none/", mine, 404, ""},
		{h, "/t/open@v1/", "", 401, ""}, // a preview is nobody's but who may invoke
		{h, "/t/open@v1/", mine, 200, ""},
		{strict, "/t/open/", "", 401, ""},
		{strict, "/t/open/", mine, 200, ""},
	} {
		var header []string
		if tt.auth != "" {
			header = []string{"Authorization", tt.auth}
		}
		w := askFunction(t, tt.h, "GET", tt.path, header...)
		if w.Code != tt.status || w.Header().Get("Saw-Authorization") != tt.saw {
			t.Errorf("%s %.20s: got %d, saw %q; want %d, %q", tt.path, tt.auth, w.Code, w.Header().Get("Saw-Authorization"), tt.status, tt.saw)
		}
	}
}

func TestFunctionsPlaces(t *testing.T) {
	o := gateway.Options{Functions: gateway.FunctionOptions{
		Hosts:  map[string]gateway.FunctionName{"shop.example": {Tenant: "t", Function: "open"}},
		Domain: "functions.example",
	}}
	h := functionsHandler(t, web(), o)
	o.Functions.NoPaths = true
	hostsOnly := functionsHandler(t, web(), o)
	for _, tt := range []struct {
		h           http.Handler
		host, path  string
		status      int
		url, prefix string
	}{
		{h, "localhost", "/t/open/a%2Fb?c=d", 200, "http://localhost/a%2Fb?c=d", "/t/open"},
		{h, "localhost", "/t/open", 200, "http://localhost/", "/t/open"},
		{h, "localhost", "/t/open//x", 200, "http://localhost//x", "/t/open"},
		{h, "localhost", "/t", 404, "", ""},
		{h, "localhost", "/", 404, "", ""},
		{h, "SHOP.example:8421", "/t/closed/", 200, "http://SHOP.example:8421/t/closed/", ""},
		{h, "open--t.functions.example", "/x", 200, "http://open--t.functions.example/x", ""},
		{h, "open.functions.example", "/x", 404, "", ""},
		{hostsOnly, "localhost", "/t/open/", 404, "", ""},
		{hostsOnly, "shop.example", "/", 200, "http://shop.example/", ""},
	} {
		w := askFunction(t, tt.h, "GET", tt.path, "Host", tt.host)
		if w.Code != tt.status || w.Header().Get("X-Url") != tt.url || w.Header().Get("Saw-X-Forwarded-Prefix") != tt.prefix {
			t.Errorf("%s%s: got %d %q %q, want %d %q %q", tt.host, tt.path, w.Code, w.Header().Get("X-Url"), w.Header().Get("Saw-X-Forwarded-Prefix"), tt.status, tt.url, tt.prefix)
		}
	}
}

// Without tokens, a web page of somebody else's gets nothing from functions that
// are not public.
func TestFunctionsForeignPages(t *testing.T) {
	h := functionsHandler(t, web(), gateway.Options{})
	for _, tt := range []struct {
		path   string
		header []string
		status int
	}{
		{"/t/closed/", []string{"Host", "localhost"}, 200},
		{"/t/closed/", []string{"Host", "evil.example"}, 421},
		{"/t/closed/", []string{"Host", "localhost", "Sec-Fetch-Site", "cross-site"}, 403},
		{"/t/open/", []string{"Host", "evil.example", "Sec-Fetch-Site", "cross-site"}, 200},
	} {
		if w := askFunction(t, h, "POST", tt.path, tt.header...); w.Code != tt.status {
			t.Errorf("%s %v: got %d, want %d", tt.path, tt.header, w.Code, tt.status)
		}
	}
}

func TestFunctionsHeaders(t *testing.T) {
	b := web()
	o := gateway.Options{Functions: gateway.FunctionOptions{
		Hosts:   map[string]gateway.FunctionName{"own.example": {Tenant: "t", Function: "open"}},
		Proxies: []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")},
	}}
	h := functionsHandler(t, b, o)
	// httptest's requests come from 192.0.2.1, a proxy here.
	w := askFunction(t, h, "GET", "/t/open/", "X-Forwarded-For", "6.6.6.6, 203.0.113.9, 192.0.2.7", "X-Forwarded-Proto", "https", "Connection", "X-Hop", "X-Hop", "1")
	for name, want := range map[string]string{"X-Forwarded-For": "203.0.113.9", "X-Forwarded-Proto": "https", "X-Hop": ""} {
		if got := w.Header().Get("Saw-" + name); got != want {
			t.Errorf("the function saw %s %q, want %q", name, got, want)
		}
	}
	if got := askFunction(t, functionsHandler(t, b, gateway.Options{}), "GET", "/t/open/", "X-Forwarded-For", "6.6.6.6").Header().Get("Saw-X-Forwarded-For"); got != "192.0.2.1" {
		t.Errorf("of a client that is no proxy the function saw the address %q", got)
	}

	answer := http.Header{}
	for _, name := range []string{"Connection", "Transfer-Encoding", "Upgrade", "Bulkhead-Invocation", "Alt-Svc", "Clear-Site-Data", "Service-Worker-Allowed", "Content-Length"} {
		answer.Set(name, "7, 7")
	}
	answer["Set-Cookie"] = []string{"a=1", "b=2"}
	b.answer = func(context.Context, *supervisor.HTTPRequest) (*supervisor.HTTPResponse, error) {
		return whole(201, answer.Clone(), "hello"), nil
	}
	for host, kept := range map[string]string{"localhost": "", "own.example": "7, 7"} {
		got := askFunction(t, h, "GET", "/t/open/", "Host", host)
		for name, want := range map[string]string{"Connection": "", "Transfer-Encoding": "", "Upgrade": "", "Alt-Svc": "", "Bulkhead-Invocation": "inv", "Bulkhead-Version": "v1",
			"Bulkhead-Receipt": "outcome=ok, start=warm, wall=0.000, cpu=0.000, queued=0.000, memory=0, calls=0, failed=0, denied=0, sent=0, received=0",
			"Clear-Site-Data":  kept, "Service-Worker-Allowed": kept, "Content-Length": "5", "Server": ""} {
			if text := got.Header().Get(name); text != want {
				t.Errorf("%s: the answer has %s %q, want %q", host, name, text, want)
			}
		}
		if cookies := got.Header()["Set-Cookie"]; len(cookies) != 2 || got.Code != 201 || got.Body.String() != "hello" {
			t.Errorf("%s: got %d %q %q", host, got.Code, cookies, got.Body)
		}
	}
}

func TestFunctionsRefuse(t *testing.T) {
	h := functionsHandler(t, web(), gateway.Options{Functions: gateway.FunctionOptions{MaxBody: 10}})
	for _, tt := range []struct {
		method string
		header []string
		status int
	}{
		{"TRACE", nil, 501},
		{"GET", []string{"Connection", "keep-alive, Upgrade", "Upgrade", "websocket"}, 501},
		{"GET", []string{"Host", "a b"}, 400},
	} {
		w := askFunction(t, h, tt.method, "/t/open/", tt.header...)
		if w.Code != tt.status || !strings.Contains(w.Body.String(), "remedy") {
			t.Errorf("%s %v: got %d %s", tt.method, tt.header, w.Code, w.Body)
		}
	}
	r := httptest.NewRequest("POST", "/t/open/", strings.NewReader("12345678901"))
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	if w.Code != 413 || w.Header().Get("Connection") != "close" {
		t.Errorf("a body over the limit: %d %v", w.Code, w.Header())
	}
}

// What a function threw is for those who may invoke it, not for everybody.
func TestFunctionsFailures(t *testing.T) {
	b := web()
	b.answer = func(context.Context, *supervisor.HTTPRequest) (*supervisor.HTTPResponse, error) {
		return nil, &outcome.Error{Outcome: outcome.Exception, Exception: &outcome.Thrown{Name: "Error", Message: "private matter"}}
	}
	h := functionsHandler(t, b, gateway.Options{})
	for path, told := range map[string]bool{"/t/open/": false, "/t/closed/": true} {
		w := askFunction(t, h, "GET", path, "Host", "localhost")
		if w.Code != outcome.Exception.HTTPStatus() || strings.Contains(w.Body.String(), "private matter") != told {
			t.Errorf("%s: got %d %s", path, w.Code, w.Body)
		}
	}
}

func TestFunctionsCompress(t *testing.T) {
	b := web()
	long := strings.Repeat("text ", 1000)
	h := functionsHandler(t, b, gateway.Options{})
	for name, tt := range map[string]struct {
		accept, kind, encoding, body string
		want                         bool
	}{
		"text":      {"br, gzip", "text/html; charset=utf-8", "", long, true},
		"not asked": {"", "text/html", "", long, false},
		"refused":   {"gzip;q=0", "text/html", "", long, false},
		"small":     {"gzip", "text/html", "", "x", false},
		"image":     {"gzip", "image/png", "", long, false},
		"events":    {"gzip", "text/event-stream", "", long, false},
		"already":   {"gzip", "text/html", "br", long, false},
	} {
		b.answer = func(context.Context, *supervisor.HTTPRequest) (*supervisor.HTTPResponse, error) {
			answer := http.Header{"Content-Type": {tt.kind}, "Etag": {`"a"`}}
			if tt.encoding != "" {
				answer.Set("Content-Encoding", tt.encoding)
			}
			return whole(200, answer, tt.body), nil
		}
		w := askFunction(t, h, "GET", "/t/open/", "Accept-Encoding", tt.accept)
		if got := w.Header().Get("Content-Encoding") == "gzip"; got != tt.want {
			t.Errorf("%s: compressed %v, want %v", name, got, tt.want)
		}
		if tt.want && (w.Header().Get("Etag") != `W/"a"` || w.Header().Get("Vary") != "Accept-Encoding" || w.Body.Len() > len(long)/2) {
			t.Errorf("%s: got %v", name, w.Header())
		}
	}
}

func TestFunctionsCORS(t *testing.T) {
	b := web()
	b.answer = func(context.Context, *supervisor.HTTPRequest) (*supervisor.HTTPResponse, error) {
		return whole(200, http.Header{"Access-Control-Allow-Origin": {"*"}}, ""), nil
	}
	h := functionsHandler(t, b, gateway.Options{Functions: gateway.FunctionOptions{CORS: map[gateway.FunctionName]gateway.CORS{
		{Tenant: "t", Function: "open"}: {Origins: []string{"https://app.example"}, Methods: []string{"GET", "PUT"}},
	}}})
	w := askFunction(t, h, "OPTIONS", "/t/open/", "Origin", "https://app.example", "Access-Control-Request-Method", "PUT")
	if w.Code != 204 || w.Header().Get("Access-Control-Allow-Origin") != "https://app.example" || w.Header().Get("Access-Control-Allow-Methods") != "PUT" {
		t.Errorf("a preflight: %d %v", w.Code, w.Header())
	}
	w = askFunction(t, h, "GET", "/t/open/", "Origin", "https://app.example")
	if got := w.Header()["Access-Control-Allow-Origin"]; len(got) != 1 || got[0] != "https://app.example" {
		t.Errorf("got %v", got)
	}
	if w = askFunction(t, h, "GET", "/t/open/", "Origin", "https://evil.example"); w.Header().Get("Access-Control-Allow-Origin") != "" {
		t.Errorf("another origin: %v", w.Header())
	}
}

// A body that breaks off is never taken for whole: not with HTTP/1, where its end
// would be a chunk of its own, nor with HTTP/2.
func TestFunctionsBreakOff(t *testing.T) {
	b := web()
	b.answer = func(context.Context, *supervisor.HTTPRequest) (*supervisor.HTTPResponse, error) {
		return &supervisor.HTTPResponse{Status: 200, Header: http.Header{"Content-Type": {"text/plain"}}, Size: -1,
			Body: io.NopCloser(io.MultiReader(strings.NewReader("some"), failing{}))}, nil
	}
	addr := serveFunctions(t, b, gateway.Options{})
	for name, client := range clients(t) {
		for _, accept := range []string{"gzip", "identity"} {
			r, _ := http.NewRequestWithContext(t.Context(), "GET", "http://"+addr+"/t/open/", nil)
			r.Header.Set("Accept-Encoding", accept)
			answer, err := client.Do(r)
			if err != nil {
				t.Fatal(err)
			}
			_, err = io.ReadAll(answer.Body)
			answer.Body.Close()
			if err == nil {
				t.Errorf("%s, %s: a body that broke off was whole", name, accept)
			}
		}
	}
}

type failing struct{}

func (failing) Read([]byte) (int, error) { return 0, errors.New("broken") }

// clients are one for HTTP/1 and one for HTTP/2 without TLS.
func clients(t *testing.T) map[string]*http.Client {
	h1 := &http.Transport{TLSNextProto: map[string]func(string, *tls.Conn) http.RoundTripper{}}
	h2 := &http.Transport{Protocols: new(http.Protocols)}
	h2.Protocols.SetUnencryptedHTTP2(true)
	t.Cleanup(h1.CloseIdleConnections)
	t.Cleanup(h2.CloseIdleConnections)
	return map[string]*http.Client{"HTTP/1": {Transport: h1}, "HTTP/2": {Transport: h2}}
}

// The head goes out at once, each piece as it comes, and the client's leaving
// ends the request's context.
func TestFunctionsStream(t *testing.T) {
	b := web()
	addr := serveFunctions(t, b, gateway.Options{})
	for name, client := range clients(t) {
		t.Run(name, func(t *testing.T) {
			pieces, write := io.Pipe()
			ended := make(chan struct{})
			b.answer = func(ctx context.Context, _ *supervisor.HTTPRequest) (*supervisor.HTTPResponse, error) {
				context.AfterFunc(ctx, func() { close(ended) })
				return &supervisor.HTTPResponse{Status: 200, Header: http.Header{"Content-Type": {"text/event-stream"}}, Body: pieces, Size: -1}, nil
			}
			ctx, leave := context.WithCancel(t.Context())
			r, _ := http.NewRequestWithContext(ctx, "GET", "http://"+addr+"/t/open/", nil)
			answer, err := client.Do(r) // returns with the head alone
			if err != nil {
				t.Fatal(err)
			}
			defer answer.Body.Close()
			for _, piece := range []string{"data: 1\n\n", "data: 2\n\n"} {
				if _, err := io.WriteString(write, piece); err != nil {
					t.Fatal(err)
				}
				got := make([]byte, len(piece))
				if _, err := io.ReadFull(answer.Body, got); err != nil || string(got) != piece {
					t.Fatalf("got %q %v", got, err)
				}
			}
			leave()
			select {
			case <-ended:
			case <-time.After(10 * time.Second):
				t.Fatal("the client's leaving was not noticed")
			}
			write.Close()
		})
	}
}

// The body of a request passes both ways at once, and one without a length ends
// at its limit.
func TestFunctionsBodies(t *testing.T) {
	b := web()
	b.answer = func(_ context.Context, r *supervisor.HTTPRequest) (*supervisor.HTTPResponse, error) {
		return &supervisor.HTTPResponse{Status: 200, Header: http.Header{"Content-Type": {"image/x"}}, Body: r.Body, Size: -1}, nil
	}
	addr := serveFunctions(t, b, gateway.Options{Functions: gateway.FunctionOptions{MaxBody: 1 << 20}})
	for name, client := range clients(t) {
		t.Run(name, func(t *testing.T) {
			in, write := io.Pipe()
			r, _ := http.NewRequestWithContext(t.Context(), "POST", "http://"+addr+"/t/open/", in)
			answer, err := client.Do(r)
			if err != nil {
				t.Fatal(err)
			}
			defer answer.Body.Close()
			for range 3 {
				got := make([]byte, 4)
				go io.WriteString(write, "ping")
				if _, err := io.ReadFull(answer.Body, got); err != nil || string(got) != "ping" {
					t.Fatalf("got %q %v", got, err)
				}
			}
			write.Close()
			if rest, err := io.ReadAll(answer.Body); err != nil || len(rest) > 0 {
				t.Fatalf("got %q %v", rest, err)
			}

			r, _ = http.NewRequestWithContext(t.Context(), "POST", "http://"+addr+"/t/open/", io.LimitReader(endless{}, 1<<31))
			answer, err = client.Do(r)
			if err == nil {
				_, err = io.Copy(io.Discard, answer.Body)
				answer.Body.Close()
			}
			if err == nil {
				t.Fatal("2 GiB passed a limit of 1 MiB")
			}
		})
	}
}

type endless struct{}

func (endless) Read(p []byte) (int, error) { return len(p), nil }

// What could be taken for two requests is refused, or read in one way only.
func TestFunctionsSmuggling(t *testing.T) {
	var seen []string
	b := web()
	b.answer = func(_ context.Context, r *supervisor.HTTPRequest) (*supervisor.HTTPResponse, error) {
		body := ""
		if r.Body != nil {
			text, _ := io.ReadAll(r.Body)
			body = string(text)
		}
		seen = append(seen, r.Method+" "+r.URL+" "+body)
		return whole(200, http.Header{}, ""), nil
	}
	addr := serveFunctions(t, b, gateway.Options{})
	const smuggled = "GET /t/open/smuggled HTTP/1.1\r\nHost: localhost\r\n\r\n"
	for name, request := range map[string]string{
		"two lengths":      "POST /t/open/ HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\nContent-Length: 0\r\n\r\n" + smuggled,
		"odd coding":       "POST /t/open/ HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: xchunked\r\n\r\n" + smuggled,
		"coding twice":     "POST /t/open/ HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n" + smuggled,
		"space in a name":  "POST /t/open/ HTTP/1.1\r\nHost: localhost\r\nContent-Length : 70\r\n\r\n" + smuggled,
		"signed length":    "POST /t/open/ HTTP/1.1\r\nHost: localhost\r\nContent-Length: +5\r\n\r\n" + smuggled,
		"two hosts":        "GET /t/open/ HTTP/1.1\r\nHost: localhost\r\nHost: evil\r\n\r\n",
		"bare line feeds?": "POST /t/open/ HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n1;\nx\r\n0\r\n\r\n" + smuggled,
	} {
		t.Run(name, func(t *testing.T) {
			seen = nil
			conn, err := net.Dial("tcp", addr)
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			if _, err := io.WriteString(conn, request); err != nil {
				t.Fatal(err)
			}
			_ = conn.(*net.TCPConn).CloseWrite()
			answer, _ := io.ReadAll(conn)
			for _, s := range seen {
				if strings.Contains(s, "smuggled") && strings.HasPrefix(s, "GET") {
					t.Fatalf("a second request was served: %q, answer %q", seen, answer)
				}
			}
			if len(seen) == 0 && !strings.HasPrefix(string(answer), "HTTP/1.1 4") && !strings.HasPrefix(string(answer), "HTTP/1.1 501") {
				t.Fatalf("got %q", answer)
			}
		})
	}
}

// A bomb of headers meets its limit.
func TestFunctionsHeaderBomb(t *testing.T) {
	addr := serveFunctions(t, web(), gateway.Options{})
	r, _ := http.NewRequestWithContext(t.Context(), "GET", "http://"+addr+"/t/open/", nil)
	r.Header.Set("X-Bomb", strings.Repeat("x", 64<<10))
	answer, err := clients(t)["HTTP/1"].Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusRequestHeaderFieldsTooLarge {
		t.Fatalf("got %s", answer.Status)
	}
}

// A client that sends its body too slowly is not waited for.
func TestFunctionsSlowClient(t *testing.T) {
	b := web()
	failed := make(chan error, 1)
	b.answer = func(_ context.Context, r *supervisor.HTTPRequest) (*supervisor.HTTPResponse, error) {
		_, err := io.ReadAll(r.Body)
		failed <- err
		return whole(400, http.Header{}, ""), nil
	}
	addr := serveFunctions(t, b, gateway.Options{BodyTimeout: 50 * time.Millisecond})
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := io.WriteString(conn, "POST /t/open/ HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000\r\n\r\nabc"); err != nil {
		t.Fatal(err)
	}
	if err := <-failed; err == nil || !strings.Contains(err.Error(), "too long") {
		t.Fatalf("got %v", err)
	}
}
