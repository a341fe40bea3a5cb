package gateway_test

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/bulkhead-run/bulkhead/gateway"
	"github.com/bulkhead-run/bulkhead/internal/tokens"
	"github.com/bulkhead-run/bulkhead/supervisor"
)

var since = time.Unix(1700000000, 0).UTC()

func tokenStore(t *testing.T) *tokens.Store {
	t.Helper()
	s, err := tokens.Open(t.TempDir(), "", slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s
}

// issue makes a token, for tenant unless that is empty.
func issue(t *testing.T, s *tokens.Store, name, tenant string, scopes ...tokens.Scope) string {
	t.Helper()
	k := tokens.Token{Name: name, Scopes: scopes, Tenant: tenant}
	if tenant != "" {
		k.TenantSince = since
	}
	_, text, err := s.Create(k, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// operations lists the API's operations out of its own document.
func operations(t *testing.T, h http.Handler) (list [][3]string) {
	t.Helper()
	var doc struct {
		Paths map[string]map[string]struct {
			Security []map[string][]string
		}
		Components struct{ SecuritySchemes map[string]any }
	}
	if err := json.Unmarshal(send(t, h, "GET", "/openapi.json", "").Body.Bytes(), &doc); err != nil {
		t.Fatal(err)
	}
	if len(doc.Components.SecuritySchemes) != 1 {
		t.Errorf("security schemes %v", doc.Components.SecuritySchemes)
	}
	for path, methods := range doc.Paths {
		for method, op := range methods {
			scope := ""
			for name, scopes := range op.Security[0] {
				if name == "token" && len(scopes) == 1 {
					scope = scopes[0]
				}
			}
			list = append(list, [3]string{strings.ToUpper(method), path, scope})
		}
	}
	// Which the document does not describe.
	return append(list, [3]string{"GET", "/metrics", "metrics"})
}

// Every route, and who may use it: one that is added has to be added here.
func TestEveryRouteAsksForItsScope(t *testing.T) {
	f, store := newFake().withFunction(), tokenStore(t)
	f.tenants["t"] = supervisor.Tenant{Name: "t", Created: since}
	h := handler(t, f, gateway.Options{Tokens: store, Settings: &settings{vars: map[string]map[string]string{}}})
	want := map[string]tokens.Scope{
		"POST " + functionOf + "/watch": tokens.TenantDeploy,
		"GET /v1/self":                  "", "POST /v1/tenants/{tenant}/run": tokens.TenantDeploy,
		"GET /healthz": "", "GET /readyz": "", "GET /metrics": tokens.Metrics,
		"GET /v1/tenants": tokens.Admin, "GET /v1/tenants/{tenant}": tokens.TenantDeploy,
		"PUT /v1/tenants/{tenant}": tokens.Admin, "DELETE /v1/tenants/{tenant}": tokens.Admin,
		"GET /v1/tenants/{tenant}/functions":                         tokens.TenantDeploy,
		"GET /v1/tenants/{tenant}/functions/{function}":              tokens.TenantDeploy,
		"PUT /v1/tenants/{tenant}/functions/{function}":              tokens.TenantDeploy,
		"DELETE /v1/tenants/{tenant}/functions/{function}":           tokens.TenantDeploy,
		"POST /v1/tenants/{tenant}/functions/{function}/invoke":      tokens.TenantInvoke,
		"GET " + versionsOf:                                          tokens.TenantDeploy,
		"GET " + versionsOf + "/{version}":                           tokens.TenantDeploy,
		"POST " + versionsOf + "/{version}/invoke":                   tokens.TenantInvoke,
		"GET " + functionOf + "/diff":                                tokens.TenantDeploy,
		"POST " + functionOf + "/rollback":                           tokens.TenantDeploy,
		"PUT " + functionOf + "/aliases/{alias}":                     tokens.TenantDeploy,
		"DELETE " + functionOf + "/aliases/{alias}":                  tokens.TenantDeploy,
		"PUT " + functionOf + "/split":                               tokens.TenantDeploy,
		"DELETE " + functionOf + "/split":                            tokens.TenantDeploy,
		"GET /v1/tenants/{tenant}/secrets":                           tokens.TenantDeploy,
		"PUT /v1/tenants/{tenant}/secrets/{secret}":                  tokens.TenantDeploy,
		"DELETE /v1/tenants/{tenant}/secrets/{secret}":               tokens.TenantDeploy,
		"GET /v1/tenants/{tenant}/env":                               tokens.TenantDeploy,
		"PUT /v1/tenants/{tenant}/env":                               tokens.TenantDeploy,
		"GET /v1/tenants/{tenant}/functions/{function}/env":          tokens.TenantDeploy,
		"PUT /v1/tenants/{tenant}/functions/{function}/env":          tokens.TenantDeploy,
		"POST /v1/tenants/{tenant}/explain":                          tokens.TenantDeploy,
		"GET /v1/policies":                                           tokens.TenantDeploy,
		"GET /v1/audit":                                              tokens.TenantDeploy,
		"GET /v1/logs":                                               tokens.TenantDeploy,
		"PUT /v1/tenants/{tenant}/functions/{function}/recording":    tokens.TenantDeploy,
		"DELETE /v1/tenants/{tenant}/functions/{function}/recording": tokens.TenantDeploy,
		"GET /v1/tenants/{tenant}/recordings":                        tokens.TenantDeploy,
		"GET /v1/tenants/{tenant}/recordings/{recording}":            tokens.TenantDeploy,
		"DELETE /v1/tenants/{tenant}/recordings/{recording}":         tokens.TenantDeploy,
		"POST /v1/tenants/{tenant}/recordings/{recording}/replay":    tokens.TenantDeploy,
		"GET /v1/usage":                                              tokens.TenantDeploy,
		"GET /v1/stats":                                              tokens.Admin, "GET /v1/sandboxes": tokens.Admin,
		"GET /v1/tokens": tokens.Admin, "POST /v1/tokens": tokens.Admin, "DELETE /v1/tokens/{token}": tokens.Admin,
	}
	all := map[tokens.Scope]string{
		tokens.Admin:        issue(t, store, "admin", "", tokens.Admin),
		tokens.TenantDeploy: issue(t, store, "deploy", "t", tokens.TenantDeploy),
		tokens.TenantInvoke: issue(t, store, "invoke", "t", tokens.TenantInvoke),
		tokens.Metrics:      issue(t, store, "metrics", "", tokens.Metrics),
	}
	other := issue(t, store, "other", "other", tokens.TenantDeploy, tokens.TenantInvoke)
	names := strings.NewReplacer("{tenant}", "t", "{function}", "f", "{secret}", "S", "{token}", "nobody", "{version}", "live", "{alias}", "x")
	ask := func(method, path, token string) int {
		target := names.Replace(path)
		if path == "/v1/audit" || path == "/v1/logs" || path == "/v1/usage" {
			target += "?tenant=t"
		}
		r := httptest.NewRequest(method, target, strings.NewReader("{}"))
		ctx, cancel := context.WithCancel(r.Context())
		cancel() // what would last ends at once
		r = r.WithContext(ctx)
		r.Header.Set("Content-Type", jsonText)
		if token != "" {
			r.Header.Set("Authorization", "Bearer "+token)
		}
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		return w.Code
	}
	seen := 0
	for _, op := range operations(t, h) {
		method, path, described := op[0], op[1], op[2]
		scope, known := want[method+" "+path]
		if !known {
			t.Errorf("%s %s is not in this test: who may use it?", method, path)
			continue
		}
		seen++
		if string(scope) != described {
			t.Errorf("%s %s: the document says %q, not %q", method, path, described, scope)
		}
		if path == "/v1/self" {
			// Every token may ask who it is; nobody else is anybody.
			if got := [3]int{ask(method, path, ""), ask(method, path, tokens.Generate()), ask(method, path, all[tokens.Metrics])}; got != [3]int{401, 401, 200} {
				t.Errorf("%s %s: %v", method, path, got)
			}
			continue
		}
		if got := ask(method, path, ""); (got == 401) != (scope != "") {
			t.Errorf("%s %s without a token: %d", method, path, got)
		}
		if got := ask(method, path, tokens.Generate()); (got == 401) != (scope != "") {
			t.Errorf("%s %s with an unknown token: %d", method, path, got)
		}
		if got := ask(method, path, other); (got == 403) != (scope != "" && path != "/v1/policies") {
			t.Errorf("%s %s with another tenant's token: %d", method, path, got)
		}
		for has, text := range all {
			if has == tokens.Admin && method == "DELETE" {
				continue // it would take away what is asked for
			}
			if got := ask(method, path, text); (got == 401 || got == 403) != (scope != "" && has != scope && has != tokens.Admin) {
				t.Errorf("%s %s with the scope %s: %d", method, path, has, got)
			}
			f.withFunction() // it may have been deleted
			f.tenants["t"] = supervisor.Tenant{Name: "t", Created: since}
		}
	}
	if seen != len(want) {
		t.Errorf("%d routes were found, not %d", seen, len(want))
	}
}

// Who may not ask hears the same of a tenant that exists as of one that does
// not.
func TestRefusalsTellNoTenants(t *testing.T) {
	f, store := newFake().withFunction(), tokenStore(t)
	h := handler(t, f, gateway.Options{Tokens: store})
	for _, token := range []string{"", "bhk_nonsense", tokens.Generate(), issue(t, store, "other", "other", tokens.TenantInvoke, tokens.TenantDeploy)} {
		for _, c := range [][2]string{{"POST", "/v1/tenants/%/functions/f/invoke"}, {"GET", "/v1/tenants/%"}, {"GET", "/v1/tenants/%/functions/f"}, {"GET", "/v1/audit?tenant=%"}} {
			var said [2]string
			for i, tenant := range []string{"t", "nobody"} {
				a := send(t, h, c[0], strings.Replace(c[1], "%", tenant, 1), "{}", "Authorization", "Bearer "+token)
				if a.Code != 401 && a.Code != 403 {
					t.Errorf("%s %s: %d", c[0], c[1], a.Code)
				}
				said[i] = a.Body.String() + a.Header().Get("Www-Authenticate")
			}
			if said[0] != said[1] {
				t.Errorf("%q and %q", said[0], said[1])
			}
		}
	}
}

func TestChallenges(t *testing.T) {
	store := tokenStore(t)
	h := handler(t, newFake().withFunction(), gateway.Options{Tokens: store})
	invoker := issue(t, store, "invoker", "t", tokens.TenantInvoke)
	for _, c := range []struct {
		name, header, kind, challenge string
		status                        int
	}{
		{"none", "", "unauthenticated", `Bearer realm="bulkhead"`, 401},
		{"another scheme", "Basic dXNlcjpwYXNz", "unauthenticated", `error="invalid_token"`, 401},
		{"no token", "Bearer ", "unauthenticated", `error="invalid_token"`, 401},
		{"mistyped", "Bearer " + invoker + "x", "unauthenticated", `not a token of Bulkhead`, 401},
		{"not ours", "Bearer " + tokens.Generate(), "unauthenticated", `error="invalid_token"`, 401},
		{"the wrong scope", "bearer " + invoker, "forbidden", `error="insufficient_scope", scope="admin"`, 403},
	} {
		headers := []string{}
		if c.header != "" {
			headers = []string{"Authorization", c.header}
		}
		a := send(t, h, "GET", "/v1/tenants", "", headers...)
		p := a.problem(c.status, c.kind)
		if got := a.Header().Get("Www-Authenticate"); !strings.Contains(got, c.challenge) || p.Remedy == "" {
			t.Errorf("%s: %q, %+v", c.name, got, p)
		}
	}
	r := httptest.NewRequest("GET", "/v1/tenants", nil)
	r.Header["Authorization"] = []string{"Bearer " + invoker, "Bearer " + invoker}
	w := httptest.NewRecorder()
	if h.ServeHTTP(w, r); w.Code != 401 {
		t.Errorf("two tokens: %d", w.Code)
	}
}

func TestTokensOverTheAPI(t *testing.T) {
	f, store := newFake(), tokenStore(t)
	h := handler(t, f, gateway.Options{Tokens: store})
	admin := []string{"Content-Type", jsonText, "Authorization", "Bearer " + issue(t, store, "boss", "", tokens.Admin)}
	send(t, h, "PUT", "/v1/tenants/acme", "", admin...).ok(201)
	made := send(t, h, "POST", "/v1/tokens", `{"name":"ci","scopes":["tenant-deploy"],"tenant":"acme","expires":"2999-01-01T00:00:00Z"}`, admin...).ok(201)
	ci := []string{"Content-Type", jsText, "Authorization", "Bearer " + made["token"].(string)}
	send(t, h, "PUT", "/v1/tenants/acme/functions/f", "() => 1", ci...).ok(201)
	send(t, h, "POST", "/v1/tenants/acme/functions/f/invoke", "1", ci...).problem(403, "forbidden")
	list := send(t, h, "GET", "/v1/tokens", "", admin...)
	if strings.Contains(list.Body.String(), made["token"].(string)) || len(list.ok(200)["tokens"].([]any)) != 2 {
		t.Errorf("listed %s", list.Body)
	}
	for body, field := range map[string]string{
		`{"name":"ci","scopes":["admin"]}`: "", `{"name":"x","scopes":["root"]}`: "scopes", `{"name":"x"}`: "scopes",
		`{"name":"x","scopes":["admin"],"expires":"soon"}`: "expires", `{"name":"x","scopes":["admin"],"rate":"1"}`: "rate",
	} {
		p := send(t, h, "POST", "/v1/tokens", body, admin...).problem(400, "invalid")
		if field != "" && (len(p.Problems) != 1 || p.Problems[0].Field != field) {
			t.Errorf("%s: %+v", body, p)
		}
	}
	send(t, h, "POST", "/v1/tokens", `{"name":"x","scopes":["tenant-invoke"],"tenant":"nobody"}`, admin...).problem(404, "not-found")

	// A later tenant of the same name is another one.
	gone := issue(t, store, "old", "acme", tokens.TenantDeploy)
	f.tenants["acme"] = supervisor.Tenant{Name: "acme", Created: since.Add(time.Second)}
	send(t, h, "GET", "/v1/tenants/acme", "", "Authorization", "Bearer "+gone).problem(403, "forbidden")
	f.tenants["acme"] = supervisor.Tenant{Name: "acme", Created: since}
	send(t, h, "GET", "/v1/tenants/acme", "", "Authorization", "Bearer "+gone).ok(200)

	send(t, h, "DELETE", "/v1/tokens/ci", "", admin...).ok(204)
	send(t, h, "PUT", "/v1/tenants/acme/functions/f", "() => 2", ci...).problem(401, "unauthenticated")
	send(t, h, "DELETE", "/v1/tokens/ci", "", admin...).problem(404, "not-found")
	send(t, h, "DELETE", "/v1/tenants/acme", "", admin...).ok(204)
	send(t, h, "GET", "/v1/tenants/acme", "", "Authorization", "Bearer "+gone).problem(401, "unauthenticated")
}

// Loopback is open until the first token, and from then on for good.
func TestLoopbackClosesWithTheFirstToken(t *testing.T) {
	store := tokenStore(t)
	addr, _ := serve(t, newFake(), gateway.Options{Tokens: store})
	get := func(host, token string) int {
		req, _ := http.NewRequest("GET", "http://"+addr+"/v1/tenants", nil)
		req.Host = host
		if token != "" {
			req.Header.Set("Authorization", "Bearer "+token)
		}
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		return resp.StatusCode
	}
	if got := get(addr, ""); got != 200 {
		t.Errorf("before the first token: %d", got)
	}
	if got := get("evil.example", ""); got != 421 {
		t.Errorf("for another host: %d", got)
	}
	admin := issue(t, store, "admin", "", tokens.Admin)
	if got := get(addr, ""); got != 401 {
		t.Errorf("after the first token: %d", got)
	}
	if got := get("api.example", admin); got != 200 {
		t.Errorf("with it, through a proxy: %d", got)
	}
	if err := store.Revoke("admin"); err != nil {
		t.Fatal(err)
	}
	if got := get(addr, ""); got != 401 {
		t.Errorf("after the last was revoked: %d", got)
	}
	required, _ := serve(t, newFake(), gateway.Options{Tokens: tokenStore(t), RequireAuth: true})
	addr = required
	if got := get(addr, ""); got != 401 {
		t.Errorf("where it is required: %d", got)
	}
}

func TestServeRefusesWithoutAuthentication(t *testing.T) {
	s, err := gateway.New(newFake(), gateway.Options{Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	ln, err := gateway.Listen("0.0.0.0:0", true)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Serve(t.Context(), ln); err == nil {
		t.Error("it serves everybody")
	}
}

// Changes are logged with who made them.
func TestChangesAreLogged(t *testing.T) {
	var log bytes.Buffer
	store := tokenStore(t)
	s, err := gateway.New(newFake(), gateway.Options{Tokens: store, Logger: slog.New(slog.NewTextHandler(&log, nil))})
	if err != nil {
		t.Fatal(err)
	}
	admin := issue(t, store, "boss", "", tokens.Admin)
	send(t, s.Handler(), "PUT", "/v1/tenants/acme", "", "Authorization", "Bearer "+admin).ok(201)
	if text := log.String(); !strings.Contains(text, `by="token boss" method=PUT path=/v1/tenants/acme status=201`) || strings.Contains(text, admin) {
		t.Errorf("log %s", text)
	}
}

// serveAdmin runs a server on an admin socket and returns a client of it.
func serveAdmin(t *testing.T, path string, o gateway.Options) *http.Client {
	t.Helper()
	o.Logger = slog.New(slog.DiscardHandler)
	s, err := gateway.New(newFake(), o)
	if err != nil {
		t.Fatal(err)
	}
	ln, err := gateway.ListenAdmin(path, "", o.Logger)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Serve(ctx, ln) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Serve: %v", err)
		}
	})
	address := ln.Addr().String()
	transport := &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, "unix", address)
	}}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport}
}

func TestAdminSocket(t *testing.T) {
	store := tokenStore(t)
	invoker := issue(t, store, "invoker", "t", tokens.TenantInvoke)
	path := filepath.Join(t.TempDir(), strings.Repeat("long", 30), "admin.sock")
	mkdir(t, filepath.Dir(path))
	leaveSocket(t, path) // of one that was killed
	c := serveAdmin(t, path, gateway.Options{Tokens: store})
	for token, want := range map[string]int{"": 200, invoker: 403, tokens.Generate(): 401} {
		req, _ := http.NewRequest("GET", "http://localhost/v1/tenants", nil)
		if token != "" {
			req.Header.Set("Authorization", "Bearer "+token)
		}
		resp, err := c.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		io.Copy(io.Discard, resp.Body)
		resp.Body.Close()
		if resp.StatusCode != want {
			t.Errorf("with token %q: %d, want %d", token, resp.StatusCode, want)
		}
	}
	if mode := modeOf(t, path); mode != 0o600 {
		t.Errorf("the socket has mode %o", mode)
	}
	if _, err := gateway.ListenAdmin(path, "", slog.Default()); err == nil || !strings.Contains(err.Error(), "another supervisor") {
		t.Errorf("a second one: %v", err)
	}
	file := filepath.Join(t.TempDir(), "file")
	touch(t, file)
	if _, err := gateway.ListenAdmin(file, "", slog.Default()); err == nil {
		t.Error("it took a file's place")
	}
}

func FuzzAuthorization(f *testing.F) {
	store, err := tokens.Open(f.TempDir(), "", slog.New(slog.DiscardHandler))
	if err != nil {
		f.Fatal(err)
	}
	_, text, err := store.Create(tokens.Token{Name: "n", Scopes: []tokens.Scope{tokens.Admin}}, time.Now())
	if err != nil {
		f.Fatal(err)
	}
	s, err := gateway.New(newFake(), gateway.Options{Tokens: store, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		f.Fatal(err)
	}
	for _, header := range []string{"", "Bearer", "Bearer " + text, "bearer  " + text + " ", "Basic " + text, "Bearer " + text + "," + text, "Bearer\t" + text, "Bearer \x00", strings.Repeat("Bearer ", 1000)} {
		f.Add(header)
	}
	f.Fuzz(func(t *testing.T, header string) {
		r := httptest.NewRequest("GET", "/v1/tenants", nil)
		r.Header["Authorization"] = []string{header}
		w := httptest.NewRecorder()
		s.Handler().ServeHTTP(w, r)
		scheme, rest, _ := strings.Cut(header, " ")
		if want := strings.EqualFold(scheme, "bearer") && strings.Trim(rest, " ") == text; (w.Code == 200) != want || w.Code != 200 && w.Code != 401 {
			t.Errorf("%q: %d", header, w.Code)
		}
	})
}
