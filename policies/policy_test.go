package policies_test

import (
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/bulkhead-run/bulkhead/policies"
)

func mustParse(t testing.TB, doc string, more ...*policies.Policy) *policies.Policy {
	t.Helper()
	p, err := policies.Parse("test.yaml", []byte(doc), func(name string) (*policies.Policy, error) {
		for _, m := range more {
			if m.Name() == name {
				return m, nil
			}
		}
		p, _ := policies.Preset(name)
		return p, nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

const webhook = `
version: 1
name: hooks
description: For the tests
extends: [compute]
rules:
  - api: fetch
    action: deny
    when: {host: bad.example.org}
  - api: [fetch, "kv.*"]
    action: allow
    when:
      scheme: [https]
      host: ["api.example.com", "*.example.org", "::1", "bücher.example"]
      port: [443, 8443]
      method: [get, POST]
    private: true
  - api: storage.get
    action: allow
`

func TestEvaluate(t *testing.T) {
	p := mustParse(t, webhook)
	ok := policies.Attributes{Scheme: "https", Host: "api.example.com", Port: 443, Method: "GET"}
	with := func(f func(*policies.Attributes)) policies.Attributes { a := ok; f(&a); return a }
	host := func(h string) policies.Attributes {
		return with(func(a *policies.Attributes) { a.Host = h })
	}
	for _, c := range []struct {
		name, api string
		a         policies.Attributes
		allowed   bool
		rule      string
	}{
		{"all conditions hold", "fetch", ok, true, "rules[1]"},
		{"other port of the list", "fetch", with(func(a *policies.Attributes) { a.Port = 8443 }), true, "rules[1]"},
		{"methods are upper case", "fetch", with(func(a *policies.Attributes) { a.Method = "POST" }), true, "rules[1]"},
		{"wrong scheme", "fetch", with(func(a *policies.Attributes) { a.Scheme = "http" }), false, "default"},
		{"wrong port", "fetch", with(func(a *policies.Attributes) { a.Port = 80 }), false, "default"},
		{"wrong method", "fetch", with(func(a *policies.Attributes) { a.Method = "PUT" }), false, "default"},
		{"no attributes", "fetch", policies.Attributes{}, false, "rules[0]"}, // a rule that refuses holds for what is missing
		{"no host", "fetch", host(""), false, "rules[0]"},
		{"subdomain", "fetch", host("a.example.org"), true, "rules[1]"},
		{"deep subdomain", "fetch", host("a.b.c.example.org"), true, "rules[1]"},
		{"the domain itself", "fetch", host("example.org"), false, "default"},
		{"only a leading dot", "fetch", host(".example.org"), false, "rules[0]"},
		{"suffix without a dot", "fetch", host("evilexample.org"), false, "default"},
		{"domain in front", "fetch", host("a.example.org.evil.net"), false, "default"},
		{"IPv6 literal", "fetch", host("::1"), true, "rules[1]"},
		{"punycode", "fetch", host("xn--bcher-kva.example"), true, "rules[1]"},
		{"the deny rule comes first", "fetch", host("bad.example.org"), false, "rules[0]"},
		{"wildcard segment", "kv.get", ok, true, "rules[1]"},
		{"wildcard takes one segment", "kv.a.b", ok, false, "default"},
		{"wildcard needs a segment", "kv.", ok, false, "default"},
		{"wildcard needs the dot", "kv", ok, false, "default"},
		{"exact name of two segments", "storage.get", policies.Attributes{}, true, "rules[2]"},
		{"its neighbour", "storage.put", policies.Attributes{}, false, "default"},
		{"extended policy", "log", policies.Attributes{}, true, "compute.rules[0]"},
		{"unknown", "nothing", ok, false, "default"},
		{"empty", "", ok, false, "default"},
	} {
		t.Run(c.name, func(t *testing.T) {
			v := p.Evaluate(c.api, c.a)
			if v.Allowed != c.allowed || v.Rule != c.rule {
				t.Errorf("got allowed=%v by %s, want %v by %s", v.Allowed, v.Rule, c.allowed, c.rule)
			}
			if v.Policy != "hooks" || !strings.Contains(v.Reason, "hooks") {
				t.Errorf("verdict does not name the policy: %+v", v)
			}
			if want := c.rule == "rules[1]"; v.Private != want || v.PortNamed != want {
				t.Errorf("private %v, port named %v, want both %v", v.Private, v.PortNamed, want)
			}
		})
	}
}

func TestManyHosts(t *testing.T) {
	var hosts []string
	for i := range 500 {
		hosts = append(hosts, fmt.Sprintf("h%d.example.com", i), fmt.Sprintf("'*.s%d.example.net'", i))
	}
	p := mustParse(t, "version: 1\nname: many\nrules:\n- {api: fetch, action: allow, when: {host: ["+strings.Join(hosts, ", ")+"]}}\n")
	for host, want := range map[string]bool{
		"h0.example.com": true, "h499.example.com": true, "h500.example.com": false, "x.h0.example.com": false,
		"a.s7.example.net": true, "a.b.s7.example.net": true, "s7.example.net": false, ".s7.example.net": false, "as7.example.net": false, "": false,
	} {
		if got := p.Evaluate("fetch", policies.Attributes{Host: host}).Allowed; got != want {
			t.Errorf("%q: got %v", host, got)
		}
	}
}

func TestOrder(t *testing.T) {
	base := mustParse(t, `
version: 1
name: base
default: allow
rules:
  - {api: [fetch, kv.get], action: allow}
  - {api: kv.put, action: deny}
`)
	middle := mustParse(t, "version: 1\nname: middle\nextends: base\nrules: [{api: kv.put, action: allow}]\n", base)
	p := mustParse(t, `
version: 1
name: top
extends: [middle, base]
rules:
  - {api: fetch, action: deny}
  - {api: fetch, action: allow}
`, base, middle)
	for api, want := range map[string]policies.Verdict{
		"fetch":  {Allowed: false, Rule: "rules[0]"},
		"kv.get": {Allowed: true, Rule: "base.rules[0]"},
		"kv.put": {Allowed: true, Rule: "middle.rules[0]"},
		"other":  {Allowed: false, Rule: "default"}, // base's default does not count
	} {
		v := p.Evaluate(api, policies.Attributes{})
		if v.Allowed != want.Allowed || v.Rule != want.Rule || v.Policy != "top" {
			t.Errorf("%s: got %+v", api, v)
		}
	}
	if v := base.Evaluate("other", policies.Attributes{}); !v.Allowed || v.Rule != "default" || v.Reason == "" {
		t.Errorf("default allow: got %+v", v)
	}
}

func TestMayAllow(t *testing.T) {
	p := mustParse(t, `
version: 1
name: may
rules:
  - {api: kv.put, action: deny}
  - {api: storage.put, action: deny, when: {host: a.example}}
  - {api: ["kv.*", "storage.*"], action: allow}
  - {api: fetch, action: allow, when: {scheme: https}}
`)
	for api, want := range map[string]bool{
		"kv.put": false, "kv.get": true, "storage.put": true, "fetch": true, "log": false,
	} {
		if got := p.MayAllow(api); got != want {
			t.Errorf("%s: got %v", api, got)
		}
	}
}

func TestPresets(t *testing.T) {
	want := map[string]map[string]bool{
		"none":    {"log": false, "fetch": false},
		"compute": {"log": true, "env.get": true, "fetch": false, "db_query": false},
		"webhook": {"log": true, "fetch": true, "db_query": false, "kv.get": false},
		"data":    {"log": true, "fetch": false, "db_query": true, "kv.get": true, "storage.put": true},
		"dev":     {"log": true, "fetch": true, "db_query": true, "anything.at.all": true},
	}
	a := policies.Attributes{Scheme: "https", Host: "example.com", Port: 443, Method: "GET"}
	var names []string
	for _, p := range policies.Presets() {
		names = append(names, p.Name())
		if p.Description() == "" {
			t.Errorf("%s has no description", p.Name())
		}
		if same, ok := policies.Preset(p.Name()); !ok || same != p {
			t.Errorf("Preset(%q) is another policy", p.Name())
		}
		for api, allowed := range want[p.Name()] {
			v := p.Evaluate(api, a)
			if v.Allowed != allowed || v.Policy != p.Name() {
				t.Errorf("%s: %s: got %+v", p.Name(), api, v)
			}
			if v.Private != (allowed && p.Name() == "dev") {
				t.Errorf("%s: %s: private is %v", p.Name(), api, v.Private)
			}
		}
	}
	if got := strings.Join(names, " "); got != "compute data dev none webhook" {
		t.Errorf("presets are %s", got)
	}
	if _, ok := policies.Preset("nope"); ok {
		t.Error("a preset that does not exist was found")
	}
}

func TestConcurrentUse(t *testing.T) {
	tier := mustParse(t, "version: 1\nname: tier\nrules: [{api: [fetch, 'kv.*'], action: allow, cel: 'size(args) == 0 || args[0] == host', quota: {calls_per_invocation: 1}, redact: 'args[0]'}]\n")
	p := policies.Narrow(tier, mustParse(t, webhook))
	a := policies.Attributes{Scheme: "https", Host: "a.example.org", Port: 443, Method: "GET"}
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 200 {
				if !p.Evaluate("fetch", a).Allowed || p.Evaluate("nothing", a).Allowed || !p.MayAllow("kv.x") {
					t.Error("wrong verdict")
					return
				}
			}
		})
	}
	wg.Wait()
}
