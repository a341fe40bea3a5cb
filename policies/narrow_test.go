package policies_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/bulkhead-run/bulkhead/policies"
)

// Small vocabularies, so that what is drawn at random meets often.
var (
	someAPIs    = []string{"fetch", "kv.get", "kv.put", "kv.list", "db.query", "queue.send", "storage.put", "log"}
	somePats    = []string{"fetch", "kv.get", "kv.*", "*", "db.*", "*.put", "queue.send", "kv.list"}
	someHosts   = []string{"a.example.org", "b.a.example.org", "example.com", "127.0.0.1", ""}
	someHostPat = []string{"a.example.org", "*.example.org", "*", "example.com"}
	someKeys    = []string{"user/1", "user/2", "secret/x", "u", ""}
	someKeyPat  = []string{"user/", "secret/", "u"}
	someTables  = []string{"orders", "users", "secrets"}
)

func pick[T any](r *rand.Rand, from []T) T { return from[r.IntN(len(from))] }

func randomAttributes(r *rand.Rand) policies.Attributes {
	a := policies.Attributes{Tenant: "acme", Function: "hook"}
	if r.IntN(2) == 0 {
		a.Scheme, a.Host, a.Port = pick(r, []string{"https", "http", ""}), pick(r, someHosts), pick(r, []int{443, 80, 0})
		a.Method, a.Path = pick(r, []string{"GET", "POST", ""}), pick(r, []string{"/v1/users", "/v1", "/admin/%2e%2e/v1/x", "/", ""})
	}
	if r.IntN(2) == 0 {
		a.Statement = pick(r, []string{"select", "insert", ""})
		for _, t := range someTables {
			if r.IntN(2) == 0 {
				a.Tables = append(a.Tables, t)
			}
		}
	}
	a.Key, a.Prefix, a.Size = pick(r, someKeys), r.IntN(4) == 0, pick(r, []int64{0, 10, 2000, -1})
	a.Name = pick(r, []string{"orders-eu", "mail", ""})
	return a
}

// randomPolicy writes a policy with every part of the language in it.
func randomPolicy(r *rand.Rand, name string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "version: 1\nname: %s\ndefault: %s\nrules:\n", name, pick(r, []string{"allow", "deny", "audit", "kill"}))
	for range 1 + r.IntN(6) {
		action := pick(r, []string{"allow", "allow", "audit", "deny", "kill"})
		fmt.Fprintf(&b, "  - {api: %q, action: %s", pick(r, somePats), action)
		refuses := action == "deny" || action == "kill"
		var when []string
		condition := func(format string, args ...any) {
			if r.IntN(6) == 0 {
				when = append(when, fmt.Sprintf(format, args...))
			}
		}
		condition("scheme: https")
		condition("host: [%q, %q]", pick(r, someHostPat), pick(r, someHostPat))
		condition("port: %d", pick(r, []int{443, 80}))
		condition("method: GET")
		condition("path: %s", pick(r, []string{"/v1", "/admin", "/v1/users"}))
		condition("statement: select")
		condition("table: [%s, %s]", pick(r, someTables), pick(r, someTables))
		condition("key: %q", pick(r, someKeyPat))
		if refuses {
			condition("size: '> 1KiB'")
		} else {
			condition("size: 1KiB")
		}
		condition("name: %q", pick(r, []string{"orders-*", "mail"}))
		if len(when) > 0 {
			fmt.Fprintf(&b, ", when: {%s}", strings.Join(when, ", "))
		}
		if r.IntN(8) == 0 {
			fmt.Fprintf(&b, ", cel: %q", pick(r, []string{`host == "example.com"`, `key.startsWith("user/") && size < 100`, `"orders" in tables`}))
		}
		if !refuses {
			if r.IntN(3) == 0 {
				fmt.Fprintf(&b, ", quota: {calls_per_invocation: %d}", 1+r.IntN(9))
			}
			if r.IntN(3) == 0 {
				fmt.Fprintf(&b, ", max_response: %dKiB", 1+r.IntN(9))
			}
			if r.IntN(3) == 0 {
				b.WriteString(", private: true")
			}
		}
		b.WriteString("}\n")
	}
	return b.String()
}

// Nothing that a level refuses is ever allowed further in, and what is allowed
// is no less bounded than at any level.
func TestNarrowOnlyNarrows(t *testing.T) {
	strictness := map[policies.Action]int{policies.Allow: 0, policies.Audit: 1, policies.Deny: 2, policies.Kill: 3}
	var allowed, refused int
	for seed := range uint64(400) {
		r := rand.New(rand.NewPCG(seed, 4))
		levels := []*policies.Policy{
			mustParse(t, randomPolicy(r, "tier")), mustParse(t, randomPolicy(r, "tenant")), mustParse(t, randomPolicy(r, "function")),
		}
		chain := policies.Narrow(policies.Narrow(levels[0], levels[1]), levels[2])
		same := policies.Narrow(levels[0], policies.Narrow(levels[1], levels[2]))
		for range 60 {
			api, a := pick(r, someAPIs), randomAttributes(r)
			v := chain.Evaluate(api, a)
			if w := same.Evaluate(api, a); w.Action != v.Action || w.Rule != v.Rule || w.Policy != v.Policy || !slices.Equal(w.Quotas, v.Quotas) {
				t.Fatalf("seed %d: it matters which levels are joined first: %+v and %+v", seed, v, w)
			}
			strictest, private, ports := 0, true, true
			var quotas []*policies.Quota
			for i, l := range levels {
				w := l.Evaluate(api, a)
				strictest = max(strictest, strictness[w.Action])
				private, ports = private && w.Private, ports && w.PortNamed
				quotas = append(quotas, w.Quotas...)
				if v.Allowed && !w.Allowed {
					t.Fatalf("seed %d: level %d refuses %s %+v, the chain allows it by %s of %s", seed, i, api, a, v.Rule, v.Policy)
				}
				if v.Allowed && w.MaxResponse > 0 && (v.MaxResponse == 0 || v.MaxResponse > w.MaxResponse) {
					t.Fatalf("seed %d: level %d has max_response %d, the chain %d", seed, i, w.MaxResponse, v.MaxResponse)
				}
				if w.Allowed && !l.MayAllow(api) {
					t.Fatalf("seed %d: %s is allowed though MayAllow says never", seed, api)
				}
			}
			if strictness[v.Action] != strictest || v.Allowed != v.Action.Allows() {
				t.Fatalf("seed %d: got %v, want strictness %d", seed, v, strictest)
			}
			if !v.Allowed {
				refused++
				if v.Private || v.PortNamed || v.MaxResponse != 0 || v.Quotas != nil {
					t.Fatalf("seed %d: a refusal carries settings: %+v", seed, v)
				}
				continue
			}
			allowed++
			if v.Private != private || v.PortNamed != ports || !slices.Equal(v.Quotas, quotas) {
				t.Fatalf("seed %d: got %+v, want private %v, port named %v, quotas %v", seed, v, private, ports, quotas)
			}
			if !chain.MayAllow(api) {
				t.Fatalf("seed %d: %s is allowed though MayAllow says never", seed, api)
			}
		}
	}
	if allowed < 500 || refused < 500 {
		t.Errorf("%d allowed, %d refused: too few to show anything", allowed, refused)
	}
}

func TestNarrowNil(t *testing.T) {
	open := mustParse(t, "version: 1\nname: open\ndefault: allow\n")
	shut := mustParse(t, "version: 1\nname: shut\n")
	if policies.Narrow(nil, nil) != nil || policies.Narrow(open, nil) != open || policies.Narrow(nil, open) != open || policies.Narrow(open, open) != open {
		t.Error("a level that sets no policy changes something")
	}
	chain := policies.Narrow(open, shut)
	if chain.Name() != "open+shut" || chain.MayAllow("log") {
		t.Errorf("got %s", chain.Name())
	}
	if v := chain.Evaluate("log", policies.Attributes{}); v.Policy != "shut" || v.Rule != "default" || v.Place != "test.yaml:1" {
		t.Errorf("got %+v", v)
	}
	var none *policies.Policy
	if v := none.Evaluate("log", policies.Attributes{}); v.Allowed || v.Rule == "" || none.MayAllow("log") {
		t.Errorf("no policy allows: %+v", v)
	}
}

func TestNarrowManyLevels(t *testing.T) {
	var chain *policies.Policy
	for i := range 6 {
		chain = policies.Narrow(chain, mustParse(t, fmt.Sprintf("version: 1\nname: l%d\nrules: [{api: f, action: allow, quota: {calls_per_invocation: %d}}]\n", i, i+1)))
	}
	var ids []string
	for _, q := range chain.Evaluate("f", policies.Attributes{}).Quotas {
		ids = append(ids, q.ID)
	}
	if got := strings.Join(ids, " "); got != "l0/rules[0] l1/rules[0] l2/rules[0] l3/rules[0] l4/rules[0] l5/rules[0]" {
		t.Errorf("charged to %s", got)
	}
	// One level with many rules, more than are joined beforehand.
	var doc strings.Builder
	doc.WriteString("version: 1\nname: many\nrules:\n")
	for i := range 200 {
		fmt.Fprintf(&doc, "  - {api: f, action: allow, when: {port: %d}, quota: {calls_per_invocation: 1}}\n", i+1)
	}
	many := policies.Narrow(mustParse(t, doc.String()), mustParse(t, strings.Replace(doc.String(), "many", "more", 1)))
	if q := many.Evaluate("f", policies.Attributes{Port: 7}).Quotas; len(q) != 2 || q[0].ID != "many/rules[6]" || q[1].ID != "more/rules[6]" {
		t.Errorf("got %v", q)
	}
}
