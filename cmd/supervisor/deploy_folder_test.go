package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/bulkhead-run/bulkhead/client"
)

func TestDeployFolder(t *testing.T) {
	d := serveDaemon(t, "--data", t.TempDir())
	d.ok("tenant", "put", "acme", "--policy", "data")
	files := map[string]string{"a.test.js": "no function", "broken.ts": "import x from './none'; export default x"}
	for i := range 9 {
		files[fmt.Sprintf("f%d.ts", i)] = fmt.Sprintf("export default async (): Promise<number> => %d", i)
	}
	dir := project(t, files)
	d.ok("deploy", "acme/kept", write(t, "k.js", "() => 'kept'"))

	c := d.run("deploy", "acme", dir)
	if c.exit != 2 || !strings.Contains(c.stdout, "deployed 9 of 10 functions in ") || !strings.HasSuffix(c.stdout, "; failed: broken\n") || strings.Contains(c.stdout+c.stderr, "\x1b") {
		t.Errorf("%+v", c)
	}
	if !strings.Contains(c.stderr, "error: acme/broken: ") || !strings.Contains(c.stderr, "broken.ts:1:15") || !strings.Contains(c.stderr, "  -> ") {
		t.Errorf("%s", c.stderr)
	}
	for i := range 9 {
		if got := d.ok("invoke", fmt.Sprintf("acme/f%d", i)); got != fmt.Sprintln(i) || !strings.Contains(c.stdout, fmt.Sprintf("deployed acme/f%d, version ", i)) {
			t.Errorf("f%d: %q\n%s", i, got, c.stdout)
		}
	}
	if got := d.ok("invoke", "acme/kept"); got != "\"kept\"\n" {
		t.Errorf("a function that the folder does not have: %q", got)
	}

	// With a project's file: its settings are sent, and flags go before them.
	if err := os.Remove(filepath.Join(dir, "broken.ts")); err != nil {
		t.Fatal(err)
	}
	yaml := "tenant: acme\npolicy: dev\nenv: {A: b}\nfunctions:\n  one: {path: f1.ts, memory: 6MiB, timeout: 1s, concurrency: 2, policy: compute, public: true}\n  two: {path: f2.ts, memory: 7MiB}\n"
	if err := os.WriteFile(filepath.Join(dir, projectName), []byte(yaml), 0o600); err != nil {
		t.Fatal(err)
	}
	c = d.run("deploy", dir, "--timeout", "2s", "--alias", "staging", "--no-live", "--json")
	if c.exit != 0 || c.stderr != "" {
		t.Fatalf("%+v", c)
	}
	found := map[string]client.Function{}
	for line := range strings.Lines(c.stdout) {
		var f client.Function
		if err := json.Unmarshal([]byte(line), &f); err != nil {
			t.Fatalf("%v: %s", err, line)
		}
		found[f.Function] = f
	}
	one, two := found["one"], found["two"]
	if len(found) != 2 || one.Memory != 6<<20 || one.Timeout.String() != "2s" || one.Concurrency != 2 || one.Policy != "compute" || !one.Public || two.Memory != 7<<20 || two.Public || two.Tenant != "acme" {
		t.Errorf("%+v", found)
	}
	if c := d.run("invoke", "acme/one"); c.exit != 2 || !strings.Contains(c.stderr, "no version of the function is live") {
		t.Errorf("--no-live: %+v", c)
	}
	if got := d.ok("invoke", "acme/two@staging"); got != "2\n" {
		t.Errorf("%q", got)
	}
	if c := d.run("deploy", dir); c.exit != 0 || !strings.Contains(c.stderr, "supervisor env set") || !strings.Contains(c.stdout, "deployed 2 of 2 functions") {
		t.Errorf("%+v", c)
	}
	if c := d.run("deploy", "nobody", dir, "--json"); c.exit != 2 || strings.Count(c.stdout, `"error"`) != 1 {
		t.Errorf("what is wrong with all is not said once: %+v", c)
	}
}
