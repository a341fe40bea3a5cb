package gateway_test

import (
	"testing"

	"github.com/bulkhead-run/bulkhead/gateway"
	"github.com/bulkhead-run/bulkhead/internal/tokens"
	"github.com/bulkhead-run/bulkhead/supervisor"
)

// A version has a host name of its own. It is never public, and asks for a token
// of its tenant: by its digits, one that may deploy it.
func TestFunctionsPreviews(t *testing.T) {
	store := tokenStore(t)
	invokes := issue(t, store, "invokes", "t", tokens.TenantInvoke)
	deploys := issue(t, store, "deploys", "t", tokens.TenantDeploy)
	foreign := issue(t, store, "foreign", "u", tokens.TenantInvoke, tokens.TenantDeploy)
	f := web()
	f.functions["t/a--b"] = supervisor.Function{Tenant: "t", Function: "a--b", Public: true}
	h := functionsHandler(t, f, gateway.Options{Tokens: store, Functions: gateway.FunctionOptions{
		Domain: "f.example", CORS: map[gateway.FunctionName]gateway.CORS{{Tenant: "t", Function: "open"}: {Origins: []string{"https://page.example"}}}}})
	for _, tt := range []struct {
		host, path, token string
		status            int
		served            string
	}{
		{"open--t.f.example", "/", "", 200, "t/open"},
		{"staging--open--t.f.example", "/", "", 401, ""},
		{"staging--open--t.f.example", "/", foreign, 403, ""},
		{"staging--open--t.f.example", "/", invokes, 200, "t/open@staging"},
		{"staging--open--t.f.example", "/", deploys, 403, ""},
		{"12ab34cd56ef--open--t.f.example", "/", "", 401, ""},
		{"12ab34cd56ef--open--t.f.example", "/", foreign, 403, ""},
		{"12ab34cd56ef--open--t.f.example", "/", invokes, 403, ""},
		{"12ab34cd56ef--open--t.f.example", "/", deploys, 200, "t/open@12ab34cd56ef"},
		{"localhost", "/t/open@12ab34cd56ef/", invokes, 403, ""},
		{"localhost", "/t/open@12ab34cd56ef/", foreign, 403, ""},
		{"localhost", "/t/open@12ab34cd56ef/", deploys, 200, "t/open@12ab34cd56ef"},
		{"live--open--t.f.example", "/", "", 401, ""},
		{"live--open--t.f.example", "/", invokes, 200, "t/open@live"},
		{"a--b--t.f.example", "/", "", 200, "t/a--b"},
		{"staging--a--b--t.f.example", "/", invokes, 200, "t/a--b@staging"},
		{"--open--t.f.example", "/", invokes, 404, ""},
		{"staging----t.f.example", "/", invokes, 404, ""},
		{"staging--none--t.f.example", "/", foreign, 403, ""},
		{"staging--none--t.f.example", "/", invokes, 404, ""},
	} {
		header := []string{"Host", tt.host}
		if tt.token != "" {
			header = append(header, "Authorization", "Bearer "+tt.token)
		}
		f.served = ""
		if w := askFunction(t, h, "GET", tt.path, header...); w.Code != tt.status || f.served != tt.served {
			t.Errorf("%s%s: got %d by %q; want %d by %q", tt.host, tt.path, w.Code, f.served, tt.status, tt.served)
		}
	}
	if w := askFunction(t, h, "OPTIONS", "/", "Host", "staging--open--t.f.example", "Origin", "https://page.example", "Access-Control-Request-Method", "POST"); w.Header().Get("Access-Control-Allow-Origin") != "https://page.example" {
		t.Errorf("a preview's CORS is its function's: %d %v", w.Code, w.Header())
	}
}

// The API asks for the same. What is let through finds no such version here.
func TestInvokingKeptVersions(t *testing.T) {
	store := tokenStore(t)
	invokes := issue(t, store, "invokes", "t", tokens.TenantInvoke)
	deploys := issue(t, store, "deploys", "t", tokens.TenantDeploy)
	f := web()
	s, err := gateway.New(f, gateway.Options{Tokens: store})
	if err != nil {
		t.Fatal(err)
	}
	const at = "/v1/tenants/t/functions/closed"
	for _, tt := range []struct {
		path, token string
		status      int
	}{
		{at + "/invoke", invokes, 200},
		{at + "/invoke?version=staging", invokes, 404},
		{at + "/versions/live/invoke", invokes, 404},
		{at + "/invoke?version=12ab", invokes, 403},
		{at + "/invoke?version=12ab", deploys, 404},
		{at + "/versions/12ab/invoke", invokes, 403},
		{at + "/versions/12ab/invoke", deploys, 404},
		{at + "@12ab/invoke", invokes, 403},
		{at + "%4012ab/invoke", invokes, 403},
		{at + "/invoke", deploys, 403},
	} {
		if w := askFunction(t, s.Handler(), "POST", tt.path, "Authorization", "Bearer "+tt.token); w.Code != tt.status {
			t.Errorf("%s: got %d %s; want %d", tt.path, w.Code, w.Body, tt.status)
		}
	}
}
