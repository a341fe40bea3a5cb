package policies_test

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/bulkhead-run/bulkhead/policies"
)

func TestDiff(t *testing.T) {
	parse := func(rules string) *policies.Policy {
		return mustParse(t, "version: 1\nname: x\n"+rules)
	}
	one := func(rest string) string { return "rules: [{api: f, action: allow" + rest + "}]\n" }
	when := func(w string) string { return one(", when: {" + w + "}") }
	for _, c := range []struct{ before, after, want string }{
		{one(""), one(""), ""},
		{one(", comment: a"), one(", comment: b"), ""},
		{one(""), "", "f narrower"},
		{"", one(""), "f wider"},
		{"", "default: allow\n", "* wider"},
		{"default: allow\n", "default: audit\n", "* narrower"},
		{"default: deny\n", "default: kill\n", "* narrower"},
		{when("host: a.example"), when("host: [a.example, b.example]"), "f wider"},
		{when("host: a.example"), when("host: b.example"), "f changed"},
		{when("host: '*.example.org'"), when("host: www.example.org"), "f narrower"},
		{when("host: a.example"), one(""), "f wider"},
		{when("host: a.example"), when("host: a.example, method: GET"), "f narrower"},
		{when("host: a.example, port: 443"), when("host: [a.example, b.example], port: [443, 80]"), "f wider"},
		{when("path: /v1"), when("path: /v1/users"), "f narrower"},
		{when("path: [/a, /b]"), when("path: [/b, /a]"), "f same"},
		{when("table: [a, b]"), when("table: a"), "f narrower"},
		{when("key: user/"), when("key: u"), "f wider"},
		{when("size: 1KiB"), when("size: 2KiB"), "f wider"},
		{when("name: orders"), when("name: 'orders*'"), "f wider"},
		{when("statement: select"), when("statement: [select, insert]"), "f wider"},
		{when("scheme: https"), when("scheme: [https, http]"), "f wider"},
		{one(", private: true"), one(""), "f narrower"},
		{one(", max_response: 1MiB"), one(", max_response: 2MiB"), "f wider"},
		{one(", max_response: 1MiB"), one(""), "f wider"},
		{one(""), one(", quota: {calls_per_invocation: 3}"), "f narrower"},
		{one(", quota: {calls_per_second: 3}"), one(", quota: {calls_per_second: 3, burst: 9}"), "f wider"},
		{one(", cel: 'port == 1'"), one(", cel: 'port == 2'"), "f changed"},
		{one(""), one(", redact: 'args[0]'"), "f changed"},
		{"rules: [{api: f, action: deny, when: {host: a.example}}, {api: f, action: allow}]\n", one(""), "f wider"},
		{"rules: [{api: f, action: deny, when: {host: a.example}}, {api: f, action: allow}]\n",
			"rules: [{api: f, action: allow}, {api: f, action: deny, when: {host: a.example}}]\n", "f wider"}, // the order
		{"rules: [{api: kv.get, action: allow}]\n", "rules: [{api: 'kv.*', action: allow}]\n", "kv.get same; kv.* wider"},
		{"rules: [{api: 'kv.*', action: allow}]\n", "rules: [{api: 'kv.*', action: allow}, {api: f, action: kill}]\n", "f narrower"},
		{"extends: compute\n", "extends: data\n", "db_query wider; invoke wider; queue.send wider; db.* wider; kv.* wider; storage.* wider"},
	} {
		var got []string
		for _, d := range policies.Diff(parse(c.before), parse(c.after)) {
			got = append(got, d.API+" "+string(d.Direction))
			if (d.Example == nil) != (d.Direction == policies.Same) && d.Direction != policies.Changed {
				t.Errorf("%s: the example is %v", d, d.Example)
			}
		}
		if strings.Join(got, "; ") != c.want {
			t.Errorf("%s to %s: got %s, want %s", c.before, c.after, got, c.want)
		}
	}
	changes := policies.Diff(parse(when("host: a.example")), parse(when("host: [a.example, '*.b.example']")))
	want := `f: wider
  - test.yaml:3: {api: f, action: allow, when: {host: a.example}}
  + test.yaml:3: {api: f, action: allow, when: {host: [a.example, "*.b.example"]}}
  for one, f host=any.b.example: deny before, allow now
`
	if got := fmt.Sprint(changes[0]); got != want {
		t.Errorf("got\n%s", got)
	}
}

// What Diff says of random policies must not be refuted by random calls.
func TestDiffIsNotRefuted(t *testing.T) {
	strictness := map[policies.Action]int{policies.Allow: 0, policies.Audit: 1, policies.Deny: 2, policies.Kill: 3}
	directions := map[policies.Direction]int{}
	for seed := range uint64(80) {
		r := rand.New(rand.NewPCG(seed, 9))
		doc := randomPolicy(r, "x")
		a := mustParse(t, doc)
		// The same policy with one rule dropped or turned round.
		lines := strings.SplitAfter(strings.TrimSuffix(doc, "\n"), "\n")
		i := 4 + r.IntN(len(lines)-4)
		if r.IntN(2) == 0 && len(lines) > 5 {
			lines[i] = ""
		} else {
			lines = append(lines[:i:i], append([]string{"  - {api: kv.get, action: deny}\n"}, lines[i:]...)...)
		}
		b := mustParse(t, strings.Join(lines, ""))
		found := map[string]policies.Direction{}
		for _, d := range policies.Diff(a, b) {
			found[d.API] = d.Direction
			directions[d.Direction]++
		}
		for _, api := range someAPIs {
			direction, named := found[api]
			for range 60 {
				at := randomAttributes(r)
				x, y := a.Evaluate(api, at), b.Evaluate(api, at)
				d := strictness[y.Action] - strictness[x.Action]
				if named && (d > 0 && direction == policies.Wider || d < 0 && direction == policies.Narrower || d != 0 && direction == policies.Same) {
					t.Fatalf("seed %d: %s is said to be %s, but with %+v it is %s, then %s", seed, api, direction, at, x.Action, y.Action)
				}
			}
		}
	}
	for _, d := range []policies.Direction{policies.Wider, policies.Narrower} {
		if directions[d] < 10 {
			t.Errorf("only %d changes are %s", directions[d], d)
		}
	}
}
