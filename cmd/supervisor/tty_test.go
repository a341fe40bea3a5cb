package main

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// onTerminal runs a command with a terminal, and returns what that was sent.
func onTerminal(t *testing.T, d *daemon, environment []string, args ...string) string {
	t.Helper()
	if _, err := exec.LookPath("script"); err != nil {
		t.Skip("there is no script")
	}
	cmd := exec.Command("script", "-qec", "'"+strings.Join(append([]string{filepath.Join(binaries, "supervisor")}, args...), "' '")+"'", "/dev/null")
	cmd.Env = append(append(os.Environ(), "TERM=xterm", "NO_COLOR=", "XDG_CACHE_HOME="+filepath.Join(binaries, "cache")), environment...)
	if d != nil {
		cmd.Env = append(cmd.Env, "BULKHEAD_SERVER="+d.url)
	}
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	cmd.Stdin = strings.NewReader("")
	_ = cmd.Run() // some are to fail
	return out.String()
}

// Colours are sent to terminals alone, and to none that does not want them.
func TestColoursAreForTerminals(t *testing.T) {
	d := serveDaemon(t, "--data", t.TempDir())
	d.ok("tenant", "put", "acme")
	d.ok("deploy", "acme/f", write(t, "f.js", "() => { console.error('x'); return kv.get('k') }"))
	d.ok("deploy", "acme/f", write(t, "f.js", "() => { console.error('y'); return kv.get('k') }"))
	d.run("invoke", "acme/f")
	folder := project(t, map[string]string{"bad.js": "({", "f.test.js": "import { test } from 'bulkhead:test';\ntest('a', () => { throw 1 });\n"})
	cases := filepath.Join(folder, "p.yaml")
	if err := os.WriteFile(cases, []byte("version: 1\nname: p\ndefault: deny\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{
		{"invoke", "acme/f"}, {"invoke", "acme/f", "--watch"}, {"logs", "acme"}, {"diff", "acme/f"}, {"deploy", "acme", folder},
		{"list", "nobody"}, {"help", "exit-codes"}, {"test", folder},
	} {
		local := args[0] == "help" || args[0] == "test"
		c := command{}
		if local {
			c = supervise(t, "", args...)
		} else {
			c = d.run(args...)
		}
		if strings.Contains(c.stdout+c.stderr, "\x1b") {
			t.Errorf("%q without a terminal: %q", args, c.stdout+c.stderr)
		}
		if got := onTerminal(t, d, nil, args...); !strings.Contains(got, "\x1b[") {
			t.Errorf("%q is not coloured: %q", args, got)
		}
		off := "NO_COLOR=1"
		if args[0] == "list" {
			off = "TERM=dumb"
		}
		if got := onTerminal(t, d, []string{off, "PAGER="}, args...); strings.Contains(strings.NewReplacer("\x1b[J", "", "\x1b[K", "", "\x1b[1A", "").Replace(got), "\x1b") {
			t.Errorf("%q with %s: %q", args, off, got)
		}
	}
}
