package policies_test

import (
	"encoding/json"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/bulkhead-run/bulkhead/policies"
)

func TestExplain(t *testing.T) {
	p := mustParse(t, `version: 1
name: shop
extends: [compute]
rules:
  - {api: "kv.*", action: allow}
  - api: fetch
    action: deny
    when: {host: bad.example}
    comment: It once was breached.
  - api: fetch
    action: allow
    when: {host: ["*.example.org", api.example.com], port: 443}
    cel: method in ["GET", "HEAD"]
    quota: {calls_per_second: 5}
  - {api: db.query, action: allow, when: {table: [orders]}}
`)
	a := policies.Attributes{Scheme: "https", Host: "api.example.com", Port: 443, Method: "GET", Path: "/"}
	post := a
	post.Method = "POST"
	port := a
	port.Port = 8080
	for _, c := range []struct {
		name, api string
		a         policies.Attributes
		want      string
	}{
		{"allowed", "fetch", a, `fetch: allow, by rules[2] of policy shop (test.yaml:10)
  1 rule is about other APIs
  - rules[1] of policy shop (test.yaml:6) does not hold
      # It once was breached.
      - host: wants bad.example, sees "api.example.com"
  + rules[2] of policy shop (test.yaml:10) decides: allow
      + host: wants *.example.org, api.example.com, sees "api.example.com"
      + port: wants 443, sees "443"
      + cel: wants method in ["GET", "HEAD"], sees "true"
  charged to shop/rules[2]: {calls_per_second: 5, burst: 5}
`},
		{"expression", "fetch", post, `fetch: deny, by default of policy shop (test.yaml:1)
  1 rule is about other APIs
  - rules[1] of policy shop (test.yaml:6) does not hold
      # It once was breached.
      - host: wants bad.example, sees "api.example.com"
  - rules[2] of policy shop (test.yaml:10) does not hold
      + host: wants *.example.org, api.example.com, sees "api.example.com"
      + port: wants 443, sees "443"
      - cel: wants method in ["GET", "HEAD"], sees "false"
  2 rules are about other APIs
  + default of policy shop (test.yaml:1) decides: deny
`},
		{"missing", "fetch", policies.Attributes{}, `fetch: deny, by rules[1] of policy shop (test.yaml:6)
  1 rule is about other APIs
  + rules[1] of policy shop (test.yaml:6) decides: deny
      # It once was breached.
      + host: wants bad.example, sees nothing (the call has none: a rule that denies holds then)
`},
		{"tables", "db.query", policies.Attributes{Statement: "select", Tables: []string{"orders", "users\n"}}, `db.query: deny, by default of policy shop (test.yaml:1)
  3 rules are about other APIs
  - rules[3] of policy shop (test.yaml:15) does not hold
      - table: wants orders, sees "orders, users\n" (every table must be named)
  1 rule is about other APIs
  + default of policy shop (test.yaml:1) decides: deny
`},
	} {
		e := p.Explain(c.api, c.a)
		if got := e.String(); got != c.want {
			t.Errorf("%s: got\n%s\nwant\n%s", c.name, got, c.want)
		}
	}
	doc, err := json.Marshal(p.Explain("fetch", port))
	if err != nil || !strings.Contains(string(doc), `{"name":"port","held":false,"wanted":"443","seen":"8080"}`) {
		t.Errorf("%v: %s", err, doc)
	}
	var none *policies.Policy
	if e := none.Explain("log", a); e.Allowed || e.Considered == nil {
		t.Errorf("got %+v", e)
	}
}

// An explanation that tells of another rule than the one that decides would be
// worse than none.
func TestExplainAgreesWithEvaluate(t *testing.T) {
	for seed := range uint64(150) {
		r := rand.New(rand.NewPCG(seed, 7))
		p := policies.Narrow(mustParse(t, randomPolicy(r, "outer")), mustParse(t, randomPolicy(r, "inner")))
		for range 40 {
			api, a := pick(r, someAPIs), randomAttributes(r)
			v, e := p.Evaluate(api, a), p.Explain(api, a)
			if e.Action != v.Action || e.Rule != v.Rule || e.Policy != v.Policy {
				t.Fatalf("seed %d: %+v against %+v", seed, e, v)
			}
			decides := map[string]string{}
			for _, c := range e.Considered {
				held := true
				for _, x := range c.Conditions {
					held = held && x.Held
				}
				if held != c.Decides {
					t.Fatalf("seed %d: %s: conditions and outcome differ: %+v", seed, api, c)
				}
				if c.Decides {
					if decides[c.Policy] != "" {
						t.Fatalf("seed %d: two rules of %s decide", seed, c.Policy)
					}
					decides[c.Policy] = c.Rule
				}
			}
			if decides[v.Policy] != v.Rule || len(decides) != 2 {
				t.Fatalf("seed %d: %s decides, the explanation says %v", seed, v.Rule, decides)
			}
		}
	}
}
