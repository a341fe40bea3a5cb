package policies_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/bulkhead-run/bulkhead/policies"
)

// evaluations are the cases whose cost is promised: 2 µs for a structured
// rule, 10 µs for CEL, and no allocation for the former.
func evaluations(t testing.TB) []evaluation {
	fetch := policies.Attributes{Scheme: "https", Host: "a.b.example.org", Port: 443, Method: "GET", Path: "/v1/users/7"}
	var rules, wild, hosts strings.Builder
	rules.WriteString("version: 1\nname: rules\nrules:\n")
	wild.WriteString("version: 1\nname: wild\nrules:\n")
	for i := range 199 {
		fmt.Fprintf(&rules, "  - {api: '*', action: deny, when: {host: ['*.nowhere.example', h%d.example], method: GET}}\n", i)
		fmt.Fprintf(&wild, "  - {api: 'a%d.*', action: allow}\n", i)
	}
	rules.WriteString("  - {api: fetch, action: allow}\n")
	wild.WriteString("  - {api: 'kv.*', action: allow}\n")
	hosts.WriteString("version: 1\nname: hosts\nrules:\n  - {api: fetch, action: allow, when: {host: [")
	for i := range 999 {
		fmt.Fprintf(&hosts, "h%d.example.com, ", i)
	}
	hosts.WriteString("'*.example.org'], path: /v1}}\n")
	one := mustParse(t, webhook)
	tier := mustParse(t, "version: 1\nname: tier\nrules: [{api: '*', action: allow, quota: {calls_per_second: 100}}]\n")
	tenant := mustParse(t, "version: 1\nname: tenant\nrules: [{api: fetch, action: allow, when: {scheme: https}, quota: {calls_per_invocation: 9}}]\n")
	cel := mustParse(t, "version: 1\nname: cel\nrules: [{api: fetch, action: allow, cel: 'host.endsWith(\".example.org\") && port == 443 && size(args) == 2 && args[1].headers.accept == \"text/plain\"'}]\n")
	withArgs := fetch
	withArgs.Args = []json.RawMessage{json.RawMessage(`"https://a.b.example.org/v1/users/7"`), json.RawMessage(`{"headers":{"accept":"text/plain"}}`)}
	return []evaluation{
		{"allow", one, "fetch", fetch, true, false},
		{"allow by an extended rule", one, "log", policies.Attributes{}, true, false},
		{"deny by default", one, "nothing", policies.Attributes{}, false, false},
		{"200 rules", mustParse(t, rules.String()), "fetch", fetch, true, false},
		{"200 wildcards", mustParse(t, wild.String()), "kv.get", policies.Attributes{}, true, false},
		{"1000 hosts", mustParse(t, hosts.String()), "fetch", fetch, true, false},
		{"three levels", policies.Narrow(policies.Narrow(tier, tenant), one), "fetch", fetch, true, false},
		// A tier's 200 rules, a tenant's 1,000 hosts and a function's own: make bench reports it.
		{"chain", policies.Narrow(policies.Narrow(mustParse(t, rules.String()), mustParse(t, hosts.String())), one), "fetch", fetch, true, false},
		{"db", mustParse(t, "version: 1\nname: db\nrules: [{api: 'db.*', action: allow, when: {statement: [select, insert], table: ['orders*', items, users]}}]\n"),
			"db.query", policies.Attributes{Statement: "select", Tables: []string{"orders_2026", "users"}}, true, false},
		{"CEL", cel, "fetch", withArgs, true, true},
	}
}

type evaluation struct {
	name    string
	policy  *policies.Policy
	api     string
	a       policies.Attributes
	allowed bool
	cel     bool
}

func TestStructuredRulesAllocateNothing(t *testing.T) {
	for _, e := range evaluations(t) {
		v := e.policy.Evaluate(e.api, e.a)
		if v.Allowed != e.allowed {
			t.Errorf("%s: got %+v", e.name, v)
		}
		n := testing.AllocsPerRun(100, func() { e.policy.Evaluate(e.api, e.a) })
		if n != 0 && !e.cel {
			t.Errorf("%s: %v allocations", e.name, n)
		}
	}
}

func BenchmarkEvaluate(b *testing.B) {
	for _, e := range evaluations(b) {
		b.Run(e.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				e.policy.Evaluate(e.api, e.a)
			}
		})
	}
}
