package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const shopPolicy = `version: 1
name: shop
extends: [base]
rules:
  - {api: fetch, action: allow, when: {host: api.example.com, port: 443}}
  - {api: "kv.*", action: audit, cel: 'args[0] == "a"'}
`

const shopCases = `version: 1
cases:
  - {name: our API, call: fetch, with: {host: api.example.com, port: 443}, expect: allow}
  - {call: fetch, with: {host: other.example, port: 443}, expect: deny, rule: default}
`

// shop writes a policy that extends another one, with its cases beside it.
func shop(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	for name, content := range map[string]string{
		"shop.yaml": shopPolicy, "shop.test.yaml": shopCases,
		"base.yaml":   "version: 1\nname: base\nrules: [{api: log, action: allow}]\n",
		"bad.yaml":    "version: 1\nname: bad\nrules: [{api: log, action: alow}]\n",
		"odd.yaml":    "version: 1\nname: odd\nrules: [{api: ftech, action: allow}]\n",
		"config":      "apis: {http: [{name: ftech, url: 'http://127.0.0.1:1/'}]}\n",
		"circle.yaml": "version: 1\nname: circle\nextends: back\n", "back.yaml": "version: 1\nname: back\nextends: circle\n",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func TestPolicyCommands(t *testing.T) {
	dir := shop(t)
	file := func(name string) string { return filepath.Join(dir, name) }
	failing := file("failing.test.yaml")
	if err := os.WriteFile(failing, []byte("version: 1\ncases: [{name: wrong, call: log, expect: kill}]\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	log := `{"tenant":"acme","function":"f","api":"fetch","action":"allow","attributes":{"scheme":"https","host":"a.example","port":443,"method":"GET","path":"/x"}}
{"tenant":"acme","function":"f","api":"kv.get","action":"deny","attributes":{"key":"a"}}

{"tenant":"other","function":"f","api":"log","action":"audit"}
{"time":"2026-01-02T03:04:05Z","lost":7}
{"tenant":"other","function":"f","api":"kv.put","action":"quota","attributes":{"key":"a"}}
`
	for _, c := range []struct {
		name, stdin    string
		args           []string
		exit           int
		stdout, stderr string
	}{
		{"explain allowed", "", []string{"explain", file("shop.yaml"), "fetch", "url=https://api.example.com/v1?x=1", "method=GET"}, 0, "fetch: allow, by rules[0] of policy shop", ""},
		{"explain denied", "", []string{"explain", file("shop.yaml"), "fetch", "host=other.example", "port=443"}, 1, `- host: wants api.example.com, sees "other.example"`, ""},
		{"explain an extended rule", "", []string{"explain", file("shop.yaml"), "log"}, 0, "log: allow, by base.rules[0] of policy shop (" + file("base.yaml") + ":3)", ""},
		{"explain with arguments", "", []string{"explain", file("shop.yaml"), "kv.get", "--args", `["a"]`}, 0, "kv.get: audit", ""},
		{"explain within another", "", []string{"explain", file("shop.yaml"), "fetch", "host=api.example.com", "port=443", "--within", "compute"}, 1, "by default of policy compute", ""},
		{"explain a preset", "", []string{"explain", "dev", "anything"}, 0, "anything: allow", ""},
		{"explain nothing", "", []string{"explain", "dev"}, 2, "", "missing CALL"},
		{"explain a wrong attribute", "", []string{"explain", "dev", "log", "hots=a"}, 2, "", `did you mean "host"?`},
		{"explain no pair", "", []string{"explain", "dev", "log", "a"}, 2, "", `"a" is not NAME=VALUE`},
		{"explain no policy", "", []string{"explain", "nope", "log"}, 2, "", "there is no policy nope"},
		{"explain wrong arguments", "", []string{"explain", "dev", "log", "--args", "{"}, 2, "", "--args is not a JSON array"},

		{"test a policy", "", []string{"test", file("shop.yaml")}, 0, "2 passed, 0 failed", ""},
		{"test a folder", "", []string{"test", dir, "--cases", failing}, 2, "", "cannot read the policy"},
		{"test other cases", "", []string{"test", file("base.yaml"), "--cases", failing}, 1, "expected kill, got allow by rules[0] of policy base", ""},
		{"test a preset", "", []string{"test", "compute", "--cases", failing}, 1, "0 passed, 1 failed", ""},
		{"test without cases", "", []string{"test", file("base.yaml")}, 2, "", "cannot read " + file("base.test.yaml")},
		{"test nothing", "", []string{"test"}, 2, "", "missing POLICY"},

		{"check", "", []string{"check", file("shop.yaml"), "webhook"}, 0, "no problems found", ""},
		{"check the presets", "", []string{"check", "none", "compute", "webhook", "data", "dev", "--api", "db.query"}, 0, "no problems found", ""},
		{"check with a configuration's APIs", "", []string{"check", file("odd.yaml"), "--config", file("config")}, 0, "no problems found", ""},
		{"check a wrong one", "", []string{"check", file("bad.yaml")}, 2, "", `unknown action "alow"; it must be one of deny, allow, audit, kill; did you mean allow?`},
		{"check an odd one", "", []string{"check", file("odd.yaml")}, 1, `did you mean "fetch"?`, ""},
		{"check with own APIs", "", []string{"check", file("odd.yaml"), "--api", "ftech"}, 0, "no problems found", ""},
		{"check a circle", "", []string{"check", file("circle.yaml")}, 2, "", "it extends this one itself"},

		{"diff", "", []string{"diff", "compute", "webhook"}, 1, "fetch: wider", ""},
		{"no diff", "", []string{"diff", file("shop.yaml"), file("shop.yaml")}, 0, "no difference", ""},
		{"diff of one", "", []string{"diff", "compute"}, 2, "", "missing NEW"},

		{"schema", "", []string{"schema"}, 0, `"$schema": "https://json-schema.org/draft/2020-12/schema"`, ""},

		{"learn from a log", log, []string{"learn", "--from", "-", "--tenant", "acme", "--name", "seen"}, 0, "host: a.example\n", "denied, and so left out: 1"},
		{"learn what was denied", log, []string{"learn", "--from", "-", "--denied"}, 0, "- api: [kv.get, kv.put]\n", "calls that the audit log lost: 7"},
		{"learn from what is no log", "{}\n", []string{"learn", "--from", "-"}, 2, "", "line 1 is not a call of an audit log"},
		{"learn a bad name", "", []string{"learn", "--from", "-", "--name", "A B"}, 2, "", "is not a policy's name"},
		{"learn a bad name from a function", "() => 1", []string{"learn", "-", "--name", "A B"}, 2, "", "is not a policy's name"},
		{"learn from nothing", "", []string{"learn"}, 2, "", "missing PATH"},
		{"learn from two", "", []string{"learn", "f.js", "--from", "-"}, 2, "", `unexpected argument "f.js"`},
		{"learn from a log's events", "", []string{"learn", "--from", "-", "--event", "1"}, 2, "", "--event belongs to PATH"},
		{"learn from a function's tenant", "", []string{"learn", "f.js", "--tenant", "acme"}, 2, "", "--tenant belongs to --from"},
		{"learn from a wrong event", "", []string{"learn", "f.js", "--event", "{"}, 2, "", "the event is not valid JSON"},
		{"learn from wrong events", "1\n{\n", []string{"learn", "f.js", "--events", "-"}, 2, "", "-: line 2 is not JSON"},
		{"learn from a wrong function", "() =>", []string{"learn", "-"}, 2, "", "SyntaxError"},
		{"unknown", "", []string{"explian"}, 2, "", "did you mean"},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := supervise(t, c.stdin, append([]string{"policy"}, c.args...)...)
			if got.exit != c.exit || !strings.Contains(got.stdout, c.stdout) || !strings.Contains(got.stderr, c.stderr) || c.stderr == "" && got.stderr != "" {
				t.Errorf("exit %d\nstdout: %s\nstderr: %s", got.exit, got.stdout, got.stderr)
			}
		})
	}
}

func TestPolicyJSON(t *testing.T) {
	dir := shop(t)
	file := filepath.Join(dir, "shop.yaml")
	for _, c := range []struct {
		args   []string
		member string
		exit   int
	}{
		{[]string{"explain", file, "log"}, "considered", 0},
		{[]string{"test", file}, "cases", 0},
		{[]string{"check", file}, "problems", 0},
		{[]string{"diff", file, file}, "changes", 0},
		{[]string{"diff", file, "none"}, "changes", 1},
		{[]string{"learn", "--from", os.DevNull}, "policy", 0},
		{[]string{"schema"}, "properties", 0},
		{[]string{"check", filepath.Join(dir, "bad.yaml")}, "error", 2},
	} {
		got := supervise(t, "", append([]string{"policy", "--json"}, c.args...)...)
		var doc map[string]json.RawMessage
		if err := json.Unmarshal([]byte(got.stdout), &doc); err != nil || doc[c.member] == nil || string(doc[c.member]) == "null" || got.exit != c.exit || got.stderr != "" {
			t.Errorf("%v: exit %d, %v\n%s%s", c.args, got.exit, err, got.stdout, got.stderr)
		}
	}
}
