package sandbox_test

import (
	"encoding/json"
	"flag"
	"os"
	"slices"
	"strings"
	"testing"
)

var updateSurface = flag.Bool("update-surface", false, "write testdata/surface.txt anew; review the difference")

// surfaceSource lists each global, with the members of what it is: own
// properties, and those of its prototype behind a dot.
const surfaceSource = `() => {
  const skip = new Set(['length', 'name', 'prototype', 'constructor', 'arguments', 'caller']);
  const names = (o) => Reflect.ownKeys(o).map((k) => String(k)).filter((k) => !(typeof o === 'function' ? skip.has(k) : k === 'constructor')).sort();
  const out = [];
  for (const name of Reflect.ownKeys(globalThis).map(String).sort()) {
    const v = globalThis[name];
    const object = (typeof v === 'object' && v !== null && v !== globalThis) || typeof v === 'function';
    let line = name + ': ' + typeof v;
    if (object) {
      for (const k of names(v)) line += ' ' + k;
      if (typeof v === 'function' && v.prototype) for (const k of names(v.prototype)) line += ' .' + k;
    }
    out.push(line);
  }
  return out;
}`

// TestSurface holds all that functions can reach by name against the list that
// was reviewed, and the documentation against the list.
func TestSurface(t *testing.T) {
	const file = "testdata/surface.txt"
	w := newWorld(t)
	w.mustLoad(request("v", surfaceSource))
	r := w.slot().invoke("v", `{}`)
	var lines []string
	if err := json.Unmarshal(r.GetValue(), &lines); err != nil {
		t.Fatal(err, r.GetException())
	}
	var platformAPIs []string
	for _, a := range testAPIs {
		name, _, _ := strings.Cut(a.GetName(), ".")
		platformAPIs = append(platformAPIs, name)
	}
	lines = slices.DeleteFunc(lines, func(line string) bool {
		name, _, _ := strings.Cut(line, ":")
		return name != "fetch" && slices.Contains(platformAPIs, name)
	})
	got := strings.Join(lines, "\n") + "\n"
	if *updateSurface {
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	reviewed, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	want := strings.Split(strings.TrimSuffix(string(reviewed), "\n"), "\n")
	for _, line := range lines {
		if !slices.Contains(want, line) {
			t.Errorf("not reviewed: %s", line)
		}
	}
	for _, line := range want {
		if !slices.Contains(lines, line) {
			t.Errorf("missing: %s", line)
		}
	}
	docs, err := os.ReadFile("../docs/web-apis.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, line := range want {
		name, _, _ := strings.Cut(line, ":")
		if !strings.HasPrefix(name, "Symbol(") && !strings.Contains(string(docs), "`"+name+"`") {
			t.Errorf("docs/web-apis.md does not name `%s`", name)
		}
	}
}
