package supervisor_test

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"reflect"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/bulkhead-run/bulkhead/internal/outcome"
	"github.com/bulkhead-run/bulkhead/platform"
	"github.com/bulkhead-run/bulkhead/supervisor"
)

// ending is how an invocation ended.
type ending struct {
	result supervisor.Result
	err    error
}

// serveHTTP has a function answer, and returns where its end will be told.
func serveHTTP(ctx context.Context, s *supervisor.Supervisor, function string, r *supervisor.HTTPRequest) (*supervisor.HTTPResponse, <-chan ending, error) {
	end := make(chan ending, 1)
	if r.Method == "" {
		r.Method = http.MethodGet
	}
	if r.URL == "" {
		r.URL = "http://h.example/a?b=c"
	}
	response, err := s.ServeHTTP(ctx, "acme", function, r, func(result supervisor.Result, err error) { end <- ending{result, err} })
	return response, end, err
}

func TestRealHTTPAnswers(t *testing.T) {
	s := openReal(t, nil)
	for name, tt := range map[string]struct {
		code   string
		url    string
		header http.Header
		status int
		body   string
	}{
		"text":           {code: `export default { fetch: (r) => new Response(r.method + ' ' + r.url) }`, status: 200, body: "POST http://h.example/a?b=c"},
		"json":           {code: `export default { fetch: async (r) => Response.json({ n: (await r.json()).n + 1 }, { status: 201 }) }`, status: 201, body: `{"n":2}`},
		"bytes":          {code: `export default { fetch: () => new Response(new Uint8Array([0, 255, 1])) }`, status: 200, body: "\x00\xff\x01"},
		"none":           {code: `export default { fetch: () => new Response(null, { status: 204 }) }`, status: 204},
		"stream":         {code: `export default { fetch: (r) => new Response(r.body) }`, status: 200, body: `{"n":1}`},
		"large":          {code: `export default { fetch: () => new Response('x'.repeat(300000)) }`, status: 200, body: strings.Repeat("x", 300000)},
		"headers":        {code: `export default { fetch: (r) => new Response(r.headers.get('x-one')) }`, header: http.Header{"X-One": {"a", "b\xe9"}}, status: 200, body: "a, b\u00e9"},
		"plain":          {code: `export default ({ method, url, headers, body }) => [method, url, headers['x-a'], body]`, header: http.Header{"X-A": {"1"}}, status: 200, body: `["POST","http://h.example/a?b=c","1","{\"n\":1}"]`},
		"odd URL":        {code: `export default { fetch: (r) => new Response(new Request(r).url + new URL(r.url).search) }`, url: "http://H.example:80/a/../b/./c?d", status: 200, body: "http://h.example/b/c?d?d"},
		"IPv4":           {code: `export default { fetch: (r) => { const u = new URL(r.url); return Response.json([u.host, u.port, u.origin, u.searchParams.get('n'), u.hash]) } }`, url: "http://127.0.0.1:8421/a?n=1", status: 200, body: `["127.0.0.1:8421","8421","http://127.0.0.1:8421","1",""]`},
		"odd characters": {code: `export default { fetch: (r) => new Response(r.url + ' ' + r.headers.get('x-one')) }`, url: "http://h.example/\u00e9?\"", header: http.Header{"X-One": {`"\`}, "No Name": {"x"}, "X-Two": {"a\nb"}}, status: 200, body: `http://h.example/%C3%A9?%22 "\`},
		"no headers":     {code: `export default { fetch: (r) => Response.json([...r.headers]) }`, status: 200, body: "[]"},
		"quotes":         {code: `export default { fetch: () => new Response('"\n\n\\\ud800') }`, status: 200, body: "\"\n\n\\\ufffd"},
		"twice read":     {code: `export default { async fetch(r) { await r.text(); try { await r.text() } catch (e) { return new Response(e.name + r.bodyUsed) } } }`, status: 200, body: "TypeErrortrue"},
		"cloned request": {code: `export default { async fetch(r) { const c = r.clone(); return new Response(await r.text() + await c.text() + c.url + c.headers.get('x-a')) } }`, header: http.Header{"X-A": {"1"}}, status: 200, body: `{"n":1}{"n":1}http://h.example/a?b=c1`},
		"cloned":         {code: `export default { async fetch() { const a = new Response('x', { status: 201, headers: { 'x-a': '1' } }), b = a.clone(); b.headers.set('x-a', '2'); return new Response(await a.text() + a.headers.get('x-a') + await b.text() + b.headers.get('x-a') + b.status) } }`, status: 200, body: "x1x2201"},
		"stream first":   {code: `export default { fetch() { const r = new Response('read by a stream'); r.body; return r } }`, status: 200, body: "read by a stream"},
		"64 Ki text":     {code: `export default { fetch: () => new Response('\u20ac'.repeat(65536)) }`, status: 200, body: strings.Repeat("\u20ac", 65536)},
		"over 64 Ki":     {code: `export default { fetch: () => new Response('\u20ac'.repeat(65537)) }`, status: 200, body: strings.Repeat("\u20ac", 65537)},
		"waits":          {code: `export default { fetch: (r, _, ctx) => { ctx.waitUntil(new Promise((done) => setTimeout(done, 1))); return new Response(new Uint8Array([1, 10, 10, 2])) } }`, status: 200, body: "\x01\n\n\x02"},
		"waits, much":    {code: `export default { fetch: (r, _, ctx) => { ctx.waitUntil(1); return new Response('x'.repeat(300000)) } }`, status: 200, body: strings.Repeat("x", 300000)},
		"nothing":        {code: `export default () => {}`, status: 204},
		"own":            {code: `() => new Response('mine', { status: 418 })`, status: 418, body: "mine"},
	} {
		t.Run(name, func(t *testing.T) {
			deploy(t, s, "acme", "f", tt.code)
			r, end, err := serveHTTP(t.Context(), s, "f", &supervisor.HTTPRequest{Method: "POST", URL: tt.url, Header: tt.header, Body: io.NopCloser(strings.NewReader(`{"n":1}`))})
			if err != nil {
				t.Fatal(err)
			}
			defer r.Body.Close()
			body, err := io.ReadAll(r.Body)
			if err != nil || r.Status != tt.status || string(body) != tt.body {
				t.Fatalf("got %d %.100q %v, want %d %.100q", r.Status, body, err, tt.status, tt.body)
			}
			if e := <-end; e.err != nil {
				t.Fatal(e.err)
			}
		})
	}
}

// Headers arrive as they were set: each value of its own, Set-Cookie among them.
func TestRealHTTPHeaders(t *testing.T) {
	s := openReal(t, nil)
	deploy(t, s, "acme", "f", `export default { fetch(r, env, ctx) {
		const headers = new Headers(r.headers);
		for (const name of ['host', 'x-in']) headers.delete(name);
		headers.append('Set-Cookie', 'a=1; Path=/');
		headers.append('set-cookie', 'b=2');
		headers.append('X-Many', ' one\t');
		headers.append('x-many', 'two');
		headers.set('x-wide', 'caf\u00e9');
		headers.set('x-empty', '');
		headers.set('content-type', 'text/html');
		if (new URL(r.url).search === '?wait') ctx.waitUntil(0);
		return new Response('<p>', { headers });
	} }`)
	for _, url := range []string{"http://h/", "http://h/?wait"} {
		r, end, err := serveHTTP(t.Context(), s, "f", &supervisor.HTTPRequest{URL: url, Header: http.Header{"X-In": {"1", "2"}, "Host": {"h"}}})
		if err != nil {
			t.Fatal(err)
		}
		want := http.Header{"Set-Cookie": {"a=1; Path=/", "b=2"}, "X-Many": {"one", "two"}, "X-Wide": {"caf\xe9"}, "X-Empty": {""}, "Content-Type": {"text/html"}}
		if !reflect.DeepEqual(r.Header, want) || r.Size != 3 {
			t.Errorf("%s: got %q with %d bytes, want %q", url, r.Header, r.Size, want)
		}
		r.Body.Close()
		if e := <-end; e.err != nil {
			t.Error(e.err)
		}
	}
}

// What a function does after a whole answer does not depend on who reads it.
func TestRealHTTPWaitsUnread(t *testing.T) {
	s := openReal(t, nil)
	deploy(t, s, "acme", "f", `export default { fetch(r, env, ctx) {
		ctx.waitUntil(new Promise((done) => setTimeout(() => { console.log('done'); done() }, 20)));
		return new Response(null, { status: 204 });
	} }`)
	ctx, leave := context.WithCancel(t.Context())
	r, end, err := serveHTTP(ctx, s, "f", &supervisor.HTTPRequest{})
	if err != nil {
		t.Fatal(err)
	}
	r.Body.Close()
	leave()
	if e := <-end; e.err != nil || len(e.result.Logs) != 1 {
		t.Errorf("got %v %v", e.result.Logs, e.err)
	}
}

func TestRealHTTPFailures(t *testing.T) {
	s := openReal(t, nil)
	for name, tt := range map[string]struct {
		code string
		want outcome.Outcome
	}{
		"throws":         {`export default { fetch() { throw new Error('no') } }`, outcome.Exception},
		"no response":    {`export default { fetch: () => 1 }`, outcome.Exception},
		"read body":      {`export default { async fetch() { const r = new Response('a'); await r.text(); return r } }`, outcome.Exception},
		"error response": {`export default { fetch: () => Response.error() }`, outcome.Exception},
		"many headers":   {`export default { fetch: () => new Response('', { headers: Array.from({ length: 500 }, (_, i) => ['x' + i, '1']) }) }`, outcome.Output},
		"never":          {`export default { fetch: () => new Promise(() => {}) }`, outcome.Exception},
	} {
		t.Run(name, func(t *testing.T) {
			deploy(t, s, "acme", "f", tt.code)
			r, end, err := serveHTTP(t.Context(), s, "f", &supervisor.HTTPRequest{})
			if err == nil {
				t.Fatalf("got status %d", r.Status)
			}
			wantOutcome(t, err, tt.want)
			wantOutcome(t, (<-end).err, tt.want)
		})
	}
}

// A body of any size passes through a function that has no room for it.
func TestRealHTTPLargeBody(t *testing.T) {
	const size = 32 << 20
	s := openReal(t, func(o *supervisor.Options) {
		o.Tiers = map[string]supervisor.Tier{"default": {MaxTimeout: 10 * time.Minute}}
	})
	deploy(t, s, "acme", "echo", `export default { fetch: (r) => new Response(r.body) }`, timeout(10*time.Minute),
		func(f *supervisor.FunctionSpec) { f.Memory = 5 << 20 })
	in := &pattern{n: size, closed: make(chan struct{})}
	start := time.Now()
	r, end, err := serveHTTP(t.Context(), s, "echo", &supervisor.HTTPRequest{Method: "POST", Body: in})
	if err != nil {
		t.Fatal(err)
	}
	defer r.Body.Close()
	n, buf := int64(0), make([]byte, 32<<10)
	for err == nil {
		var m int
		m, err = r.Body.Read(buf)
		for _, b := range buf[:m] {
			if b != byte(n%251) {
				t.Fatalf("byte %d is %d", n, b)
			}
			n++
		}
	}
	if err != io.EOF || n != size {
		t.Fatalf("got %d bytes, %v", n, err)
	}
	if e := <-end; e.err != nil {
		t.Fatal(e.err)
	}
	awaitClosed(t, "the request's body", in.closed)
	t.Logf("%.0f MB/s in and out", size/1e6/time.Since(start).Seconds())
}

// hook is an API that tells a test where a function is, and lets it wait.
func hook(reached chan string, goOn chan struct{}) platform.API {
	return platform.API{Name: "hook", Func: func(ctx context.Context, c *platform.Call) (any, error) {
		var where string
		if _, err := c.Arg(0, "where", &where); err != nil {
			return nil, err
		}
		reached <- where
		select {
		case <-goOn:
			return nil, nil
		case <-ctx.Done():
			reached <- "ended"
			return nil, ctx.Err()
		}
	}}
}

func TestRealHTTPStreams(t *testing.T) {
	reached, goOn := make(chan string, 4), make(chan struct{})
	s := openReal(t, apis(hook(reached, goOn)))
	start := func(t *testing.T, ctx context.Context, code string) (*supervisor.HTTPResponse, <-chan ending) {
		t.Helper()
		deploy(t, s, "acme", "f", code, timeout(30*time.Second))
		r, end, err := serveHTTP(ctx, s, "f", &supervisor.HTTPRequest{})
		if err != nil {
			t.Fatal(err)
		}
		return r, end
	}
	const events = `export default { fetch: () => new Response(new ReadableStream({ async start(c) {
		c.enqueue(new TextEncoder().encode('data: 1\n\n'));
		await hook('between');
		c.enqueue(new TextEncoder().encode('data: 2\n\n'));
		c.close();
	} }), { headers: { 'content-type': 'text/event-stream' } }) }`

	t.Run("as it is made", func(t *testing.T) {
		r, end := start(t, t.Context(), events)
		if r.Size != -1 || r.Result != nil || r.Header.Get("Content-Type") != "text/event-stream" {
			t.Fatalf("got %+v", r)
		}
		first := make([]byte, 9)
		if _, err := io.ReadFull(r.Body, first); err != nil || string(first) != "data: 1\n\n" {
			t.Fatalf("got %q %v", first, err)
		}
		<-reached
		goOn <- struct{}{}
		rest, err := io.ReadAll(r.Body)
		if err != nil || string(rest) != "data: 2\n\n" {
			t.Fatalf("got %q %v", rest, err)
		}
		if e := <-end; e.err != nil {
			t.Fatal(e.err)
		}
	})
	t.Run("client leaves", func(t *testing.T) {
		ctx, leave := context.WithCancel(t.Context())
		r, end := start(t, ctx, events)
		<-reached
		leave()
		wantOutcome(t, (<-end).err, outcome.Canceled)
		if got := <-reached; got != "ended" { // its host call, too
			t.Fatal(got)
		}
		r.Body.Close()
	})
	t.Run("body is closed", func(t *testing.T) {
		r, end := start(t, t.Context(), events)
		<-reached
		r.Body.Close()
		wantOutcome(t, (<-end).err, outcome.Canceled)
		<-reached
	})
	t.Run("signal", func(t *testing.T) {
		ctx, leave := context.WithCancel(t.Context())
		r, end := start(t, ctx, `export default { fetch(r) {
			r.signal.addEventListener('abort', () => { console.log('left: ' + r.signal.reason.name) });
			return new Response(new ReadableStream({ async start(c) { await hook('in'); } }));
		} }`)
		<-reached
		leave()
		e := <-end
		if len(e.result.Logs) != 1 || e.result.Logs[0].Message != "left: AbortError" {
			t.Fatalf("got %+v %v", e.result.Logs, e.err)
		}
		<-reached
		r.Body.Close()
	})
	t.Run("breaks off", func(t *testing.T) {
		r, end := start(t, t.Context(), `export default { fetch: () => new Response(new ReadableStream({ async pull(c) {
			c.enqueue(new Uint8Array(10)); await hook('once'); throw new Error('broken');
		} })) }`)
		defer r.Body.Close()
		<-reached
		goOn <- struct{}{}
		body, err := io.ReadAll(r.Body)
		if err == nil || len(body) != 10 {
			t.Fatalf("a body that broke off ended with %v after %d bytes", err, len(body))
		}
		wantOutcome(t, (<-end).err, outcome.Exception)
	})
	t.Run("waitUntil", func(t *testing.T) {
		ctx, leave := context.WithCancel(t.Context())
		r, end := start(t, ctx, `export default { fetch(r, env, ctx) {
			ctx.waitUntil(hook('after').then(() => { console.log('done') }));
			ctx.waitUntil(Promise.reject(new Error('late')));
			return new Response('now');
		} }`)
		body, err := io.ReadAll(r.Body)
		if err != nil || string(body) != "now" {
			t.Fatalf("got %q %v", body, err)
		}
		r.Body.Close()
		leave() // what it has got, the client need not wait for
		<-reached
		goOn <- struct{}{}
		e := <-end
		var logged []string
		for _, l := range e.result.Logs {
			logged = append(logged, l.Message)
		}
		if text := strings.Join(logged, ";"); e.err != nil || !strings.Contains(text, "done") || !strings.Contains(text, "late") {
			t.Fatalf("got %q %v", logged, e.err)
		}
	})
}

// The request's body is read no faster than the function asks.
func TestRealHTTPPulls(t *testing.T) {
	reached, goOn := make(chan string, 1), make(chan struct{})
	s := openReal(t, apis(hook(reached, goOn)))
	deploy(t, s, "acme", "f", `export default { async fetch(r) {
		const reader = r.body.getReader();
		await reader.read();
		await hook('one');
		await reader.cancel();
		return new Response('enough');
	} }`, timeout(30*time.Second))
	in := &counting{pattern: pattern{n: 1 << 40, closed: make(chan struct{})}}
	go func() {
		<-reached
		goOn <- struct{}{}
	}()
	r, end, err := serveHTTP(t.Context(), s, "f", &supervisor.HTTPRequest{Method: "POST", Body: in})
	if err != nil {
		t.Fatal(err)
	}
	defer r.Body.Close()
	if e := <-end; e.err != nil {
		t.Fatal(e.err)
	}
	if n := in.reads.Load(); n > 4 {
		t.Fatalf("%d pieces were read of a body whose first was asked for", n)
	}
	awaitClosed(t, "the body", in.closed)
}

type counting struct {
	pattern
	reads atomic.Int32
}

func (c *counting) Read(p []byte) (int, error) {
	c.reads.Add(1)
	return c.pattern.Read(p)
}

// An event that describes a request is one only for Invoke: nobody else can
// answer a request that is not there.
func TestRealInvokeOfFetch(t *testing.T) {
	s := openReal(t, nil)
	deploy(t, s, "acme", "f", `export default { async fetch(r, env, ctx) {
		let late = false;
		ctx.waitUntil(new Promise((done) => setTimeout(() => { late = true; console.log('late'); done() }, 5)));
		return new Response(r.url);
	} }`)
	r, err := s.Invoke(t.Context(), "acme", "f", json.RawMessage(`{"url":"/x"}`))
	if err != nil || !strings.Contains(string(r.Value), `"body":"http://localhost/x"`) || len(r.Logs) != 1 {
		t.Fatalf("got %s %v %v", r.Value, r.Logs, err)
	}
}
