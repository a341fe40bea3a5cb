package tests

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/bulkhead-run/bulkhead/tests/daemon"
)

// TestConsole drives the playground and console in a real Chromium: see
// console/test/browser.mjs. BULKHEAD_SHOTS names a folder for its pictures.
func TestConsole(t *testing.T) {
	chromium := os.Getenv("BULKHEAD_CHROMIUM")
	if chromium == "" {
		chromium = "/usr/bin/chromium"
	}
	for _, needed := range []struct{ path, what string }{
		{chromium, "there is no Chromium: install Debian's chromium, or name one in BULKHEAD_CHROMIUM"},
		{"../console/node_modules/playwright-core", "there is no Playwright: make console gets it"},
		{"../console/dist/index.html.br", "the console is not built: make console builds it"},
	} {
		if _, err := os.Stat(needed.path); err != nil {
			t.Skip(needed.what)
		}
	}
	node, err := exec.LookPath("node")
	if err != nil {
		t.Skip("there is no Node.js")
	}
	key := filepath.Join(t.TempDir(), "key")
	if err := os.WriteFile(key, []byte(strings.Repeat("A", 43)+"="), 0o600); err != nil {
		t.Fatal(err)
	}
	d := daemon.Serve(t, daemon.Options{Config: "secrets: {key_file: " + key + "}\n"})
	c := exec.Command(node, "--test", "--test-timeout=600000", "--test-reporter=spec", "test/browser.mjs")
	c.Dir = "../console"
	c.Env = append(os.Environ(), "BULKHEAD_URL="+strings.TrimSuffix(d.URL, "/"), "BULKHEAD_CHROMIUM="+chromium)
	if shots := os.Getenv("BULKHEAD_SHOTS"); shots != "" {
		path, err := filepath.Abs(shots)
		if err != nil {
			t.Fatal(err)
		}
		c.Env = append(c.Env, "BULKHEAD_SHOTS="+path)
	}
	c.WaitDelay = 10 * time.Second
	out, err := c.CombinedOutput()
	t.Logf("%s", out)
	if err != nil {
		t.Error(err)
	}
}
