package policies_test

import (
	"errors"
	"os"
	"strings"
	"testing"

	"github.com/bulkhead-run/bulkhead/policies"
)

func TestPresetCases(t *testing.T) {
	for _, p := range policies.Presets() {
		file := "presets/" + p.Name() + ".test.yaml"
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		cases, err := policies.ParseCases(file, data)
		if err != nil || len(cases) < 3 {
			t.Fatalf("%d cases, %v", len(cases), err)
		}
		for _, r := range p.Run(cases) {
			if !r.Passed {
				t.Errorf("%s: %s: %s\n%s", r.Place, r.Name, r.Reason, r.Explanation)
			}
		}
	}
}

func TestRunTellsFailures(t *testing.T) {
	p := mustParse(t, "version: 1\nname: x\nrules:\n- {api: log, action: allow}\n- {api: kv.get, action: audit, cel: 'args[0].tags[1] == \"b\"'}\n")
	cases, err := policies.ParseCases("x.test.yaml", []byte(`version: 1
cases:
  - {name: good, call: log, expect: allow, rule: "rules[0]"}
  - {name: wrong action, call: log, expect: kill}
  - name: wrong rule
    call: log
    expect: allow
    rule: default
  - {name: arguments, call: kv.get, args: [{tags: [a, b], n: 1.5}], expect: audit}
`))
	if err != nil {
		t.Fatal(err)
	}
	results := p.Run(cases)
	want := []string{"", "expected kill, got allow by rules[0] of policy x (test.yaml:4)", "expected default to decide, but rules[0] of policy x (test.yaml:4) did", ""}
	for i, r := range results {
		if r.Reason != want[i] || r.Passed != (want[i] == "") || (r.Explanation == nil) != r.Passed {
			t.Errorf("%s: got %+v", r.Name, r)
		}
	}
	if results[2].Place != "x.test.yaml:5" {
		t.Errorf("got place %s", results[2].Place)
	}
}

func TestParseCasesProblems(t *testing.T) {
	for _, c := range []struct{ doc, want string }{
		{"version: 1\n", "f:1:1: cases is missing"},
		{"version: 1\ncases: {}\n", "f:2:8: cases must be a list"},
		{"version: 1\ncases: [x]\n", "a case must be a mapping"},
		{"version: 1\ncases: [{}]\n", "call is missing"},
		{"version: 1\ncases: [{call: log}]\n", "expect is missing"},
		{"version: 1\ncases: [{call: log, expect: alow}]\n", `unknown expect "alow"; it must be one of deny, allow, audit, kill (did you mean "allow"?)`},
		{"version: 1\ncases: [{call: log, expekt: allow}]\n", `did you mean "expect"?`},
		{"version: 1\ncases: [{call: log, expect: deny, with: {hst: a}}]\n", `unknown field "hst"`},
		{"version: 1\ncases: [{call: log, expect: deny, with: {host: 'https://a'}}]\n", "is not a host alone"},
		{"version: 1\ncases: [{call: log, expect: deny, with: {port: 0}}]\n", "port must be"},
		{"version: 1\ncases: [{call: log, expect: deny, with: {statement: selct}}]\n", `did you mean "select"?`},
		{"version: 1\ncases: [{call: log, expect: deny, with: {size: big}}]\n", "size \"big\" must be"},
		{"version: 1\ncases: [{call: log, expect: deny, with: {path: a}}]\n", "must begin with /"},
		{"version: 1\ncases: [{call: log, expect: deny, with: {key: }}]\n", "key must have a value"},
		{"version: 1\ncases: [{call: log, expect: deny, args: x}]\n", "args must be a list"},
		{"version: 1\ncases: [{call: log, expect: deny, args: [.nan]}]\n", "no form in JSON"},
		{"version: 1\ncases: &a [*a]\n", "aliases are not supported"},
		{strings.Repeat("# 345678\n", 30000), "at most 262144"},
	} {
		cases, err := policies.ParseCases("f", []byte(c.doc))
		var pe *policies.ParseError
		if cases != nil || !errors.As(err, &pe) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%.60q: got %v, want %s", c.doc, err, c.want)
		}
	}
}

func TestSetAttributes(t *testing.T) {
	var a policies.Attributes
	for _, s := range []string{"scheme=https", "host=API.Example.COM.", "port=443", "method=post", "path=/v1", "statement=select", "tables=A", "tables=b",
		"key=k", "prefix=true", "size=unknown", "name=n", "tenant=t", "function=f"} {
		name, value, _ := strings.Cut(s, "=")
		if err := a.Set(name, value); err != nil {
			t.Error(err)
		}
	}
	if a.Host != "api.example.com" || a.Method != "POST" || len(a.Tables) != 2 || a.Tables[0] != "a" || a.Size != -1 || !a.Prefix || a.Port != 443 {
		t.Errorf("got %+v", a)
	}
	if err := a.Set("hots", "x"); err == nil || !strings.HasSuffix(err.Error(), `did you mean "host"?`) {
		t.Errorf("got %v", err)
	}
}

func FuzzParseCases(f *testing.F) {
	f.Add([]byte("version: 1\ncases:\n- {name: a, call: fetch, with: {host: a.example, size: 1KiB, tables: [a]}, args: [1, {a: [~]}], expect: allow, rule: 'rules[0]'}\n"))
	for _, seed := range []string{"", "~", "cases: []", "version: 1\ncases: [{call: a, expect: kill, args: [{1: 2}]}]", "a: &a [*a]", "version: 1\ncases: [{call: a, expect: deny, args: [!!binary x, 2001-01-01, .inf]}]"} {
		f.Add([]byte(seed))
	}
	p := mustParse(f, webhook)
	f.Fuzz(func(t *testing.T, data []byte) {
		cases, err := policies.ParseCases("fuzz", data)
		var pe *policies.ParseError
		if err != nil && (!errors.As(err, &pe) || len(pe.Problems) == 0 || cases != nil) {
			t.Fatalf("an error without problems: %v", err)
		}
		for _, r := range p.Run(cases) {
			if r.Passed == (r.Reason != "") {
				t.Fatalf("got %+v", r)
			}
		}
	})
}
