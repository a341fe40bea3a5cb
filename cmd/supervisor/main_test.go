package main

import (
	"encoding/json"
	"fmt"
	"net"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"
)

const exampleDir = "../../examples/"

func TestRunExitCodes(t *testing.T) {
	echo := write(t, "Echo Me.js", "(e) => { console.log('seen', e); return e }")
	for _, c := range []struct {
		name, stdin    string
		args           []string
		exit           int
		stdout, stderr string // stdout whole, stderr a part
	}{
		{"result", "", []string{echo, "--event", `{"a":[1]}`}, 0, "{\"a\":[1]}\n", "[LOG] seen"},
		{"no event", "", []string{echo}, 0, "null\n", ""},
		{"code from stdin", "() => 7", []string{"-"}, 0, "7\n", ""},
		{"event from stdin", "[3]", []string{echo, "--event", "-"}, 0, "[3]\n", ""},
		{"event from a file", "", []string{"--event=@" + write(t, "e.json", "[4]"), echo}, 0, "[4]\n", ""},
		{"threw", "() => { throw new RangeError('no', { cause: new Error('root') }) }", []string{"-"}, 1, "", "RangeError: no"},
		{"bad code", "({", []string{"-"}, 2, "", "code:"},
		{"bad event", "", []string{echo, "--event", "{"}, 2, "", "not valid JSON"},
		{"timeout", "", []string{exampleDir + "endless-loop.js", "--timeout", "200ms"}, 3, "", "200ms"},
		{"memory", "", []string{exampleDir + "memory-hog.js"}, 4, "", "5MiB"},
		{"denied", "", []string{exampleDir + "outsider.js"}, 5, "", "db_query"},
		{"allowed", "async () => db_query('SELECT 1 AS one')", []string{"-", "--policy", "data"}, 0, "[{\"one\":1}]\n", ""},
		{"transaction", "async () => { await db.exec('CREATE TABLE t (a)'); await db.transaction((tx) => tx.exec('INSERT INTO t VALUES (?)', [9007199254740993n]));" +
			"await db.transaction(async (tx) => { await tx.exec('DELETE FROM t'); throw 1 }).catch(() => 0); return String((await db.query('SELECT a FROM t'))[0].a) }",
			[]string{"-", "--policy", "data"}, 0, "\"9007199254740993\"\n", ""},
		{"nested", "async () => db.transaction(() => db.batch(['SELECT 1 AS n'])).catch((e) => e.code)",
			[]string{"-", "--policy", "data"}, 0, "\"transaction\"\n", ""},
		{"policy file", "async () => db_query('SELECT 1 AS one')", []string{"-", "--policy", write(t, "p.yaml", "version: 1\nname: p\nrules: [{api: db_query, action: allow}]")}, 0, "[{\"one\":1}]\n", ""},
		{"bad policy file", "", []string{echo, "--policy", write(t, "p.yaml", "version: 1\nname: p\nruels: []")}, 2, "", "ruels"},
		{"no such policy", "", []string{echo, "--policy", "cmopute"}, 2, "", "compute"},
		{"no such file", "", []string{"nowhere.js"}, 2, "", "cannot read nowhere.js"},
		{"no file", "", nil, 2, "", "missing PATH"},
		{"two files", "", []string{echo, echo}, 2, "", "unexpected argument"},
		{"both from stdin", "", []string{"-", "--event", "-"}, 2, "", "standard input"},
		{"bad memory", "", []string{echo, "--memory", "lots"}, 2, "", "--memory"},
		{"bad timeout", "", []string{echo, "--timeout", "5"}, 2, "", "--timeout"},
		{"bad flag", "", []string{echo, "--memroy", "5MiB"}, 2, "", "did you mean --memory?"},
		{"no sandbox", "", []string{echo, "--sandbox-bin", "/nowhere/sandbox"}, 2, "", "/nowhere/sandbox"},
		{"wrong sandbox", "", []string{echo, "--sandbox-bin", "/bin/true"}, 2, "", "/bin/true"},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := supervise(t, c.stdin, append([]string{"run"}, c.args...)...)
			if got.exit != c.exit || got.stdout != c.stdout || !strings.Contains(got.stderr, c.stderr) {
				t.Errorf("exit %d, want %d\nstdout %q, want %q\nstderr %s, want a part %q", got.exit, c.exit, got.stdout, c.stdout, got.stderr, c.stderr)
			}
			if c.exit != 0 && strings.Count(got.stderr, "error:") != 1 {
				t.Errorf("not one message: %s", got.stderr)
			}
		})
	}
}

func TestRunJSON(t *testing.T) {
	got := supervise(t, "(e) => { log('x'); return 5 }", "run", "-", "--json")
	var r struct {
		Invocation, Start string
		Value             int
		Logs              []struct{ Message string }
	}
	if err := json.Unmarshal([]byte(got.stdout), &r); err != nil || got.stderr != "" {
		t.Fatalf("%v: %+v", err, got)
	}
	if r.Invocation == "" || r.Start != "cold" || r.Value != 5 || len(r.Logs) != 1 || r.Logs[0].Message != "x" {
		t.Errorf("%+v", r)
	}
	got = supervise(t, "() => { log('x'); throw new TypeError('bad') }", "--json", "run", "-")
	var f struct {
		Error struct {
			Kind, Detail string
			Exception    struct{ Name string }
		}
		Invocation struct{ Logs []struct{ Message string } }
	}
	if err := json.Unmarshal([]byte(got.stdout), &f); err != nil || got.stderr != "" || got.exit != 1 {
		t.Fatalf("%v: %+v", err, got)
	}
	if f.Error.Kind != "function-error" || f.Error.Exception.Name != "TypeError" || len(f.Invocation.Logs) != 1 {
		t.Errorf("%+v", f)
	}
}

func TestUsage(t *testing.T) {
	for _, c := range []struct {
		args   string
		exit   int
		stdout string
		stderr string
	}{
		{"", 0, "COMMANDS", ""},
		{"--help", 0, "COMMANDS", ""},
		{"run --help", 0, "--event", ""},
		{"tenant", 0, "put", ""},
		{"version", 0, "bulkhead supervisor", ""},
		{"version --json", 0, `"version"`, ""},
		{"depoly a/b f", 2, "", `did you mean "deploy"?`},
		{"tenant lsit", 2, "", `did you mean "list"?`},
		{"help nope", 2, "", "nope"},
		{"deploy a f.js", 2, "", "TENANT/FUNCTION"},
		{"invoke a/b/c", 2, "", "TENANT/FUNCTION"},
		{"list --server nowhere", 2, "", "not the address"},
		{"completion tcsh", 2, "", "bash, zsh and fish"},
		{"serve extra", 2, "", "unexpected argument"},
		{"serve --log-level loud", 2, "", "--log-level"},
		{"serve --config /nowhere.yaml", 2, "", "/nowhere.yaml"},
		{"serve --listen 0.0.0.0:0", 2, "", "--plain-http"},
		{"serve --data /proc/nowhere", 2, "", "/proc/nowhere"},
	} {
		got := supervise(t, "", strings.Fields(c.args)...)
		if got.exit != c.exit || !strings.Contains(got.stdout, c.stdout) || !strings.Contains(got.stderr, c.stderr) || (c.exit != 0) != (got.stderr != "") {
			t.Errorf("%q: exit %d\nstdout %s\nstderr %s", c.args, got.exit, got.stdout, got.stderr)
		}
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := ln.Addr().String()
	ln.Close()
	got := supervise(t, "", "list", "--server", "http://"+addr)
	if got.exit != 6 || !strings.Contains(got.stderr, addr) || !strings.Contains(got.stderr, "supervisor serve") {
		t.Errorf("%+v", got)
	}
}

func TestServe(t *testing.T) {
	data := t.TempDir()
	d := serveDaemon(t, "--data", data)
	echo := write(t, "echo.js", "(e) => { console.warn('careful'); return { e } }")

	if c := d.run("deploy", "acme/echo", echo); c.exit != 2 || !strings.Contains(c.stderr, "acme") {
		t.Errorf("deploy for no tenant: %+v", c)
	}
	if got := d.ok("tenant", "put", "acme"); got != "tenant acme: policy compute, tier default\n" {
		t.Errorf("%q", got)
	}
	if c := d.run("tenant", "put", "Acme!"); c.exit != 2 || !strings.Contains(c.stderr, "name") {
		t.Errorf("bad name: %+v", c)
	}
	if got := d.ok("deploy", "acme/echo", echo, "--memory", "6MiB", "--concurrency=2"); !strings.HasPrefix(got, "deployed acme/echo, version ") {
		t.Errorf("%q", got)
	}
	if c := d.run("deploy", "acme/echo", write(t, "bad.js", "({")); c.exit != 2 || !strings.Contains(c.stderr, "code:") {
		t.Errorf("bad code: %+v", c)
	}
	for _, list := range []string{d.ok("list"), d.ok("list", "acme")} {
		if !strings.Contains(list, "acme/echo") || !strings.Contains(list, "6MiB") {
			t.Errorf("%s", list)
		}
	}
	if got := d.ok("tenant", "list"); !strings.Contains(got, "acme") {
		t.Errorf("%s", got)
	}
	var listed struct {
		Functions []struct {
			Tenant, Function, Timeout string
			Memory                    int
		}
	}
	if err := json.Unmarshal([]byte(d.ok("list", "--json")), &listed); err != nil || len(listed.Functions) != 1 ||
		listed.Functions[0].Memory != 6<<20 || listed.Functions[0].Timeout != "5s" {
		t.Errorf("%v %+v", err, listed)
	}
	c := d.run("invoke", "acme/echo", "--event", "[1]")
	if c.exit != 0 || c.stdout != "{\"e\":[1]}\n" || c.stderr != "[WARN] careful\n" {
		t.Errorf("%+v", c)
	}
	if c := d.run("invoke", "acme/none"); c.exit != 2 || !strings.Contains(c.stderr, "acme/none") {
		t.Errorf("%+v", c)
	}
	for function, exit := range map[string]int{"endless-loop": 3, "memory-hog": 4, "outsider": 5} {
		d.ok("deploy", "acme/"+function, exampleDir+function+".js", "--timeout", "2s")
		if c := d.run("invoke", "acme/"+function); c.exit != exit {
			t.Errorf("%s: %+v", function, c)
		}
	}
	if got := d.ok("delete", "acme/memory-hog"); got != "deleted acme/memory-hog\n" {
		t.Errorf("%q", got)
	}
	if c := d.run("delete", "acme/memory-hog"); c.exit != 2 {
		t.Errorf("%+v", c)
	}

	// The port and the data directory are taken.
	if c := supervise(t, "", "serve", "--listen", strings.TrimPrefix(d.url, "http://"), "--data", t.TempDir()); c.exit != 2 || !strings.Contains(c.stderr, "in use") {
		t.Errorf("port in use: %+v", c)
	}
	if c := supervise(t, "", "serve", "--listen", "127.0.0.1:0", "--data", data); c.exit != 2 || !strings.Contains(c.stderr, "in use") || !strings.Contains(c.stderr, data) {
		t.Errorf("data directory in use: %+v", c)
	}

	if exit := d.end(); exit != 0 {
		t.Errorf("exit %d after SIGTERM\n%s", exit, d.stderr)
	}
	d = serveDaemon(t, "--data", data)
	if c := d.run("invoke", "acme/echo"); c.exit != 0 || c.stdout != "{\"e\":null}\n" {
		t.Errorf("after a restart: %+v", c)
	}
	if exit := d.end(); exit != 0 {
		t.Errorf("exit %d\n%s", exit, d.stderr)
	}
}

func TestDrain(t *testing.T) {
	arrived, release := make(chan struct{}), make(chan struct{})
	gate := gateServer(t, arrived, release)
	d := serveDaemon(t, "--data", t.TempDir())
	d.ok("tenant", "put", "acme", "--policy", "dev")
	d.ok("deploy", "acme/wait", write(t, "wait.js", "async (e) => (await fetch(e)).status"), "--timeout", "30s")

	answered := make(chan command, 1)
	go func() { answered <- d.run("invoke", "acme/wait", "--event", fmt.Sprintf("%q", gate)) }()
	<-arrived
	d.cmd.Process.Signal(syscall.SIGTERM)
	// What comes now is refused.
	for deadline := time.Now().Add(20 * time.Second); ; {
		c := d.run("invoke", "acme/wait", "--event", fmt.Sprintf("%q", gate+"/again"))
		if c.exit == 6 && strings.Contains(c.stderr, "shutting down") {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("%+v", c)
		}
	}
	close(release)
	if c := <-answered; c.exit != 0 || c.stdout != "200\n" {
		t.Errorf("in flight: %+v", c)
	}
	if exit := d.wait(); exit != 0 {
		t.Errorf("exit %d\n%s", exit, d.stderr)
	}
}

func TestSecondSignalEndsAtOnce(t *testing.T) {
	arrived, release := make(chan struct{}), make(chan struct{})
	defer close(release)
	gate := gateServer(t, arrived, release)
	d := serveDaemon(t, "--data", t.TempDir(), "--drain-timeout", "10m")
	d.ok("tenant", "put", "acme", "--policy", "dev")
	d.ok("deploy", "acme/wait", write(t, "wait.js", "async (e) => (await fetch(e)).status"), "--timeout", "30s")
	answered := make(chan command, 1)
	go func() { answered <- d.run("invoke", "acme/wait", "--event", fmt.Sprintf("%q", gate)) }()
	<-arrived
	d.cmd.Process.Signal(syscall.SIGTERM)
	for deadline := time.Now().Add(20 * time.Second); ; {
		if c := d.run("invoke", "acme/none"); c.exit == 6 {
			break // it drains, so the second signal is a second one
		} else if time.Now().After(deadline) {
			t.Fatalf("%+v", c)
		}
	}
	d.cmd.Process.Signal(syscall.SIGTERM)
	d.wait()
	if c := <-answered; c.exit == 0 {
		t.Errorf("%+v", c)
	}
}

func TestDemo(t *testing.T) {
	temporary := t.TempDir()
	cmd, stderr := start(t, "", "demo")
	cmd.Env = append(cmd.Env, "TMPDIR="+temporary)
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v\n%s\n%s", err, out, stderr)
	}
	at := 0
	for _, want := range []string{
		"✓ Deployed tenant-a:process-webhook\n", "✓ Deployed tenant-b:user-lookup\n",
		">> Cold start: tenant-a:process-webhook", "  [LOG] Processing webhook for tenant A\n", `  Result: {"data":"order 1 is paid","status":200}`,
		"-> Reusing: tenant-a:process-webhook", `  Result: {"data":"order 2 is paid","status":200}`,
		">> Cold start: tenant-b:user-lookup", "  [LOG] Looking up users for tenant B\n", `  Result: [{"id":1,"name":"Alice"}]`,
		"ended at its deadline", "ended at its cap", "Denied API refused", "kept answering", "✓ Demo passed",
	} {
		i := strings.Index(string(out)[at:], want)
		if i < 0 {
			t.Fatalf("no %q in\n%s", want, out[at:])
		}
		at += i
	}
	left, err := os.ReadDir(temporary)
	if err != nil || len(left) > 0 {
		t.Errorf("left behind: %v %v", left, err)
	}
}
