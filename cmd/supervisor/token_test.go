package main

import (
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// as runs a command with a token, against server.
func (d *daemon) as(token, server string, args ...string) command {
	d.t.Helper()
	cmd, stderr := start(d.t, "", append(args, "--server", server)...)
	cmd.Env = append(cmd.Env, "BULKHEAD_TOKEN="+token)
	out, _ := cmd.Output() // the exit code is looked at
	return command{string(out), stderr.String(), cmd.ProcessState.ExitCode()}
}

func TestTokens(t *testing.T) {
	data := t.TempDir()
	d := serveDaemon(t, "--data", data)
	socket := "unix:" + filepath.Join(data, "admin.sock")
	if c := d.as("", d.url, "tenant", "put", "acme"); c.exit != 0 {
		t.Fatalf("before the first token: %+v", c)
	}
	create := func(args ...string) string {
		t.Helper()
		c := d.as("", socket, append([]string{"token", "create"}, args...)...)
		if c.exit != 0 || !strings.HasPrefix(c.stdout, "bhk_") || !strings.Contains(c.stderr, "only now") {
			t.Fatalf("%v: %+v", args, c)
		}
		return strings.TrimSpace(c.stdout)
	}
	ci := create("ci", "--scope", "tenant-deploy", "--scope", "tenant-invoke", "--tenant", "acme", "--expires", "1h")
	if c := d.as("", d.url, "list"); c.exit != 5 || !strings.Contains(c.stderr, "needs a token") || !strings.Contains(c.stderr, "BULKHEAD_TOKEN") {
		t.Errorf("over TCP without a token: %+v", c)
	}
	function := write(t, "f.js", "() => 42")
	if c := d.as(ci, d.url, "deploy", "acme/f", function); c.exit != 0 {
		t.Errorf("deploy: %+v", c)
	}
	if c := d.as(ci, d.url, "invoke", "acme/f"); c.exit != 0 || strings.TrimSpace(c.stdout) != "42" {
		t.Errorf("invoke: %+v", c)
	}
	file := write(t, "token", ci+"\n")
	if c := d.as("", d.url, "invoke", "acme/f", "--token-file", file); c.exit != 0 {
		t.Errorf("by a file: %+v", c)
	}
	if c := d.as(ci, d.url, "tenant", "list"); c.exit != 5 || !strings.Contains(c.stderr, "scope admin") {
		t.Errorf("beyond its scopes: %+v", c)
	}
	var listed struct{ Tokens []map[string]any }
	c := d.as("", socket, "token", "list", "--json")
	if err := json.Unmarshal([]byte(c.stdout), &listed); err != nil || len(listed.Tokens) != 1 || listed.Tokens[0]["used"] == nil || strings.Contains(c.stdout, ci) {
		t.Errorf("%v: %+v", err, c)
	}
	if c := d.as("", socket, "token", "list"); !strings.Contains(c.stdout, "tenant-deploy, tenant-invoke of acme") {
		t.Errorf("listed %+v", c)
	}

	// They hold over a kill -9, and a revocation does at once.
	d.cmd.Process.Kill()
	d.wait()
	d = serveDaemon(t, "--data", data)
	if c := d.as(ci, d.url, "invoke", "acme/f"); c.exit != 0 {
		t.Errorf("after a restart: %+v", c)
	}
	if c := d.as("", d.url, "list"); c.exit != 5 {
		t.Errorf("without a token after a restart: %+v", c)
	}
	if c := d.as("", socket, "token", "revoke", "ci"); c.exit != 0 {
		t.Errorf("revoke: %+v", c)
	}
	if c := d.as(ci, d.url, "invoke", "acme/f"); c.exit != 5 || !strings.Contains(c.stderr, "revoked") {
		t.Errorf("with a revoked token: %+v", c)
	}
	if exit := d.end(); exit != 0 {
		t.Errorf("exit %d: %s", exit, d.stderr)
	}
	if _, err := os.Stat(filepath.Join(data, "admin.sock")); err == nil {
		t.Error("the admin socket is left behind")
	}
}

// A token of the configuration closes the API from the start.
func TestConfiguredAdminToken(t *testing.T) {
	token := strings.TrimSpace(supervise(t, "", "token", "generate").stdout)
	file := write(t, "admin.token", token+"\n")
	d := serveDaemon(t, "--data", t.TempDir(), "--config", write(t, "bulkhead.yaml", "auth: {admin_token_file: "+file+"}\n"))
	resp, err := http.Get(d.url + "/v1/tenants")
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != 401 {
		t.Errorf("without a token: %s", resp.Status)
	}
	if c := d.as(token, d.url, "tenant", "put", "acme"); c.exit != 0 {
		t.Errorf("with it: %+v", c)
	}
}
