package endpoint_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/bulkhead-run/bulkhead/platform"
	"github.com/bulkhead-run/bulkhead/platform/endpoint"
)

// serve makes an endpoint of a handler, and checks at the end that nothing is
// left.
func serve(t testing.TB, o endpoint.Options, handler http.HandlerFunc) platform.API {
	t.Helper()
	goroutines, files := runtime.NumGoroutine(), openFiles(t)
	t.Cleanup(func() {
		eventually(t, "goroutines are back", func() bool { return runtime.NumGoroutine() <= goroutines })
		eventually(t, "descriptors are back", func() bool { return openFiles(t) <= files })
	})
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	o.Name = "crm.lookup"
	if o.URL = server.URL + o.URL; o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	e, err := endpoint.New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(e.Close)
	return e.API()
}

func openFiles(t testing.TB) int {
	t.Helper()
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(entries)
}

func eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); !ok(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Errorf("never: %s", what)
			return
		}
	}
}

func call(ctx context.Context, api platform.API, args ...string) (string, error) {
	var list []json.RawMessage
	for _, a := range args {
		list = append(list, json.RawMessage(a))
	}
	v, err := api.Func(ctx, &platform.Call{Tenant: "acme", Function: "f", Invocation: "i-1", Args: list})
	if err != nil || v == nil {
		return "undefined", err
	}
	return string(v.(json.RawMessage)), nil
}

func TestRequest(t *testing.T) {
	var body, deadline, token, method, path, kind string
	api := serve(t, endpoint.Options{
		URL: "/v1/lookup?source=bulkhead", Method: "PUT", Header: http.Header{"authorization": {"Bearer hunter2"}}, Doc: "look up",
	}, func(w http.ResponseWriter, r *http.Request) {
		data, _ := io.ReadAll(r.Body)
		body, deadline, token = string(data), r.Header.Get("Bulkhead-Deadline"), r.Header.Get("Authorization")
		method, path, kind = r.Method, r.URL.String(), r.Header.Get("Content-Type")
		io.WriteString(w, ` {"name":"Ada"}`+"\n")
	})
	if api.Name != "crm.lookup" || api.Doc != "look up" {
		t.Errorf("%+v", api)
	}
	until := time.Now().Add(3 * time.Second)
	ctx, cancel := context.WithDeadline(t.Context(), until)
	defer cancel()
	got, err := call(ctx, api, `{"id":1}`, `null`)
	if got != `{"name":"Ada"}` || err != nil {
		t.Errorf("got %s, %v", got, err)
	}
	if want := `{"args":[{"id":1},null],"function":"f","invocation":"i-1","tenant":"acme"}`; body != want {
		t.Errorf("body %s", body)
	}
	if at, err := time.Parse(time.RFC3339Nano, deadline); err != nil || !at.Equal(until) {
		t.Errorf("deadline %q, want %v", deadline, until)
	}
	if token != "Bearer hunter2" || method != "PUT" || path != "/v1/lookup?source=bulkhead" || kind != "application/json" {
		t.Errorf("%s %s %s %s", token, method, path, kind)
	}
	if _, err := call(ctx, api); err != nil || !strings.Contains(body, `"args":[]`) {
		t.Errorf("%s, %v", body, err)
	}
}

func TestAnswers(t *testing.T) {
	const internal = "(internal)"
	schema, err := platform.NewSchema(nil, json.RawMessage(`{"type":["object","null"]}`))
	if err != nil {
		t.Fatal(err)
	}
	long := strings.Repeat("a", 1000)
	for name, tt := range map[string]struct {
		status int
		body   string
		want   string // a result, or how an error begins
	}{
		"result":         {200, `{"a":1}`, `{"a":1}`},
		"created":        {201, `{}`, `{}`},
		"nothing":        {204, ``, `undefined`},
		"an error field": {200, `{"error":{"message":"x"}}`, `{"error":{"message":"x"}}`},
		"no JSON":        {200, `<html>`, internal},
		"no UTF-8":       {200, "{\"a\":\"\xff\"}", internal},
		"not the schema": {200, `[1]`, internal},
		"too large":      {200, `{"a":"` + long + `"}`, internal},
		"error object":   {404, `{"error":{"name":"NotFoundError","message":"no such customer"}}`, "NotFoundError: no such customer"},
		"odd name":       {422, `{"error":{"name":"not a name","message":"no"}}`, "Error: no"},
		"no name":        {400, `{"error":{"message":"no"}}`, "Error: no"},
		"no object":      {404, `not found`, internal},
		"empty object":   {404, `{"error":{}}`, internal},
		"unauthorized":   {401, `Bearer hunter2`, internal},
		"redirect":       {302, ``, internal},
		"busy":           {429, ``, "UnavailableError: crm.lookup is not available at the moment: there are too many calls"},
		"broken":         {500, `{"error":{"message":"secret path /srv"}}`, "UnavailableError: crm.lookup is not available at the moment: its endpoint fails"},
		"away":           {503, ``, "UnavailableError: crm.lookup is not available at the moment: its endpoint fails"},
	} {
		t.Run(name, func(t *testing.T) {
			var requests atomic.Int32
			api := serve(t, endpoint.Options{MaxResponse: 500, Schema: schema}, func(w http.ResponseWriter, r *http.Request) {
				requests.Add(1)
				w.Header().Set("Location", "/elsewhere")
				w.WriteHeader(tt.status)
				io.WriteString(w, tt.body)
			})
			got, err := call(t.Context(), api)
			var known *platform.Error
			switch {
			case errors.As(err, &known):
				got = known.Error()
				if retryable := known.Properties["retryable"] == true; retryable != (known.Name == "UnavailableError") {
					t.Errorf("properties %v", known.Properties)
				}
			case err != nil:
				got = internal
			}
			if got != tt.want {
				t.Errorf("got %s (%v), want %s", got, err, tt.want)
			}
			if n := requests.Load(); n != 1 {
				t.Errorf("%d requests", n)
			}
		})
	}
}

func TestRetryAfter(t *testing.T) {
	for header, want := range map[string]any{"7": 7, "-1": nil, "99999": nil, "soon": nil} {
		api := serve(t, endpoint.Options{}, func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Retry-After", header)
			w.WriteHeader(http.StatusTooManyRequests)
		})
		_, err := call(t.Context(), api)
		var known *platform.Error
		if !errors.As(err, &known) || known.Properties["retryAfter"] != want {
			t.Errorf("%s: got %v", header, err)
		}
	}
}

func TestOnlyIdempotentRequestsAreRepeated(t *testing.T) {
	for _, idempotent := range []bool{false, true} {
		var requests atomic.Int32
		api := serve(t, endpoint.Options{Idempotent: idempotent}, func(w http.ResponseWriter, r *http.Request) {
			data, _ := io.ReadAll(r.Body)
			switch requests.Add(1) {
			case 1:
				w.WriteHeader(http.StatusServiceUnavailable)
			case 2:
				panic(http.ErrAbortHandler) // breaks the connection
			default:
				w.Write(data)
			}
		})
		got, err := call(t.Context(), api)
		if idempotent && (err != nil || !strings.Contains(got, `"tenant":"acme"`) || requests.Load() != 3) {
			t.Errorf("got %s, %v after %d requests", got, err, requests.Load())
		}
		if !idempotent && (err == nil || requests.Load() != 1) {
			t.Errorf("got %s, %v after %d requests", got, err, requests.Load())
		}
	}
}

func TestTimeouts(t *testing.T) {
	release := make(chan struct{})
	api := serve(t, endpoint.Options{Timeout: 50 * time.Millisecond, Idempotent: true}, func(w http.ResponseWriter, r *http.Request) {
		select {
		case <-release:
		case <-r.Context().Done():
		}
	})
	defer close(release)
	_, err := call(t.Context(), api)
	if err == nil || err.Error() != "TimeoutError: crm.lookup did not answer in time" {
		t.Errorf("got %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := call(ctx, api); err == nil || err.Error() != "AbortError: crm.lookup was aborted" {
		t.Errorf("got %v", err)
	}
}

// What the tenant sees must hold neither the URL nor a header; the log may say
// where, but no credentials either.
func TestErrorsTellNoSecrets(t *testing.T) {
	var log bytes.Buffer
	e, err := endpoint.New(endpoint.Options{
		Name: "crm.lookup", URL: "http://127.0.0.1:1/path?token=hunter2", Header: http.Header{"X-Key": {"hunter3"}},
		Logger: slog.New(slog.NewTextHandler(&log, nil)),
	})
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	_, err = call(t.Context(), e.API())
	if want := "UnavailableError: crm.lookup is not available at the moment: its endpoint cannot be reached"; err == nil || err.Error() != want {
		t.Errorf("got %v", err)
	}
	if text := log.String(); !strings.Contains(text, "connection refused") || strings.Contains(text, "hunter") || !strings.Contains(text, "level=INFO") {
		t.Errorf("log: %s", text)
	}
}

func TestConnectionsAreKept(t *testing.T) {
	peers := map[string]bool{}
	var mu sync.Mutex
	api := serve(t, endpoint.Options{}, func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		peers[r.RemoteAddr] = true
		io.WriteString(w, "{}")
	})
	for range 5 {
		if _, err := call(t.Context(), api); err != nil {
			t.Fatal(err)
		}
	}
	if len(peers) != 1 {
		t.Errorf("%d connections", len(peers))
	}
}

func TestOneTenantsCallsAreBounded(t *testing.T) {
	var now, most atomic.Int32
	api := serve(t, endpoint.Options{MaxConcurrent: 2}, func(w http.ResponseWriter, r *http.Request) {
		n := now.Add(1)
		defer now.Add(-1)
		for seen := most.Load(); n > seen && !most.CompareAndSwap(seen, n); seen = most.Load() {
		}
		runtime.Gosched()
		io.WriteString(w, "{}")
	})
	var calls sync.WaitGroup
	for range 50 {
		calls.Go(func() {
			if _, err := call(t.Context(), api); err != nil {
				t.Error(err)
			}
		})
	}
	calls.Wait()
	if most.Load() > 2 {
		t.Errorf("%d at once", most.Load())
	}
}

func TestCloseEndsCalls(t *testing.T) {
	arrived := make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		close(arrived)
		_, _ = io.ReadAll(r.Body)
		<-r.Context().Done()
	}))
	defer server.Close()
	e, err := endpoint.New(endpoint.Options{Name: "crm.lookup", URL: server.URL, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	failed := make(chan error, 1)
	go func() {
		_, err := call(t.Context(), e.API())
		failed <- err
	}()
	<-arrived
	e.Close()
	if err := <-failed; err == nil {
		t.Error("the call went on")
	}
	if _, err := call(t.Context(), e.API()); err == nil {
		t.Error("a closed endpoint answers")
	}
}

func TestNewRefuses(t *testing.T) {
	for name, tt := range map[string]struct {
		o    endpoint.Options
		want string
	}{
		"no URL":       {endpoint.Options{}, "url is missing"},
		"relative":     {endpoint.Options{URL: "/lookup"}, "url must be an http or https URL"},
		"scheme":       {endpoint.Options{URL: "file:///etc/passwd"}, "url must be an http or https URL"},
		"unreadable":   {endpoint.Options{URL: "http://h/%zz?token=hunter2"}, "url must be an http or https URL"},
		"password":     {endpoint.Options{URL: "http://u:hunter2@h/"}, "must not hold a user or password"},
		"fragment":     {endpoint.Options{URL: "http://h/#a"}, "fragment"},
		"method":       {endpoint.Options{URL: "http://h/", Method: "GET"}, `method is "GET"`},
		"timeout":      {endpoint.Options{URL: "http://h/", Timeout: -1}, "timeout is"},
		"max_response": {endpoint.Options{URL: "http://h/", MaxResponse: 5 << 20}, "max_response is 5242880 bytes"},
		"concurrency":  {endpoint.Options{URL: "http://h/", MaxConcurrent: -1}, "max_concurrent is -1"},
		"header":       {endpoint.Options{URL: "http://h/", Header: http.Header{"host": {"x"}}}, "the header Host"},
		"header name":  {endpoint.Options{URL: "http://h/", Header: http.Header{"a b": {"x"}}}, `"a b" is not the name of a header`},
		"header value": {endpoint.Options{URL: "http://h/", Header: http.Header{"X-Key": {"hunter2\n"}}}, "the value of the header X-Key"},
		"header empty": {endpoint.Options{URL: "http://h/", Header: http.Header{"X-Key": {""}}}, "the value of the header X-Key"},
	} {
		if _, err := endpoint.New(tt.o); err == nil || !strings.Contains(err.Error(), tt.want) || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: got %v, want %s", name, err, tt.want)
		}
	}
}
