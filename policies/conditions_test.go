package policies_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/bulkhead-run/bulkhead/policies"
)

// Each condition, in a rule that allows and in one that denies: when in doubt
// the first never decides, the second always does.
func TestConditions(t *testing.T) {
	type A = policies.Attributes
	for _, c := range []struct {
		when         string
		a            A
		allow, deny_ bool // whether the rule decides
	}{
		{"scheme: https", A{Scheme: "https"}, true, true},
		{"scheme: https", A{Scheme: "http"}, false, false},
		{"scheme: https", A{}, false, true},
		{"host: a.example", A{Host: "a.example"}, true, true},
		{"host: a.example", A{Host: "b.example"}, false, false},
		{"host: a.example", A{}, false, true},
		{"host: '*'", A{}, false, true},
		{"host: '*.example'", A{Host: ".example"}, false, true},
		{"port: 443", A{Port: 443}, true, true},
		{"port: 443", A{Port: 80}, false, false},
		{"port: 443", A{}, false, true},
		{"method: get", A{Method: "GET"}, true, true},
		{"method: GET", A{Method: "POST"}, false, false},
		{"method: GET", A{}, false, true},

		{"path: /v1", A{Path: "/v1"}, true, true},
		{"path: /v1", A{Path: "/v1/users"}, true, true},
		{"path: /v1", A{Path: "/v10"}, false, false},
		{"path: /v1/", A{Path: "/v1/users"}, true, true},
		{"path: /v1/", A{Path: "/v1"}, false, false},
		{"path: /", A{Path: "/anything"}, true, true},
		{"path: /v1", A{}, false, true},
		// What a lenient server could make of a path counts against it.
		{"path: /v1", A{Path: "/v1/%2e%2e/admin"}, false, true},
		{"path: /v1", A{Path: "/v1/%252e%252e/admin"}, false, true},
		{"path: /v1", A{Path: "/v1/..%2fadmin"}, false, true},
		{"path: /v1", A{Path: `/v1/..\admin`}, false, true},
		{"path: /v1", A{Path: "/%761/users"}, false, true},
		{"path: /v1", A{Path: "//v1/users"}, false, true},
		{"path: /v1", A{Path: "/v1;x=1/users"}, false, true},
		{"path: /v1", A{Path: "/v1/a%20b"}, true, true},
		{"path: /a%20b", A{Path: "/a b/c"}, true, true}, // decoded, as the API gives it
		{"path: /a%20b", A{Path: "/a%20b/c"}, false, true},
		{"path: /a%2525b", A{Path: "/a%25b"}, true, true},

		{"statement: [select, insert]", A{Statement: "insert"}, true, true},
		{"statement: select", A{Statement: "delete"}, false, false},
		{"statement: select", A{}, false, true},
		{"table: [a, b]", A{Statement: "select", Tables: []string{"a"}}, true, true},
		{"table: [A, b]", A{Statement: "select", Tables: []string{"a", "b"}}, true, true},
		{"table: [a, b]", A{Statement: "select", Tables: []string{"a", "c"}}, false, true}, // a join
		{"table: [a, b]", A{Statement: "select", Tables: []string{"c", "a"}}, false, true},
		{"table: [a, b]", A{Statement: "select", Tables: []string{"c"}}, false, false},
		{"table: 'log_*'", A{Statement: "select", Tables: []string{"log_2026", "log_"}}, true, true},
		{"table: 'log_*'", A{Statement: "select", Tables: []string{"logs"}}, false, false},
		{"table: a", A{Statement: "select"}, false, false}, // it touches none
		{"table: a", A{}, false, true},                     // nobody knows

		{"key: user/", A{Key: "user/1"}, true, true},
		{"key: user/", A{Key: "users"}, false, false},
		{"key: [x/, user/]", A{Key: "user/1"}, true, true},
		{"key: user/", A{}, false, true},
		{"key: user/", A{Key: "use", Prefix: true}, false, true}, // would list user/ too
		{"key: user/", A{Key: "use"}, false, false},
		{"key: user/", A{Key: "user/a", Prefix: true}, true, true},
		{"key: user/", A{Key: "other/", Prefix: true}, false, false},
		{"key: user/", A{Prefix: true}, false, true},

		{"name: orders", A{Name: "orders"}, true, true},
		{"name: orders", A{Name: "orders-eu"}, false, false},
		{"name: 'orders*'", A{Name: "orders-eu"}, true, true},
		{"name: '*'", A{Name: "x"}, true, true},
		{"name: orders", A{}, false, true},
		{"name: [a, b, c, d, e, f, g, h, i, orders]", A{Name: "orders"}, true, true},
		{"name: [a, b, c, d, e, f, g, h, i, orders]", A{Name: "order"}, false, false},

		{"size: '> 1KiB'", A{Size: 1025}, true, true},
		{"size: '>1024'", A{Size: 1024}, false, false},
		{"size: '> 1KiB'", A{Size: -1}, false, true},

		// All of several must hold.
		{"{host: a.example, method: GET}", A{Host: "a.example", Method: "GET"}, true, true},
		{"{host: a.example, method: GET}", A{Host: "a.example", Method: "PUT"}, false, false},
		{"{host: a.example, method: GET}", A{Host: "a.example"}, false, true},
	} {
		when := c.when
		if when[0] != '{' {
			when = "{" + when + "}"
		}
		for action, want := range map[policies.Action]bool{
			policies.Allow: c.allow, policies.Audit: c.allow, policies.Deny: c.deny_, policies.Kill: c.deny_,
		} {
			fallback := policies.Deny
			if !action.Allows() {
				fallback = policies.Allow
			}
			p := mustParse(t, fmt.Sprintf("version: 1\nname: x\ndefault: %v\nrules: [{api: f, action: %v, when: %s}]\n", fallback, action, when))
			v := p.Evaluate("f", c.a)
			if got := v.Rule == "rules[0]"; got != want || got && v.Action != action || v.Allowed != v.Action.Allows() {
				t.Errorf("%v when %s, call %+v: got %v by %s", action, when, c.a, v.Action, v.Rule)
			}
		}
	}
	p := mustParse(t, "version: 1\nname: x\nrules: [{api: f, action: allow, when: {size: 1KiB}}]\n")
	for size, want := range map[int64]bool{0: true, 1024: true, 1025: false, -1: false} {
		if got := p.Evaluate("f", A{Size: size}).Allowed; got != want {
			t.Errorf("size %d: got %v", size, got)
		}
	}
}

func TestVerdictSettings(t *testing.T) {
	p := mustParse(t, `version: 1
name: settings
default: kill
rules:
  - api: fetch
    action: audit
    max_response: 5MiB
    private: true
    quota: {calls_per_invocation: 3, calls_per_second: 2.5, bytes_per_minute: 1MiB}
    comment: For the tests.
  - {api: kv.get, action: allow, quota: {calls_per_second: 10, burst: 50}}
`)
	v := p.Evaluate("fetch", policies.Attributes{})
	if v.Action != policies.Audit || !v.Allowed || v.MaxResponse != 5<<20 || !v.Private || v.Place != "test.yaml:5" || len(v.Quotas) != 1 {
		t.Fatalf("got %+v", v)
	}
	if want := (policies.Quota{ID: "settings/rules[0]", Place: "test.yaml:5", CallsPerInvocation: 3, CallsPerSecond: 2.5, Burst: 3, BytesPerMinute: 1 << 20}); *v.Quotas[0] != want {
		t.Errorf("got %+v", *v.Quotas[0])
	}
	if q := p.Evaluate("kv.get", policies.Attributes{}).Quotas; len(q) != 1 || q[0].Burst != 50 || q[0].ID != "settings/rules[1]" {
		t.Errorf("got %+v", q)
	}
	if v := p.Evaluate("log", policies.Attributes{}); v.Action != policies.Kill || v.Allowed || v.Place != "test.yaml:3" || v.Rule != "default" {
		t.Errorf("got %+v", v)
	}
}

// Rules are ruled out by a host's last labels before they are looked at: that
// must rule out none that decides.
func TestEveryRuleThatNamesTheHostDecides(t *testing.T) {
	patterns := []string{"*", "localhost", "example.org", "a.example.org", "*.org", "*.example.org", "*.b.example.org", "10.0.0.1", "xn--bcher-kva.example", "*.co.uk"}
	hosts := []string{"localhost", "org", "example.org", "a.example.org", "a.b.example.org", "c.a.b.example.org", "notexample.org", "10.0.0.1", "110.0.0.1",
		"xn--bcher-kva.example", "a.co.uk", "co.uk", "uk", "a..org", "example.org."}
	for _, pattern := range patterns {
		p := mustParse(t, "version: 1\nname: p\nrules:\n  - {api: fetch, action: allow, when: {host: ['other.example', '"+pattern+"']}}\n")
		for _, host := range hosts {
			suffix, wild := strings.CutPrefix(pattern, "*")
			want := host == pattern || wild && strings.HasSuffix(host, suffix) && len(host) > len(suffix)
			if got := p.Evaluate("fetch", policies.Attributes{Host: host}).Allowed; got != want {
				t.Errorf("%s with %s: allowed %v, want %v", pattern, host, got, want)
			}
		}
		if v := p.Evaluate("fetch", policies.Attributes{}); v.Allowed {
			t.Errorf("%s without a host: %+v", pattern, v)
		}
	}
}
