package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// project makes a folder of files by their names.
func project(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, content := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

var orders = map[string]string{
	"package.json": `{"name":"orders","main":"src/index.ts"}`,
	"src/index.ts": `import { total } from './total';
import round from 'round-half';

interface Order { items: { price: number; count: number }[] }

export default async function handler(order: Order): Promise<number> {
  return round(total(order.items));
}
`,
	"src/total.ts": `type Item = { price: number; count: number };

export function total(items: Item[]): number {
  if (items.length === 0) {
    throw new RangeError('no items', { cause: new Error('empty order') });
  }
  return items.reduce((sum, i) => sum + i.price * i.count, 0);
}
`,
	"node_modules/round-half/index.js": "module.exports = (n) => Math.round(n * 100) / 100;\n",
}

func TestRunBundles(t *testing.T) {
	dir := project(t, orders)
	event := `{"items":[{"price":0.1,"count":3}]}`
	for _, path := range []string{dir, filepath.Join(dir, "src/index.ts")} {
		if c := supervise(t, "", "run", path, "--event", event); c.exit != 0 || c.stdout != "0.3\n" || c.stderr != "" {
			t.Errorf("%s: %+v", path, c)
		}
	}
	c := supervise(t, "", "run", dir, "-v", "--event", event)
	if c.exit != 0 || !strings.Contains(c.stderr, "src/total.ts") || !strings.Contains(c.stderr, "node_modules/round-half/index.js") || !strings.Contains(c.stderr, "bundle") {
		t.Errorf("%+v", c)
	}
	for _, flags := range [][]string{nil, {"--minify"}} {
		c = supervise(t, "", append([]string{"run", dir, "--event", `{"items":[]}`}, flags...)...)
		if c.exit != 1 || !strings.Contains(c.stderr, "RangeError: no items") || !strings.Contains(c.stderr, "(src/total.ts:5:") ||
			!strings.Contains(c.stderr, "caused by Error: empty order") || !strings.Contains(c.stderr, "at handler (src/index.ts:7:") {
			t.Errorf("%v: %+v", flags, c)
		}
	}
}

func TestRunShowsFaults(t *testing.T) {
	dir := project(t, map[string]string{"f.ts": "import fs from 'fs';\nexport default () => {\n\treturn fs +;\n};\n", "g.ts": "import fs from 'fs';\nexport default () => fs;\n"})
	c := supervise(t, "", "run", filepath.Join(dir, "f.ts"))
	if want := "  f.ts:3:13: Unexpected \";\"\n    return fs +;\n               ^\n"; c.exit != 2 || !strings.Contains(c.stderr, want) {
		t.Errorf("%+v; want %q", c, want)
	}
	c = supervise(t, "", "run", filepath.Join(dir, "g.ts"))
	if c.exit != 2 || !strings.Contains(c.stderr, "g.ts:1:16: fs, a built-in module of Node, is not there in the sandbox: there is no file system") {
		t.Errorf("%+v", c)
	}
	c = supervise(t, "", "run", filepath.Join(dir, "g.ts"), "--json")
	var doc failureDocument
	if err := json.Unmarshal([]byte(c.stdout), &doc); err != nil || len(doc.Error.Problems) != 1 {
		t.Fatalf("%+v, %v", c, err)
	}
	if p := doc.Error.Problems[0]; p.File != "g.ts" || p.Line != 1 || p.Column != 16 || p.Excerpt != "import fs from 'fs';" {
		t.Errorf("%+v", p)
	}
	for name, want := range map[string]string{"gone.ts": "no such file", "folder": "package.json"} {
		_ = os.Mkdir(filepath.Join(dir, "folder"), 0o755)
		if c := supervise(t, "", "run", filepath.Join(dir, name)); c.exit != 2 || !strings.Contains(c.stderr, want) {
			t.Errorf("%s: %+v", name, c)
		}
	}
}

func TestDeployBundles(t *testing.T) {
	dir := project(t, orders)
	d := serveDaemon(t, "--data", t.TempDir())
	d.ok("tenant", "put", "acme")
	var first struct {
		Version string
		Bundle  bundleReport
	}
	if err := json.Unmarshal([]byte(d.ok("deploy", "acme/orders", dir, "--json", "--timeout", "2s")), &first); err != nil {
		t.Fatal(err)
	}
	if first.Version == "" || first.Bundle.Bytes == 0 || len(first.Bundle.Inputs) != 3 {
		t.Errorf("%+v", first)
	}
	// The same sources make the same version.
	var again struct{ Version string }
	if err := json.Unmarshal([]byte(d.ok("deploy", "acme/orders", dir, "--json", "--timeout", "2s")), &again); err != nil || again.Version != first.Version {
		t.Errorf("%+v, %v", again, err)
	}
	if got := d.ok("invoke", "acme/orders", "--event", `{"items":[{"price":2,"count":2}]}`); strings.TrimSpace(got) != "4" {
		t.Errorf("%q", got)
	}
	for range 2 { // the map is kept the second time
		c := d.run("invoke", "acme/orders", "--event", `{"items":[]}`)
		if c.exit != 1 || !strings.Contains(c.stderr, "at total (src/total.ts:5:") || !strings.Contains(c.stderr, "at handler (src/index.ts:7:") {
			t.Errorf("%+v", c)
		}
	}
	// What fails at the top level is told by its place in the sources, and
	// changes nothing.
	if err := os.WriteFile(filepath.Join(dir, "src/total.ts"), []byte("export const total: any = (() => {\n  throw new Error('never');\n})();\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	if c := d.run("deploy", "acme/orders", dir); c.exit != 2 || !strings.Contains(c.stderr, "src/total.ts:2:") {
		t.Errorf("%+v", c)
	}
	// A plain file goes up as it is.
	plain := project(t, map[string]string{"f.js": "(e) => e"})
	if got := d.ok("deploy", "acme/plain", filepath.Join(plain, "f.js"), "--json"); !strings.Contains(got, `"shape": "expression"`) || strings.Contains(got, "bundle") {
		t.Errorf("%s", got)
	}
}
