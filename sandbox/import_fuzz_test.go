package sandbox_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/bulkhead-run/bulkhead/internal/outcome"
)

// FuzzImport imports modules by every kind of name, before a function runs and
// while it does: there is none but the function's own.
func FuzzImport(f *testing.F) {
	for _, name := range []string{
		"qjs:os", "qjs:std", "qjs:bjson", "std", "os", "\x00qjs:os", "node:fs", "./g.js", "../../etc/passwd", "/proc/self/environ",
		"file:///etc/passwd", "http://127.0.0.1/x.js", "data:text/javascript,export default 1", "", ".", "..", "./", "<eval>", "<prelude>", "\xed\xa0\x80", strings.Repeat("./", 5000),
	} {
		f.Add(name)
	}
	w := newWorld(f)
	w.mustLoad(request("dynamic", `async (name) => { try { await import(name); return 'imported' } catch (e) { return e instanceof ReferenceError } }`))
	s := w.slot()
	f.Fuzz(func(t *testing.T, name string) {
		w.t = t
		quoted, err := json.Marshal(name)
		if err != nil || len(name) > 1<<16 || strings.HasSuffix(name, "f.js") {
			t.Skip()
		}
		if r := s.invoke("dynamic", string(quoted)); string(r.GetValue()) != "true" {
			t.Errorf("import(%s): %v", quoted, r.Result)
		}
		for _, form := range []string{"import ", "import * as x from ", "export * from ", "export { default } from "} {
			r := w.load(request("static", form+string(quoted)+"; export default () => 1"))
			if outcome.Outcome(r.GetOutcome()) == outcome.OK && len(r.GetProblems()) == 0 {
				t.Errorf("%s%s: it was loaded", form, quoted)
			}
		}
	})
}
