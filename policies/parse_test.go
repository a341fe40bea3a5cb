package policies_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/bulkhead-run/bulkhead/policies"
)

func TestParseProblems(t *testing.T) {
	const head = "version: 1\nname: x\n"
	deep := strings.Repeat("[", 40) + strings.Repeat("]", 40)
	for _, c := range []struct {
		name, doc string
		want      []string // "line:column: part of the message"
	}{
		{"empty", "", []string{"0:0: the document is empty"}},
		{"only a comment", "# nothing\n", []string{"0:0: the document is empty"}},
		{"null", "~", []string{"1:1: must be a mapping"}},
		{"a list", "- a\n", []string{"1:1: a policy must be a mapping"}},
		{"not YAML", "version: 1\nname: [a\n", []string{": not valid YAML"}},
		{"tab", "version: 1\n\tname: x\n", []string{"2:0: not valid YAML"}},
		{"not UTF-8", "name: \xff", []string{"not UTF-8"}},
		{"too large", strings.Repeat("# 345678\n", 8000), []string{"at most 65536"}},
		{"two documents", head + "---\n" + head, []string{"second document"}},
		{"no version", "name: x\n", []string{"1:1: version is missing"}},
		{"wrong version", "version: 2\nname: x\n", []string{"1:10: version must be 1"}},
		{"no name", "version: 1\n", []string{"1:1: name is missing"}},
		{"bad name", "version: 1\nname: -A\n", []string{"2:7: name \"-A\" must be"}},
		{"number for a name", "version: 1\nname: 12\n", []string{"2:7: name must be a string; put \"12\" in quotes"}},
		{"unknown field", head + "rule: []\n", []string{`3:1: unknown field "rule"; a policy has the fields version, name, description, extends, default, rules (did you mean "rules"?)`}},
		{"far field", head + "completely: 1\n", []string{`3:1: unknown field "completely"`}},
		{"duplicate key", head + "name: y\n", []string{`3:1: field "name" is given twice; the first is on line 2`}},
		{"alias", head + "description: &a d\ndefault: *a\n", []string{"3:14: anchors", "4:10: aliases"}},
		{"merge key", head + "rules:\n- {<<: {api: log}, action: allow}\n", []string{"4:3: api is missing", `4:4: unknown field "<<"`}},
		{"deep", head + "rules: " + deep + "\n", []string{"nested more than 16 deep"}},
		{"default", head + "default: alow\n", []string{`3:10: unknown default "alow"; it must be one of deny, allow, audit, kill (did you mean "allow"?)`}},
		{"rules no list", head + "rules: {}\n", []string{"3:8: rules must be a list"}},
		{"rule no mapping", head + "rules: [log]\n", []string{"3:9: a rule must be a mapping"}},
		{"empty rule", head + "rules: [{}]\n", []string{"3:9: api is missing", "3:9: action is missing"}},
		{"unknown action", head + "rules: [{api: log, action: dney}]\n", []string{`3:28: unknown action "dney"; it must be one of deny, allow, audit, kill (did you mean "deny"?)`}},
		{"empty api list", head + "rules: [{api: [], action: deny}]\n", []string{"api is an empty list"}},
		{"half wildcard", head + "rules: [{api: kv.g*, action: deny}]\n", []string{"the wildcard must be a whole segment"}},
		{"bad api", head + "rules: [{api: kv..get, action: deny}]\n", []string{`"kv..get" is not an API's name`}},
		{"null api", head + "rules: [{api: , action: deny}]\n", []string{"api has no value"}},
		{"private string", head + "rules: [{api: a, action: allow, private: 'yes'}]\n", []string{"private must be true or false"}},
		{"private deny", head + "rules: [{api: a, action: deny, private: true}]\n", []string{"no meaning in a rule that denies"}},
		{"empty when", head + "rules: [{api: a, action: deny, when: {}}]\n", []string{"when is empty"}},
		{"unknown condition", head + "rules: [{api: a, action: deny, when: {hosts: a}}]\n", []string{`unknown field "hosts"; when has the fields scheme, host, port, method, path, statement, table, key, size, name (did you mean "host"?)`}},
		{"bad scheme", head + "rules: [{api: a, action: deny, when: {scheme: htps}}]\n", []string{`did you mean "https"?`}},
		{"bad method", head + "rules: [{api: a, action: deny, when: {method: TRACE}}]\n", []string{`unknown method "TRACE"; it must be one of`}},
		{"bad ports", head + "rules: [{api: a, action: deny, when: {port: [0, 65536, -1, x, '80', 1.5]}}]\n", []string{"port must be", "port must be", "port must be", "port must be", "port must be", "port must be"}},
		{"host with scheme", head + "rules: [{api: a, action: deny, when: {host: 'https://a'}}]\n", []string{"without a scheme or a path"}},
		{"host with port", head + "rules: [{api: a, action: deny, when: {host: 'a:80'}}]\n", []string{"ports have the field port"}},
		{"host wildcard inside", head + "rules: [{api: a, action: deny, when: {host: 'a.*.b'}}]\n", []string{"the wildcard must stand first"}},
		{"host no name", head + "rules: [{api: a, action: deny, when: {host: ['a b', '', 'a..b', '*.']}}]\n", []string{"is not a host's name", "is not a host's name", "is not a host's name", "is not a host's name"}},
		{"extends unknown", head + "extends: [comptue]\n", []string{`3:11: cannot extend comptue: there is no such policy (did you mean "compute"?)`}},
		{"extends itself", head + "extends: x\n", []string{"3:10: policy x extends itself"}},
		{"extends no name", head + "extends: ../x\n", []string{`"../x" is not a policy's name`}},
		{"too many rules", head + "rules:\n" + strings.Repeat("- {api: a, action: deny}\n", 257), []string{"257 rules; at most 256"}},
		{"all at once", "name: X\nruls: 1\ndefault: no\nrules:\n- api: 1\n  action: klil\n", []string{
			"1:1: version is missing", "1:7: name", "2:1: unknown field", `3:10: unknown default "no"`, "5:8: api must be a string", `6:11: unknown action "klil"`,
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			p, err := policies.Parse("test.yaml", []byte(c.doc), nil)
			var pe *policies.ParseError
			if !errors.As(err, &pe) || p != nil {
				t.Fatalf("got %v, %v", p, err)
			}
			if len(pe.Problems) != len(c.want) {
				t.Fatalf("want %d problems, got %v", len(c.want), err)
			}
			for i, pr := range pe.Problems {
				full := fmt.Sprintf("%d:%d: %s", pr.Line, pr.Column, strings.TrimPrefix(pr.String(), "test.yaml:"))
				place, reason, _ := strings.Cut(c.want[i], ": ")
				if !strings.Contains(full, reason) && !strings.Contains(full, c.want[i]) {
					t.Errorf("problem %d: got %q, want %q", i, full, c.want[i])
				}
				if strings.Count(place, ":") == 1 && place != fmt.Sprintf("%d:%d", pr.Line, pr.Column) {
					t.Errorf("problem %d is at %d:%d, want %s: %s", i, pr.Line, pr.Column, place, pr)
				}
				if pr.File != "test.yaml" || !strings.Contains(err.Error(), pr.String()) {
					t.Errorf("the message leaves out %q", pr)
				}
			}
		})
	}
}

func TestParseManyProblems(t *testing.T) {
	doc := "version: 1\nname: x\nrules:\n" + strings.Repeat("- {api: a, action: wrong}\n", 120)
	_, err := policies.Parse("f", []byte(doc), nil)
	var pe *policies.ParseError
	if !errors.As(err, &pe) || len(pe.Problems) != 100 {
		t.Fatalf("got %v", err)
	}
}

func TestParseAliasBomb(t *testing.T) {
	var doc strings.Builder
	doc.WriteString("a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n")
	for i := range 12 {
		fmt.Fprintf(&doc, "a%d: &a%d [%s]\n", i+1, i+1, strings.TrimSuffix(strings.Repeat(fmt.Sprintf("*a%d, ", i), 10), ", "))
	}
	_, err := policies.Parse("f", []byte(doc.String()), nil)
	var pe *policies.ParseError
	if !errors.As(err, &pe) {
		t.Fatalf("got %v", err)
	}
}

func TestParseResolver(t *testing.T) {
	cause := errors.New("disk on fire")
	_, err := policies.Parse("f", []byte("version: 1\nname: x\nextends: other\n"),
		func(string) (*policies.Policy, error) { return nil, cause })
	if err == nil || !strings.Contains(err.Error(), "disk on fire") {
		t.Errorf("got %v", err)
	}
	p, err := policies.Parse("f", []byte("version: 1\nname: x\nextends: compute\n"), nil)
	if err != nil || !p.Evaluate("log", policies.Attributes{}).Allowed {
		t.Errorf("without a resolver presets are not found: %v", err)
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(webhook))
	for _, seed := range []string{"", "~", "- a", "a: &a [*a]", "{version: 1, name: x}", "? [a]\n: b\n", "%YAML 9\n---\na", "a: !!binary x", "\xef\xbb\xbfversion: 1\nname: x"} {
		f.Add([]byte(seed))
	}
	for _, seed := range []string{
		"version: 1\nname: x\ndefault: kill\nrules: [{api: fetch, action: audit, cel: 'host == \"a\" && size(args) > 0', quota: {calls_per_second: 2.5, burst: 3}, redact: ['args[*].a[0]']}]\n",
		"version: 1\nname: x\nrules: [{api: '*', action: deny, when: {size: '> 1KiB', table: ['a*'], key: k, path: /a%20, statement: select, name: n}}]\n",
	} {
		f.Add([]byte(seed))
	}
	strict := mustParse(f, "version: 1\nname: strict\n")
	a := policies.Attributes{Scheme: "https", Host: "a.example.org", Port: 443, Method: "GET"}
	f.Fuzz(func(t *testing.T, data []byte) {
		p, err := policies.Parse("fuzz", data, nil)
		var pe *policies.ParseError
		switch {
		case (p == nil) == (err == nil):
			t.Fatalf("policy %v with error %v", p, err)
		case err != nil && (!errors.As(err, &pe) || len(pe.Problems) == 0):
			t.Fatalf("an error without problems: %v", err)
		case err == nil:
			for _, api := range []string{"fetch", "log", "kv.get", ""} {
				v := p.Evaluate(api, a)
				if v.Policy != p.Name() || v.Rule == "" || v.Reason == "" {
					t.Fatalf("incomplete verdict %+v", v)
				}
				if v.Allowed && !p.MayAllow(api) {
					t.Fatalf("%q is allowed though MayAllow says never", api)
				}
				if e := p.Explain(api, a); e.Rule != v.Rule || e.Action != v.Action {
					t.Fatalf("explained is %+v, not %+v", e, v)
				}
				if n := policies.Narrow(p, strict).Evaluate(api, a); n.Allowed {
					t.Fatalf("%q is allowed inside a policy that denies it", api)
				}
			}
		}
	})
}
