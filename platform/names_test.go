package platform_test

import (
	"strings"
	"testing"

	"github.com/bulkhead-run/bulkhead/platform"
)

func TestCheckName(t *testing.T) {
	taken := []string{"log", "kv.get", "fetch"}
	for name, want := range map[string]string{
		"crm.lookup": "", "greet": "", "kv.put": "", "logs": "", "acme.kv.get": "", "acme.delete": "", "$": "",
		"":                       "the name is missing",
		"a b":                    "is no name for an API",
		"a..b":                   "is no name for an API",
		"1a":                     "is no name for an API",
		strings.Repeat("a", 129): "is no name for an API",
		"log":                    `there is an API named "log" already`,
		"log.error":              `"log.error" and "log" exclude each other`,
		"kv":                     `"kv" and "kv.get" exclude each other`,
		"fetch":                  `there is an API named "fetch" already`,
		"crypto.sign":            "would replace JavaScript's own crypto",
		"JSON.lines":             `would replace JavaScript's own JSON; put the API below a name of your own, like "acme.lines"`,
		"class.list":             "would replace JavaScript's own class",
		"a.__proto__":            "__proto__ means something else",
		"a.then":                 "then means something else",
		"constructor.a":          "constructor means something else",
	} {
		err := platform.CheckName(name, taken)
		if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("%q: got %v, want %q", name, err, want)
		}
	}
}
