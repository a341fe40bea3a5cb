package fetch

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/bulkhead-run/bulkhead/platform"
	"github.com/bulkhead-run/bulkhead/policies"
)

// proxied is a Fetch with a proxy that connects to nothing: it answers by itself
// and notes what it was asked for.
func proxied(t *testing.T) (h *harness, asked func() []string) {
	var mu sync.Mutex
	var seen []string
	proxy := serve(t, func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		seen = append(seen, r.Method+" "+r.RequestURI+" "+r.Header.Get("Proxy-Authorization"))
		mu.Unlock()
		switch {
		case r.Method == http.MethodConnect:
			w.WriteHeader(http.StatusForbidden)
		case r.URL.Path == "/away":
			http.Redirect(w, r, "http://"+r.URL.Query().Get("to")+"/", http.StatusFound)
		default:
			io.WriteString(w, "by the proxy")
		}
	})
	u, err := url.Parse(proxy.URL)
	if err != nil {
		t.Fatal(err)
	}
	u.User = url.UserPassword("bulkhead", "pw")
	h = newHarness(t, Options{Proxy: u})
	n := &names{answers: map[string][][]string{
		"public.example.": {{"1.1.1.1"}}, "private.example.": {{"10.0.0.1"}}, "both.example.": {{"1.1.1.1", "127.0.0.1"}}, "alias.example.": {{"private.example."}},
	}}
	resolver := n.resolver(t)
	h.pools.newDialer = func(private bool) *dialer { return &dialer{private: private, resolver: resolver} }
	h.verdict = &policies.Verdict{Allowed: true}
	h.check = func(policies.Attributes) (policies.Verdict, error) { return *h.verdict, nil }
	return h, func() []string {
		mu.Lock()
		defer mu.Unlock()
		list := seen
		seen = nil
		return list
	}
}

func TestProxy(t *testing.T) {
	h, asked := proxied(t)
	auth := " Basic YnVsa2hlYWQ6cHc="
	r, err := h.get(t.Context(), "a", "http://public.example/a?b", `{"headers":{"proxy-authorization":"mine"}}`)
	if err != nil || string(r.bytes(t)) != "by the proxy" {
		t.Fatalf("got %+v, %v", r, err)
	}
	if got := asked(); len(got) != 1 || got[0] != "GET http://public.example/a?b"+auth {
		t.Errorf("the proxy was asked for %q", got)
	}
	if _, err := h.get(t.Context(), "a", "https://public.example/", ""); err == nil {
		t.Error("the refused tunnel went unnoticed")
	}
	if got := asked(); len(got) != 1 || got[0] != "CONNECT public.example:443"+auth {
		t.Errorf("the proxy was asked for %q", got)
	}
	_, missing := h.get(t.Context(), "a", "http://missing.example/", "")
	wantError(t, missing, "TypeError", "the host cannot be reached")
	for _, host := range []string{"private.example", "both.example", "alias.example", "127.0.0.1", "[::1]", "169.254.169.254", "localhost", "[::ffff:10.0.0.1]"} {
		for _, scheme := range []string{"http", "https"} {
			if _, err := h.get(t.Context(), "a", scheme+"://"+host+"/", ""); err == nil || err.Error() != missing.Error() {
				t.Errorf("%s: %v", host, err)
			}
		}
		if got := asked(); got != nil {
			t.Errorf("%s: the proxy was asked for %q", host, got)
		}
		if _, err := h.get(t.Context(), "a", "http://public.example/away?to="+host, ""); err == nil || err.Error() != missing.Error() {
			t.Errorf("a redirect to %s: %v", host, err)
		}
		if got := asked(); len(got) != 1 {
			t.Errorf("a redirect to %s: the proxy was asked for %q", host, got)
		}
	}
	h.verdict.Private = true
	if r, err := h.get(t.Context(), "a", "http://private.example/", ""); err != nil || string(r.bytes(t)) != "by the proxy" {
		t.Errorf("a private target that a rule allows: %+v, %v", r, err)
	}
}

// What Rewrite puts into a header goes to the host that it was put there for,
// and with no redirect.
func TestRewrite(t *testing.T) {
	echo := func(w http.ResponseWriter, r *http.Request) {
		if to := r.URL.Query().Get("to"); to != "" {
			http.Redirect(w, r, to, http.StatusTemporaryRedirect)
			return
		}
		fmt.Fprint(w, r.Header.Get("X-Key"))
	}
	trusted, other := serve(t, echo), httptest.NewServer(http.HandlerFunc(echo))
	defer other.Close()
	var calls []string
	h := newHarness(t, Options{Rewrite: func(_ context.Context, tenant, function string, target *url.URL, header http.Header) error {
		calls = append(calls, tenant+"/"+function+" "+target.Path)
		switch {
		case header.Get("X-Key") == "refused":
			return platform.Errorf("PermissionError", "not for this host")
		case header.Get("X-Key") == "broken":
			return errors.New("the store is away")
		case target.Host == strings.TrimPrefix(trusted.URL, "http://"):
			header.Set("X-Key", strings.ReplaceAll(header.Get("X-Key"), "<key>", "secret"))
		}
		target.Host = "evil.example"
		return nil
	}})
	init := `{"headers":{"x-key":"Bearer <key>"}}`
	for path, want := range map[string]string{
		trusted.URL + "/a":                                "Bearer secret",
		other.URL + "/a":                                  "Bearer <key>",
		trusted.URL + "/a?to=" + other.URL + "/b":         "Bearer <key>",
		other.URL + "/a?to=" + trusted.URL + "/b":         "Bearer secret",
		trusted.URL + "/a?to=" + trusted.URL + "/b?to=/a": "Bearer secret",
	} {
		r, err := h.get(t.Context(), "acme", path, init)
		if err != nil || string(r.bytes(t)) != want {
			t.Errorf("%s: got %+v, %v; want %s", path, r, err, want)
		}
	}
	if len(calls) != 9 || slices.ContainsFunc(calls, func(c string) bool { return c != "acme/f /a" && c != "acme/f /b" }) {
		t.Errorf("calls %v", calls)
	}
	_, err := h.get(t.Context(), "acme", trusted.URL, `{"headers":{"x-key":"refused"}}`)
	wantError(t, err, "PermissionError", "not for this host")
	if _, err := h.get(t.Context(), "acme", trusted.URL, `{"headers":{"x-key":"broken"}}`); err == nil || err.Error() != "the store is away" {
		t.Errorf("got %v", err)
	}
}

// Trace is asked at every request, redirects included, and has the last word
// about the header.
func TestTrace(t *testing.T) {
	type key struct{}
	echo := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/first" {
			http.Redirect(w, r, "/second", http.StatusFound)
			return
		}
		fmt.Fprint(w, r.Header["Traceparent"])
	})
	calls := 0
	h := newHarness(t, Options{Trace: func(ctx context.Context, target *url.URL, header http.Header) {
		calls++
		header.Set("Traceparent", fmt.Sprint(ctx.Value(key{}), target.Path))
	}})
	r, err := h.get(context.WithValue(t.Context(), key{}, "ours"), "acme", echo.URL+"/first", `{"headers":{"traceparent":"forged"}}`)
	if err != nil || string(r.bytes(t)) != "[ours/second]" || calls != 2 {
		t.Errorf("%+v, %v; %d calls", r, err, calls)
	}
}
