package policies_test

import (
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/bulkhead-run/bulkhead/policies"
)

// What the guide shows must work as it says.
func TestGuide(t *testing.T) {
	guide, err := os.ReadFile("../docs/policies.md")
	if err != nil {
		t.Fatal(err)
	}
	blocks := regexp.MustCompile("(?s)```(yaml|text)\n(.*?)```").FindAllStringSubmatch(string(guide), -1)
	byName := map[string]*policies.Policy{}
	var cases []policies.Case
	var explained string
	for _, b := range blocks {
		switch {
		case b[1] == "text":
			explained = b[2]
		case strings.Contains(b[2], "\ncases:"):
			if cases, err = policies.ParseCases("shop.test.yaml", []byte(b[2])); err != nil {
				t.Error(err)
			}
		default:
			p, err := policies.Parse("shop.yaml", []byte(b[2]), nil)
			if err != nil {
				t.Fatal(err)
			}
			if found := p.Lint(nil); len(found) > 0 {
				t.Errorf("%s: %v", p.Name(), found)
			}
			byName[p.Name()] = p
		}
	}
	shop := byName["shop"]
	if shop == nil || byName["reports"] == nil || len(cases) < 3 {
		t.Fatal("the guide lacks its examples")
	}
	for _, r := range shop.Run(cases) {
		if !r.Passed {
			t.Errorf("%s: %s\n%s", r.Name, r.Reason, r.Explanation)
		}
	}
	got := shop.Explain("fetch", policies.Attributes{Scheme: "https", Host: "api.example.com", Port: 443, Method: "DELETE", Path: "/v1/orders"}).String()
	if got != explained {
		t.Errorf("explain says\n%s", got)
	}
	for _, p := range policies.Presets() {
		if !strings.Contains(string(guide), "| `"+p.Name()+"` |") {
			t.Errorf("the guide does not tell of the preset %s", p.Name())
		}
	}
	var s struct {
		Defs map[string]struct{ Properties map[string]any } `json:"$defs"`
	}
	decodeSchema(t, &s)
	for _, def := range []string{"rule", "when", "quota"} {
		for name := range s.Defs[def].Properties {
			if !strings.Contains(string(guide), "`"+name+"`") {
				t.Errorf("the guide does not tell of %s", name)
			}
		}
	}
}
