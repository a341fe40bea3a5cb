package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// devRun is a running `supervisor dev --json`.
type devRun struct {
	t      *testing.T
	cmd    *exec.Cmd
	stderr *buffer
	url    string
	http   string // where functions answer HTTP requests
	events chan devEvent
}

func startDev(t *testing.T, dir string, args ...string) *devRun {
	t.Helper()
	cmd, stderr := start(t, "", append([]string{"dev", dir, "--json"}, args...)...)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	r := &devRun{t: t, cmd: cmd, stderr: stderr, events: make(chan devEvent, 1000)}
	go func() {
		defer close(r.events)
		lines := bufio.NewScanner(out)
		for lines.Scan() {
			var e devEvent
			if err := json.Unmarshal(lines.Bytes(), &e); err != nil {
				t.Errorf("%v: %s", err, lines.Bytes())
				return
			}
			r.events <- e
		}
	}()
	t.Cleanup(func() {
		cmd.Process.Kill()
		cmd.Wait()
	})
	ready := r.wait("ready")
	r.url, r.http = ready.URL, ready.HTTP
	return r
}

// wait returns the next event of a type.
func (r *devRun) wait(kind string) devEvent {
	r.t.Helper()
	late := time.After(time.Minute)
	for {
		select {
		case e, ok := <-r.events:
			if !ok {
				r.t.Fatalf("dev ended before %s:\n%s", kind, r.stderr)
			}
			if e.Type == kind {
				return e
			}
		case <-late:
			r.t.Fatalf("no %s\n%s", kind, r.stderr)
		}
	}
}

func (r *devRun) invoke(function, event string) string {
	r.t.Helper()
	response, err := http.Post(r.url+"/v1/tenants/local/functions/"+function+"/invoke", "application/json", strings.NewReader(event))
	if err != nil {
		r.t.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		r.t.Fatal(err)
	}
	return string(bytes.TrimSpace(body))
}

// end interrupts it, and returns the exit code.
func (r *devRun) end() int {
	r.t.Helper()
	r.cmd.Process.Signal(syscall.SIGINT)
	for range r.events {
	}
	r.cmd.Wait()
	return r.cmd.ProcessState.ExitCode()
}

func save(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

// replace saves a file as many editors do: by another one in its place.
func replace(t *testing.T, path, text string) {
	t.Helper()
	save(t, path+"~", text)
	if err := os.Rename(path+"~", path); err != nil {
		t.Fatal(err)
	}
}

func TestDev(t *testing.T) {
	dir := project(t, map[string]string{
		"bulkhead.yaml": "policy: data\nenv: {REGION: eu}\n",
		"hello.ts":      "import { twice } from './lib/twice';\nexport default async (e: { n: number }) => {\n  console.log('n is', e.n);\n  if (e.n < 0) throw new RangeError('below zero');\n  await kv.put('n', e.n);\n  return [twice(e.n), env.get('REGION')];\n}\n",
		"lib/twice.ts":  "export const twice = (n: number): number => 2 * n;\n",
		"hello.test.ts": "no function",
		"kept.js":       "async () => kv.get('n')",
	})
	r := startDev(t, dir)
	if got := r.invoke("hello", `{"n":4}`); got != `[8,"eu"]` {
		t.Errorf("got %s", got)
	}
	if e := r.wait("log"); e.Message != "n is 4" || e.Function != "hello" {
		t.Errorf("log %+v", e)
	}
	if e := r.wait("invocation"); e.Receipt == nil || e.Receipt.Outcome != "ok" || e.Receipt.Memory == 0 || len(e.Receipt.Calls) != 2 || e.Receipt.Calls[0].API != "kv.put" || e.MS == 0 {
		t.Errorf("invocation %+v", e)
	}

	// What throws names the line of the source.
	r.invoke("hello", `{"n":-1}`)
	if e := r.wait("invocation"); e.Error == nil || e.Error.Exception == nil || !strings.Contains(e.Error.Exception.Stack, "hello.ts:4:") {
		t.Errorf("invocation %+v", e)
	}

	// A file that is imported changes; then it is broken, and the old version stays.
	replace(t, filepath.Join(dir, "lib/twice.ts"), "export const twice = (n: number): number => 200 * n;\n")
	if e := r.wait("reloaded"); e.Function != "hello" {
		t.Errorf("reloaded %+v", e)
	}
	if got := r.invoke("hello", `{"n":4}`); got != `[800,"eu"]` {
		t.Errorf("after a save: %s", got)
	}
	save(t, filepath.Join(dir, "lib/twice.ts"), "export const twice = (n: number) => ;\n")
	if e := r.wait("failed"); e.Error == nil || len(e.Error.Problems) != 1 || e.Error.Problems[0].File != "lib/twice.ts" || e.Error.Problems[0].Line != 1 || e.Error.Problems[0].Excerpt == "" {
		t.Errorf("failed %+v", e.Error)
	}
	if got := r.invoke("hello", `{"n":5}`); got != `[1000,"eu"]` {
		t.Errorf("after a failed build: %s", got)
	}
	save(t, filepath.Join(dir, "lib/twice.ts"), "export const twice = (n: number): number => 3 * n;\n")
	r.wait("reloaded")

	// The project file: one that is wrong changes nothing; one that is right does.
	save(t, filepath.Join(dir, "bulkhead.yaml"), "polizy: data\n")
	if e := r.wait("failed"); e.Error == nil || len(e.Error.Problems) != 1 || e.Error.Problems[0].Line != 1 || !strings.Contains(e.Error.Problems[0].Reason, `unknown key "polizy"`) {
		t.Errorf("failed %+v", e.Error)
	}
	if got := r.invoke("hello", `{"n":7}`); got != `[21,"eu"]` {
		t.Errorf("after a wrong project file: %s", got)
	}
	save(t, filepath.Join(dir, "bulkhead.yaml"), "policy: compute\n")
	for deadline := time.Now().Add(20 * time.Second); !strings.Contains(r.invoke("kept", "null"), "PermissionError"); {
		if time.Now().After(deadline) {
			t.Fatal("the policy did not change")
		}
	}
	if e := r.wait("verdict"); !strings.Contains(string(e.Verdict), `"kv.get"`) || !strings.Contains(e.Remedy, "policy: data") || !strings.Contains(e.Remedy, "policy explain compute kv.get key=n") {
		t.Errorf("verdict %s, %s", e.Verdict, e.Remedy)
	}

	// Functions come and go.
	save(t, filepath.Join(dir, "hungry.js"), "(n) => new Uint8Array(n).fill(1).length")
	if e := r.wait("reloaded"); e.Function != "hungry" {
		t.Errorf("reloaded %+v", e)
	}
	if got := r.invoke("hungry", "3000000"); got != "3000000" {
		t.Errorf("got %s", got)
	}
	if e := r.wait("warning"); e.Function != "hungry" || !strings.Contains(e.Message, "5.0 MiB of memory") {
		t.Errorf("warning %+v", e)
	}
	if err := os.Remove(filepath.Join(dir, "hungry.js")); err != nil {
		t.Fatal(err)
	}
	if e := r.wait("removed"); e.Function != "hungry" {
		t.Errorf("removed %+v", e)
	}
	if code := r.end(); code != 0 {
		t.Errorf("exit %d: %s", code, r.stderr)
	}
	if ignore, err := os.ReadFile(filepath.Join(dir, ".bulkhead", ".gitignore")); err != nil || !strings.Contains(string(ignore), "*") {
		t.Errorf("%q, %v", ignore, err)
	}

	// What functions stored is there the next time, and so is the port.
	url := r.url
	r = startDev(t, dir, "--policy", "data")
	if got := r.invoke("kept", "null"); got != "7" {
		t.Errorf("the next time: %s", got)
	}
	if r.url != url {
		t.Errorf("%s, before %s", r.url, url)
	}
	r.end()
}

// Production's limits and policies hold with --tier and --config.
func TestDevTier(t *testing.T) {
	conf := write(t, "serve.yaml", "tiers: {small: {max_timeout: 50ms, max_memory: 2MiB}}\n")
	dir := project(t, map[string]string{
		"bulkhead.yaml": "functions:\n  spin: {path: spin.js}\n  big: {path: spin.js, memory: 8MiB}\n",
		"spin.js":       "() => { for (;;); }",
	})
	cmd, _ := start(t, "", "dev", dir, "--json", "--config", conf, "--tier", "none")
	if out, err := cmd.Output(); err == nil || !strings.Contains(string(out), `there is no tier`) || cmd.ProcessState.ExitCode() != 2 {
		t.Errorf("%v: %s", err, out)
	}
	r := startDev(t, dir, "--config", conf, "--tier", "small")
	if got := r.invoke("spin", "null"); !strings.Contains(got, "its timeout of 50ms") {
		t.Errorf("got %s", got)
	}
	if got := r.invoke("big", "null"); !strings.Contains(got, "not-found") {
		t.Errorf("a function over the tier's memory: %s", got)
	}
	r.end()
}

func TestProjectFile(t *testing.T) {
	for text, want := range map[string]string{
		"functions: {a: {}}\n":                                "bulkhead.yaml:1:13: functions.a: path is missing",
		"functions:\n  A_b: {path: f.js}\n":                   "bulkhead.yaml:2:3: functions.A_b: a name is",
		"functions:\n  a:\n    path: none.js\n":               "bulkhead.yaml:3:5: functions.a.path: there is no none.js",
		"functions:\n  a: {path: /etc/passwd}\n":              "functions.a.path",
		"functions:\n  a: {path: f.js, memory: much}\n":       `bulkhead.yaml:2:1: "much" is not a size`,
		"functions:\n  a: {path: f.js, timeout: -1s}\n":       "is not a duration above 0",
		"functions:\n  a: {path: f.js, isolation: cold}\n":    `"cold" is neither fresh nor warm`,
		"functions:\n  a: {path: f.js, concurrency: -1}\n":    "-1 is not above 0",
		"functions:\n  a: {path: f.js, tiemout: 1s}\n":        `unknown key "tiemout"`,
		"secrets:\n  KEY: {}\n":                               "bulkhead.yaml:2:3: secrets.KEY: name the hosts",
		"secrets:\n  KEY: {host: a}\n":                        `unknown key "host"`,
		"env: [1]\n":                                          "bulkhead.yaml:1:1:",
		"policy: a\n---\npolicy: b\n":                         "more than one document",
		"listen: 127.0.0.1:1\nspares: 2\n":                    "this is a configuration of serve",
		"policy: [\n":                                         "bulkhead.yaml:",
		"tests: {timeout: 10}\n":                              `"10" is not a duration`,
		"secrets_file: nope.env\nsecrets: {KEY: a.example}\n": "cannot read",
	} {
		dir := project(t, map[string]string{"bulkhead.yaml": text, "f.js": "() => 1", "f.test.js": "import 'bulkhead:test'"})
		c := supervise(t, "", "test", dir, "--real")
		if c.exit != 2 || !strings.Contains(c.stderr, want) {
			t.Errorf("%q: exit %d\n%s%s", text, c.exit, c.stdout, c.stderr)
		}
	}
}

// Functions answer HTTP requests in dev, with their static files, and a saved
// file is answered at once.
func TestDevAssets(t *testing.T) {
	dir := writeDir(t, map[string]string{
		"bulkhead.yaml":     "functions: {site: {path: site.js, assets: public}}\n",
		"site.js":           "export default { fetch: (r) => new Response('function ' + new URL(r.url).pathname) }",
		"public/index.html": "<p>one",
	})
	r := startDev(t, dir)
	get := func(at, want string) {
		t.Helper()
		if answer, text := send(t, "GET", r.http+"/local/site"+at, ""); text != want {
			t.Errorf("%s: got %s %q; want %q", at, answer.Status, text, want)
		}
	}
	get("/", "<p>one")
	get("/cart", "function /cart")
	save(t, filepath.Join(dir, "public", "index.html"), "<p>two")
	r.wait("reloaded")
	get("/", "<p>two")
	if err := os.Mkdir(filepath.Join(dir, "public", "css"), 0o700); err != nil {
		t.Fatal(err)
	}
	save(t, filepath.Join(dir, "public", "late.txt"), "late") // the folder is known when this is
	r.wait("reloaded")
	save(t, filepath.Join(dir, "public", "css", "a.css"), "a{}")
	r.wait("reloaded")
	get("/css/a.css", "a{}")
	if err := os.Symlink("/etc/hostname", filepath.Join(dir, "public", "out")); err != nil {
		t.Fatal(err)
	}
	if e := r.wait("failed"); e.Error == nil || len(e.Error.Problems) != 1 || !strings.Contains(e.Error.Problems[0].Reason, `"out" cannot be read`) {
		t.Errorf("failed %+v", e.Error)
	}
	get("/", "<p>two")
	if code := r.end(); code != 0 {
		t.Errorf("exit %d: %s", code, r.stderr)
	}
}
