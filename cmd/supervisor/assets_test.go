package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// writeDir makes a folder of files.
func writeDir(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// Static files are part of a version: what is live, kept or asked for by name
// has its own, and a restart changes nothing of it.
func TestAssets(t *testing.T) {
	data := t.TempDir()
	args := []string{"--functions-listen", "127.0.0.1:0", "--data", data}
	d := serveDaemon(t, args...)
	url := d.functions(t)
	d.ok("tenant", "put", "acme")
	shop := write(t, "shop.js", `export default { fetch: (r) => new Response('function ' + new URL(r.url).pathname, { status: 404 }) }`)
	dir := writeDir(t, map[string]string{"index.html": "<p>one", "css/site.css": strings.Repeat("a { b: c }\n", 200), ".env": "SECRET=1"})
	version := func(args ...string) string {
		t.Helper()
		var v struct{ Version string }
		if err := json.Unmarshal([]byte(d.ok(append([]string{"--json", "deploy", "acme/shop", shop, "--public", "--assets", dir}, args...)...)), &v); err != nil {
			t.Fatal(err)
		}
		return v.Version
	}
	one := version()
	if again := version(); again != one {
		t.Errorf("the same deploy made %s beside %s", again, one)
	}
	get := func(at, want string, header ...string) {
		t.Helper()
		if answer, text := send(t, "GET", url+at, "", header...); text != want {
			t.Errorf("%s: got %s %q; want %q", at, answer.Status, text, want)
		}
	}
	get("/acme/shop/", "<p>one")
	get("/acme/shop/.env", "function /.env")
	get("/acme/shop/cart", "function /cart")
	if err := os.WriteFile(filepath.Join(dir, "index.html"), []byte("<p>two"), 0o600); err != nil {
		t.Fatal(err)
	}
	two := version("--no-live", "--alias", "staging")
	if two == one {
		t.Fatal("other files are the same version")
	}
	get("/acme/shop/", "<p>one")
	get("/acme/shop@staging/", "<p>two")
	get("/acme/shop@"+two[:12]+"/", "<p>two")
	if diff := d.ok("diff", "acme/shop", "live", "staging"); !strings.Contains(diff, "asset index.html") || strings.Contains(diff, "site.css") {
		t.Errorf("diff: %s", diff)
	}
	d.ok("alias", "set", "acme/shop", "live", "staging")
	get("/acme/shop/", "<p>two")
	d.ok("rollback", "acme/shop")
	get("/acme/shop/", "<p>one")
	d.ok("split", "set", "acme/shop", "live=50", "staging=50")
	seen := map[string]bool{}
	for range 200 { // all of one kind: 1 in 2^199
		_, text := send(t, "GET", url+"/acme/shop/index.html", "")
		seen[text] = true
	}
	if len(seen) != 2 || !seen["<p>one"] || !seen["<p>two"] {
		t.Errorf("a split answered with %v", seen)
	}
	d.ok("split", "clear", "acme/shop")
	d.ok("env", "set", "acme", "A=1") // another version, with the same files
	get("/acme/shop/", "<p>one")
	if code := d.end(); code != 0 {
		t.Fatalf("exit %d\n%s", code, d.stderr)
	}
	d = serveDaemon(t, args...)
	url = d.functions(t)
	get("/acme/shop/", "<p>one")
	get("/acme/shop@staging/", "<p>two")
	if err := os.Symlink("/etc/hostname", filepath.Join(dir, "host.txt")); err != nil {
		t.Fatal(err)
	}
	refused := d.run("deploy", "acme/shop", shop, "--assets", dir)
	if refused.exit == 0 || !strings.Contains(refused.stderr, `"host.txt" cannot be read`) {
		t.Errorf("exit %d: %s", refused.exit, refused.stderr)
	}
}

// A tier says how much static files may take, and whether functions may be
// public: at a deploy and at every switch, and for what is live already.
func TestTierOfHTTPFunctions(t *testing.T) {
	data := t.TempDir()
	config := func(text string) []string {
		return []string{"--functions-listen", "127.0.0.1:0", "--data", data, "--config", write(t, "bulkhead.yaml", text)}
	}
	d := serveDaemon(t, config("tiers: {default: {max_assets: 100B}}\n")...)
	d.ok("tenant", "put", "acme")
	shop := write(t, "shop.js", `export default { fetch: () => new Response('function') }`)
	refused := d.run("deploy", "acme/shop", shop, "--assets", writeDir(t, map[string]string{"a.txt": strings.Repeat("a", 100)}))
	if refused.exit == 0 || !strings.Contains(refused.stderr, "107 bytes together, with their names; the most is 100") {
		t.Errorf("exit %d: %s", refused.exit, refused.stderr)
	}
	d.ok("deploy", "acme/shop", shop)
	d.ok("deploy", "acme/shop", shop, "--public")
	token := strings.TrimSpace(d.ok("token", "create", "any", "--scope", "admin"))
	if answer, _ := send(t, "GET", d.functions(t)+"/acme/shop/", ""); answer.StatusCode != 200 {
		t.Errorf("public: %s", answer.Status)
	}
	if code := d.end(); code != 0 {
		t.Fatalf("exit %d\n%s", code, d.stderr)
	}
	d = serveDaemon(t, config("tiers: {default: {public: false}}\n")...)
	if answer, _ := send(t, "GET", d.functions(t)+"/acme/shop/", ""); answer.StatusCode != 401 {
		t.Errorf("public, in a tier that forbids it: %s", answer.Status)
	}
	if c := d.as(token, d.url, "rollback", "acme/shop"); c.exit != 0 { // to the one that is not
		t.Fatalf("%+v", c)
	}
	for name, args := range map[string][]string{
		"deploy":   {"deploy", "acme/other", shop, "--public"},
		"rollback": {"rollback", "acme/shop"},
	} {
		refused := d.as(token, d.url, args...)
		if refused.exit == 0 || !strings.Contains(refused.stderr, "public") || !strings.Contains(refused.stderr, "tier") {
			t.Errorf("%s: exit %d: %s", name, refused.exit, refused.stderr)
		}
	}
}
