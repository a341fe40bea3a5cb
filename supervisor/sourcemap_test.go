package supervisor_test

import (
	"encoding/json"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/bulkhead-run/bulkhead/internal/outcome"
	"github.com/bulkhead-run/bulkhead/supervisor"
)

// lineMap is the map of code whose line n is line n+10 of a source, from its
// first column on.
func lineMap(source string, lines int) string {
	mappings := "AAUA" + strings.Repeat(";AACA", lines-1)
	data, err := json.Marshal(map[string]any{"version": 3, "sources": []string{source}, "names": []string{}, "mappings": mappings})
	if err != nil {
		panic(err)
	}
	return string(data)
}

const throwing = `function inner(e) {
  throw new Error("no " + e, { cause: new TypeError("the cause") });
}
export default function outer(e) {
  if (e === "log") { console.error(new Error("logged").stack); console.log("see f.js:2:1"); return 1; }
  if (e === "reject") { Promise.reject(new Error("lost")); return 2; }
  if (e === "any") throw new AggregateError([new Error("one")], "several");
  inner(e);
}
`

func TestRealSourceMap(t *testing.T) {
	s := openReal(t, nil)
	deploy(t, s, "acme", "f", throwing, func(f *supervisor.FunctionSpec) {
		f.SourceMap, f.Timeout = lineMap("src/handler.ts", 9), 20*time.Second
	})
	check := func(err error) {
		t.Helper()
		e := wantOutcome(t, err, outcome.Exception)
		if want := "at inner (src/handler.ts:12:1)\nat outer (src/handler.ts:18:1)"; !strings.HasPrefix(e.Exception.Stack, want) {
			t.Errorf("stack %q, want %q", e.Exception.Stack, want)
		}
		if c := e.Exception.Cause; c == nil || !strings.HasPrefix(c.Stack, "at inner (src/handler.ts:12:1)") {
			t.Errorf("cause %+v", c)
		}
	}
	for range 2 {
		_, err := s.Invoke(t.Context(), "acme", "f", []byte(`"x"`))
		check(err)
	}
	_, err := s.Invoke(t.Context(), "acme", "f", []byte(`"any"`))
	if e := wantOutcome(t, err, outcome.Exception); len(e.Exception.Errors) != 1 || !strings.HasPrefix(e.Exception.Errors[0].Stack, "at outer (src/handler.ts:17:1)") {
		t.Errorf("errors %+v", e.Exception.Errors)
	}
	r, err := s.Invoke(t.Context(), "acme", "f", []byte(`"log"`))
	wantValue(t, r, err, "1")
	if len(r.Logs) != 2 || !strings.Contains(r.Logs[0].Message, "at outer (src/handler.ts:15:1)") || r.Logs[1].Message != "see f.js:2:1" {
		t.Errorf("logs %+v", r.Logs)
	}
	r, err = s.Invoke(t.Context(), "acme", "f", []byte(`"reject"`))
	wantValue(t, r, err, "2")
	if len(r.Logs) != 1 || !strings.Contains(r.Logs[0].Message, "(src/handler.ts:16:1)") {
		t.Errorf("logs %+v", r.Logs)
	}

	_, err = s.Run(t.Context(), supervisor.FunctionSpec{Function: "f", Code: throwing, SourceMap: lineMap("src/handler.ts", 9), Timeout: 20 * time.Second}, nil, []byte(`"x"`))
	check(err)

	// Without the map it is another version, whose stacks are the code's own.
	before, _ := s.Function("acme", "f")
	after := deploy(t, s, "acme", "f", throwing, timeout(20*time.Second))
	if after.Version == before.Version {
		t.Errorf("version %s with and without a map", after.Version)
	}
	_, err = s.Invoke(t.Context(), "acme", "f", []byte(`"x"`))
	if e := wantOutcome(t, err, outcome.Exception); !strings.HasPrefix(e.Exception.Stack, "at inner (f.js:2:") {
		t.Errorf("stack %q", e.Exception.Stack)
	}
}

func TestRealSourceMapOfProblems(t *testing.T) {
	s := openReal(t, nil)
	if _, err := s.PutTenant(t.Context(), supervisor.Tenant{Name: "acme"}); err != nil {
		t.Fatal(err)
	}
	for code, want := range map[string]int{
		"export default () => {\n  return +;\n}\n":                                12,
		"const f = () => {\n\n  throw new Error('top') };\nexport default f();\n": 13,
	} {
		_, err := s.Deploy(t.Context(), supervisor.FunctionSpec{Tenant: "acme", Function: "f", Code: code, SourceMap: lineMap("a.ts", 4)})
		e := wantOutcome(t, err, outcome.Invalid)
		if len(e.Problems) != 1 || e.Problems[0].File != "a.ts" || e.Problems[0].Line != want || e.Problems[0].Field != "code" {
			t.Errorf("%q: problems %+v", code, e.Problems)
		}
	}
}

// A tenant's map is hostile: it is refused, or harms nobody.
func TestHostileSourceMaps(t *testing.T) {
	s := openReal(t, nil)
	if _, err := s.PutTenant(t.Context(), supervisor.Tenant{Name: "acme"}); err != nil {
		t.Fatal(err)
	}
	for name, sourceMap := range map[string]string{
		"no JSON":    "{",
		"a link":     "http://127.0.0.1:1/x.map",
		"sections":   `{"version":3,"sections":[{"offset":{"line":0,"column":0},"url":"file:///etc/passwd"}]}`,
		"damaged":    `{"version":3,"sources":["a"],"mappings":"AA%A"}`,
		"too large":  `{"version":3,"sources":["` + strings.Repeat("a", supervisor.MaxSourceMap) + `"],"mappings":""}`,
		"many lines": `{"version":3,"sources":[],"mappings":"` + strings.Repeat(";", 2<<20) + `"}`,
	} {
		_, err := s.Deploy(t.Context(), supervisor.FunctionSpec{Tenant: "acme", Function: "f", Code: "() => 1", SourceMap: sourceMap})
		e := wantOutcome(t, err, outcome.Invalid)
		if len(e.Problems) != 1 || e.Problems[0].Field != "source_map" {
			t.Errorf("%s: %+v", name, e.Problems)
		}
		_, err = s.Run(t.Context(), supervisor.FunctionSpec{Code: "() => 1", SourceMap: sourceMap}, nil, nil)
		wantOutcome(t, err, outcome.Invalid)
	}
	// Sources that are places elsewhere are names, and nothing more. A name
	// cannot forge a frame.
	secret := t.TempDir() + "/secret.ts"
	if err := os.WriteFile(secret, []byte("top secret"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, source := range []string{"file://" + secret, secret, "http://127.0.0.1:1/x.ts", "a.ts:1:1)\nat forged (b.ts"} {
		deploy(t, s, "acme", "f", throwing+"//# sourceMappingURL=file://"+secret, func(f *supervisor.FunctionSpec) {
			f.SourceMap, f.Timeout = lineMap(source, 9), 20*time.Second
		})
		_, err := s.Invoke(t.Context(), "acme", "f", []byte(`"x"`))
		e := wantOutcome(t, err, outcome.Exception)
		if strings.Contains(e.Exception.Stack, "top secret") || strings.Contains(e.Exception.Stack, "\nat forged") {
			t.Errorf("stack %q", e.Exception.Stack)
		}
	}
}
