package bundle_test

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/bulkhead-run/bulkhead/bundle"
)

// The modules in testdata use the shims in the sandbox. What they return is
// compared with what they returned in Node 20.
func TestShims(t *testing.T) {
	files, err := filepath.Glob("testdata/*.mjs")
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".mjs"), func(t *testing.T) {
			want, err := os.ReadFile(strings.TrimSuffix(file, ".mjs") + ".json")
			if err != nil {
				t.Fatal(err)
			}
			got, e := run(t, build(t, file, bundle.Options{}), "null")
			if e != nil {
				t.Fatalf("%v %+v", e, e.Exception)
			}
			compare(t, "", decode(t, got), decode(t, bytes.TrimSpace(want)))
		})
	}
}

func decode(t *testing.T, text []byte) (v any) {
	t.Helper()
	if err := json.Unmarshal(text, &v); err != nil {
		t.Fatalf("%v: %.200s", err, text)
	}
	return v
}

// compare reports each place at which two values differ.
func compare(t *testing.T, at string, got, want any) {
	t.Helper()
	show := func(v any) string { s, _ := json.Marshal(v); return string(s) }
	switch w := want.(type) {
	case map[string]any:
		g, ok := got.(map[string]any)
		if ok && len(g) == len(w) {
			for k := range w {
				compare(t, at+"."+k, g[k], w[k])
			}
			return
		}
	case []any:
		g, ok := got.([]any)
		if ok && len(g) == len(w) {
			for i := range w {
				compare(t, at+"["+show(i)+"]", g[i], w[i])
			}
			return
		}
	}
	if g, w := show(got), show(want); g != w {
		t.Errorf("%s: got %s, want %s", at, g, w)
	}
}

func TestShimsAreTested(t *testing.T) {
	for _, name := range bundle.Shims() {
		if strings.Contains(name, "/") || slices.Contains([]string{"process", "timers"}, name) { // in TestRuns
			continue
		}
		if _, err := os.Stat("testdata/" + name + ".mjs"); err != nil {
			t.Error(err)
		}
	}
}

// A shim can be required, and does not stand in the way of a package that has
// its name.
func TestShimForms(t *testing.T) {
	dir := write(t, `
-- f.cjs --
const Emitter = require('events');
const { Buffer } = require('node:buffer');
const types = require('util/types');
const strict = require('node:assert/strict');
const posix = require('path/posix');
class Mine extends Emitter {}
module.exports = () => [new Mine() instanceof Emitter.EventEmitter, Buffer.from('a').length, types.isDate(new Date()), typeof strict.equal,
  posix.join('a', 'b'), require('util').isBuffer, require('punycode/'), require('node:util') === require('util')];
-- node_modules/util/index.js --
exports.isBuffer = 'the package';
-- node_modules/punycode/index.js --
module.exports = 'punycode';
`)
	got, e := run(t, build(t, filepath.Join(dir, "f.cjs"), bundle.Options{}), "null")
	if want := `[true,1,true,"function","a/b","the package","punycode",false]`; e != nil || string(got) != want {
		t.Errorf("got %s, want %s; %v", got, want, e)
	}
}
