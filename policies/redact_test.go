package policies_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/bulkhead-run/bulkhead/policies"
)

func TestRedact(t *testing.T) {
	tier := mustParse(t, `{version: 1, name: tier, rules: [{api: fetch, action: allow, redact: "args[1].headers.authorization"}, {api: kv.put, action: allow, redact: "args[1]"}]}`)
	tenant := mustParse(t, `{version: 1, name: tenant, rules: [{api: fetch, action: deny, when: {host: x.example}, redact: ["args[1].body", "args[*].list[0].*"]}]}`)
	p := policies.Narrow(tier, tenant)
	for _, c := range []struct{ api, args, want string }{
		{"fetch", `["u",{"headers":{"Authorization":"s3cret","accept":"x"},"body":"s3cret"}]`, `["u",{"body":"[redacted]","headers":{"Authorization":"[redacted]","accept":"x"}}]`},
		{"fetch", `["u",{"headers":[["authorization","kept"]]}]`, `["u",{"headers":[["authorization","kept"]]}]`},
		{"fetch", `[{"list":[{"a":1,"b":[2]},{"a":1}]}]`, `[{"list":[{"a":"[redacted]","b":"[redacted]"},{"a":1}]}]`},
		{"fetch", `["u",{"n":12345678901234567890,"body":1}]`, `["u",{"body":"[redacted]","n":12345678901234567890}]`},
		{"fetch", `["u"]`, `["u"]`},
		{"fetch", `[]`, `[]`},
		{"kv.put", `["k","s3cret"]`, `["k","[redacted]"]`},
		{"kv.get", `["k","kept"]`, `["k","kept"]`},
	} {
		var args []json.RawMessage
		if err := json.Unmarshal([]byte(c.args), &args); err != nil {
			t.Fatal(err)
		}
		got, _ := json.Marshal(p.Redact(c.api, args))
		if string(got) != c.want {
			t.Errorf("%s%s: got %s", c.api, c.args, got)
		}
		if before, _ := json.Marshal(args); string(before) != c.args {
			t.Errorf("the arguments were changed to %s", before)
		}
	}
	for _, broken := range []string{`{"broken s3cret`, `{} {"body":"s3cret"}`} {
		if got := p.Redact("fetch", []json.RawMessage{nil, json.RawMessage(broken)}); string(got[1]) != `"[redacted]"` {
			t.Errorf("got %s", got[1])
		}
	}
	var none *policies.Policy
	if got := none.Redact("fetch", []json.RawMessage{json.RawMessage(`1`)}); string(got[0]) != "1" {
		t.Errorf("got %s", got)
	}
	for _, bad := range []string{"arg[0]", "args", "args[0", "args[x]", "args[0].", "args[0]..a", "args[0].a[b]", "args[100]", "args[0]" + strings.Repeat(".a", 17)} {
		if _, err := policies.Parse("f", []byte("{version: 1, name: x, rules: [{api: a, action: deny, redact: '"+bad+"'}]}"), nil); err == nil {
			t.Errorf("%s was taken for a path", bad)
		}
	}
}

// Arguments come from tenants: whatever they are, what is to be redacted is,
// and an expression about them comes to a verdict.
func FuzzArgs(f *testing.F) {
	for _, seed := range []string{`{"secret":1}`, `{"SECRET":{"a":[1]},"b":2}`, `[1]`, `"x"`, `{`, `null`, `{"secret":1,"secret":2}`, `1e999`, `"\ud800"`, strings.Repeat("[", 100)} {
		f.Add([]byte(seed))
	}
	p := mustParse(f, `{version: 1, name: x, rules: [{api: f, action: allow, cel: 'args[0].secret == 1 || args.exists(a, a == "x") || size(args[0]) > 3', redact: "args[0].secret"}]}`)
	f.Fuzz(func(t *testing.T, data []byte) {
		args := []json.RawMessage{data}
		if v := p.Evaluate("f", policies.Attributes{Args: args}); v.Rule == "" || v.Allowed != (v.Rule == "rules[0]") {
			t.Fatalf("got %+v", v)
		}
		out := p.Redact("f", args)[0]
		if json.Valid(data) && !json.Valid(out) {
			t.Fatalf("%q became %q", data, out)
		}
		var object map[string]any
		if json.Unmarshal(out, &object) != nil {
			return
		}
		for name, v := range object {
			if strings.EqualFold(name, "secret") && v != "[redacted]" {
				t.Fatalf("%q became %q", data, out)
			}
		}
	})
}
