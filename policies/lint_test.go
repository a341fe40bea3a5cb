package policies_test

import (
	"slices"
	"testing"

	"github.com/bulkhead-run/bulkhead/policies"
)

func TestLint(t *testing.T) {
	known := []string{"fetch", "kv.get", "kv.put", "log"}
	p := mustParse(t, `version: 1
name: odd
extends: [data]
rules:
  - {api: "kv.*", action: allow}
  - {api: [kv.get, kv.put], action: deny}
  - {api: ftech, action: allow}
  - {api: "queue.*", action: allow}
  - {api: "*", action: deny, when: {host: a.example}}
  - {api: [kv.get, log], action: allow}
  - {api: "*", action: deny}
  - {api: "*.get", action: allow}
`)
	var got []string
	for _, f := range p.Lint(known) {
		got = append(got, f.String())
	}
	want := []string{
		`test.yaml:6:5: rules[1] can never decide: rules[0] (line 5) always does before`,
		`test.yaml:7:5: rules[2] names the API "ftech", which is not known (did you mean "fetch"?)`,
		`test.yaml:8:5: rules[3] names the API "queue.*", which is not known`,
		`test.yaml:9:5: rules[4] refuses every call that lacks what its conditions are about; name the APIs that have it instead of "*"`,
		`test.yaml:12:5: rules[7] can never decide: rules[6] (line 11) always does before`,
	}
	if !slices.Equal(got, want) {
		t.Errorf("got %q", got)
	}
	for _, p := range policies.Presets() {
		if found := p.Lint(nil); len(found) > 0 {
			t.Errorf("%s: %v", p.Name(), found)
		}
	}
}
