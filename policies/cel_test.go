package policies_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/bulkhead-run/bulkhead/policies"
)

func TestCEL(t *testing.T) {
	full := policies.Attributes{
		Scheme: "https", Host: "api.example.com", Port: 443, Method: "POST", Path: "/v1", Statement: "select", Tables: []string{"a", "b"},
		Key: "user/1", Size: 10, Name: "orders", Tenant: "acme", Function: "hook",
		Args: []json.RawMessage{json.RawMessage(`"x"`), json.RawMessage(`{"n":3,"deep":{"list":[1,2]},"flag":true}`)},
	}
	huge := full
	huge.Args = []json.RawMessage{json.RawMessage(`"` + strings.Repeat("a", 300<<10) + `"`)}
	long := full
	long.Args = []json.RawMessage{json.RawMessage("[" + strings.Repeat("1,", 30_000) + "1]")}
	broken := full
	broken.Args = []json.RawMessage{json.RawMessage(`{`)}
	none := policies.Attributes{}
	const fails, yes, no = "fails", "yes", "no"
	for _, c := range []struct {
		cel, want string
		a         policies.Attributes
	}{
		{`api == "f" && tenant == "acme" && function_name == "hook"`, yes, full},
		{`scheme == "https" && host.endsWith(".example.com") && port == 443 && method in ["POST", "PUT"] && path.startsWith("/v1")`, yes, full},
		{`statement == "select" && tables.all(t, t in ["a", "b"]) && size(tables) == 2`, yes, full},
		{`key.startsWith("user/") && !prefix && size <= 10 && name == "orders"`, yes, full},
		{`args[0] == "x" && args[1].n == 3 && args[1].n > 2.5 && args[1].deep.list[1] == 2 && args[1].flag == true`, yes, full},
		{`host.matches("^[a-z]{3}[.]([a-z]{1,20}[.]){1,2}com$") && host == "x"`, no, full},
		{`host.matches("^[a-z]{3}[.]([a-z]{1,20}[.]){1,2}com$")`, yes, full},
		{`size(args) == 3`, no, full},
		{`host == "other"`, no, full},
		{`host.matches("^api\\.[a-z.]+$")`, yes, full},
		{`has(args[1].missing)`, no, full},
		// What cannot be decided holds for rules that refuse only.
		{`args[1].missing == 1`, fails, full},
		{`args[7] == 1`, fails, full},
		{`host == "x"`, fails, none},
		{`host == "x" || tenant == ""`, yes, none}, // one side is enough
		{`"a" in tables`, fails, none},
		{`size > 5`, fails, policies.Attributes{Size: -1}},
		{`args[0].size() > 1`, fails, huge},
		{`args[0].all(x, x == 1)`, fails, long}, // costs too much
		{`args[0] == 1`, fails, broken},
		{`1 / (port - 443) == 1`, fails, full},
	} {
		for _, action := range []policies.Action{policies.Allow, policies.Audit, policies.Deny, policies.Kill} {
			fallback := "deny"
			if !action.Allows() {
				fallback = "allow"
			}
			p := mustParse(t, fmt.Sprintf("version: 1\nname: x\ndefault: %s\nrules:\n  - api: f\n    action: %v\n    cel: |\n      %s\n", fallback, action, c.cel))
			want := c.want == yes || c.want == fails && !action.Allows()
			if got := p.Evaluate("f", c.a).Rule == "rules[0]"; got != want {
				t.Errorf("%v with %s: got %v", action, c.cel, got)
			}
		}
	}
	// A rule needs its conditions and its expression.
	p := mustParse(t, `{version: 1, name: x, rules: [{api: f, action: allow, when: {method: GET}, cel: 'port == 443'}]}`)
	if p.Evaluate("f", full).Allowed {
		t.Error("a rule holds though one of its conditions does not")
	}
}

// A tenant chooses the arguments: whatever they are, an expression must not
// keep the supervisor busy with them.
func TestCELCost(t *testing.T) {
	list := "[" + strings.Repeat("1,", 400) + "1]"
	text := `"` + strings.Repeat("ab", 50<<10) + `"`
	deep := strings.Repeat("[", 4000) + strings.Repeat("]", 4000)
	object := "{" + strings.Repeat(`"k":[1,2],`, 1)
	for i := range 3000 {
		object += fmt.Sprintf(`"k%d":[1,2],`, i)
	}
	object += `"z":1}`
	var a policies.Attributes
	for _, arg := range []string{list, text, deep, object} {
		a.Args = append(a.Args, json.RawMessage(arg))
	}
	for _, e := range []string{
		`args[0].all(a, args[0].all(b, a == b))`,
		`args[0].map(a, args[0].map(b, a)).size() > 0`,
		`args[1].matches("(a|b)*c")`,
		`(args[1] + args[1] + args[1] + args[1]).size() > 0`,
		`args[0].map(a, args[1] + args[1]).size() > 0`,
		`args[0].all(a, args[1] == args[1])`,
		`args[0].all(a, args == args)`,
		`args[0].all(a, args[2] == args[2])`,
		`args[0].all(a, args[3] != args)`,
		`args[0].all(a, args[3] in [args[3]])`,
		`args[0].all(a, args[1] < args[1] + "x")`,
		`args[0].all(a, args[1].startsWith(args[1]))`,
		`args[0].all(a, size(args[1]) > 0)`,
		`args[0].all(a, bytes(args[1]) == bytes(args[1]))`,
		`args[0].map(a, [args[0], args[3]]) == args[0].map(a, [args[0], args[3]])`,
	} {
		p := mustParse(t, "version: 1\nname: x\nrules:\n  - api: f\n    action: allow\n    cel: |\n      "+e+"\n")
		x := p.Explain("f", a)
		if x.Allowed || !strings.Contains(x.Considered[0].Conditions[1].Note, "cost limit exceeded") {
			t.Errorf("%s: got %s", e, x)
		}
	}
}

func TestCELProblems(t *testing.T) {
	for _, c := range []struct{ cel, want string }{
		{"host ==", "4:16: cel: Syntax error"},
		{"hst == 'a'", "4:9: cel: undeclared reference to 'hst'"},
		{"true && hst == 'a'", "4:17: cel: undeclared reference to 'hst'"},
		{"host", "cel: it is of type string; it must be true or false"},
		{"args[0]", "cel: it is of type dyn"},
		{"host == 1", "no matching overload"},
		{"host.matches('(')", "cel: invalid matches argument"},
		{"host.matches('(a{30}){30}')", "4:22: cel: the regular expression is too large"},
		{"host.matches('((a{50}){50}){50}')", "cel: invalid matches argument"},
		{"host.matches(args[0])", "the pattern of matches must be written out"},
		{"matches(host, key + 'a')", "the pattern of matches must be written out"},
		{"args.all(a, args.all(b, args.all(c, a == b && b == c)))", "nest"},
		{strings.Repeat("!", 4<<10) + "true", "cel: "},
		{strings.Repeat("(", 100) + "true" + strings.Repeat(")", 100), "recursion"},
		{"[" + strings.Repeat("1,", 1500) + "1] == []", "cel: "},
		{"os.exit()", "undeclared"},
	} {
		doc := "version: 1\nname: x\nrules: [{api: f, action: allow,\n  cel: \"" + c.cel + "\"}]\n"
		_, err := policies.Parse("f", []byte(doc), nil)
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%.60s: got %v, want %q", c.cel, err, c.want)
		}
	}
	_, err := policies.Parse("f", []byte("version: 1\nname: x\nrules:\n  - api: f\n    action: allow\n    cel: |\n      true &&\n      hst == 'a'\n"), nil)
	if err == nil || !strings.Contains(err.Error(), "f:8: cel: undeclared reference") {
		t.Errorf("got %v", err)
	}
}
