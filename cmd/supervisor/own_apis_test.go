package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/bulkhead-run/bulkhead/internal/child/childtest"
	"github.com/bulkhead-run/bulkhead/internal/outcome"
	"github.com/bulkhead-run/bulkhead/platform"
)

// ownExample copies examples/apis, builds its plugin, runs its HTTP endpoint,
// and returns the configuration's path.
func ownExample(t *testing.T) string {
	t.Helper()
	dir := filepath.Join(binaries, strings.ReplaceAll(t.Name(), "/", "-"))
	t.Cleanup(func() { os.RemoveAll(dir) })
	if err := os.CopyFS(dir, os.DirFS("../../examples/apis")); err != nil {
		t.Fatal(err)
	}
	build := exec.Command("go", "build", "-o", filepath.Join(dir, "plugins", "geo"), "../../examples/apis/plugin")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	build = exec.Command("go", "build", "-o", filepath.Join(dir, "crm"), "../../examples/apis/http")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	crm := exec.Command(filepath.Join(dir, "crm"), "-listen", "127.0.0.1:0")
	stdout, err := crm.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := crm.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		crm.Process.Kill()
		crm.Wait()
	})
	line, err := bufio.NewReader(stdout).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "bulkhead.yaml")
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	address := strings.TrimSpace(strings.TrimPrefix(line, "listening on "))
	text := strings.Replace(string(data), "127.0.0.1:9000", address, 1)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

const courierEvent = `{"email":"ada@example.com","from":{"lat":52.52,"lon":13.4},"to":{"lat":48.86,"lon":2.35}}`

func TestOwnAPIs(t *testing.T) {
	conf := ownExample(t)
	data := t.TempDir()
	d := serveDaemon(t, "--config", conf, "--data", data)
	d.ok("tenant", "put", "acme", "--policy", "partners")
	d.ok("tenant", "put", "mallory")
	courier := filepath.Join(filepath.Dir(conf), "courier.js")
	d.ok("deploy", "acme/courier", courier)
	d.ok("deploy", "mallory/courier", courier)

	if got := d.ok("invoke", "acme/courier", "--event", courierEvent); !strings.Contains(got, `"customer":"Ada"`) && !strings.Contains(got, `"customer": "Ada"`) || !strings.Contains(got, "877") {
		t.Errorf("got %s", got)
	}
	// Under policy, like any other.
	if c := d.run("invoke", "mallory/courier", "--event", courierEvent); c.exit != outcome.Policy.ExitCode() || !strings.Contains(c.stderr, "is denied by policy") {
		t.Errorf("exit %d: %s", c.exit, c.stderr)
	}
	for event, want := range map[string]string{
		strings.Replace(courierEvent, `"ada@example.com"`, `7`, 1):          "TypeError: arguments[0].email must be a string",
		strings.Replace(courierEvent, `"lat":52.52`, `"lat":"52"`, 1):       "TypeError: arguments[0].from.lat must be a number",
		strings.Replace(courierEvent, `"lat":52.52`, `"lat":152`, 1):        "RangeError: 152, 13.4 is not on the globe",
		strings.Replace(courierEvent, `ada@example.com`, `eve@nowhere`, 1):  "NotFoundError: no such customer",
		strings.Replace(courierEvent, `"lon":13.4`, `"lon":13.4,"up":1`, 1): "TypeError: arguments[0].from.up is not known",
	} {
		if c := d.run("invoke", "acme/courier", "--event", event); c.exit != outcome.Exception.ExitCode() || !strings.Contains(c.stderr, want) {
			t.Errorf("exit %d: %s, want %s", c.exit, c.stderr, want)
		}
	}
	for _, file := range []string{"audit"} {
		text := auditText(t, filepath.Join(data, file))
		if !strings.Contains(text, `"geo.distance"`) || !strings.Contains(text, `"crm.lookup"`) {
			t.Errorf("audit log: %s", text)
		}
	}

	// A plugin that dies in the middle of a call: the call fails in a way that
	// the function can tell, and the next one works.
	geo := pluginPID(t, conf)
	catcher := write(t, "catcher.js", `async (event) => {
		await kv.get("started").catch(() => {})
		try { return { km: (await geo.distance(event)).km } } catch (e) { return { name: e.name, retryable: e.retryable } }
	}`)
	d.ok("deploy", "acme/catcher", catcher, "--timeout", "20s")
	childtest.Stop(t, geo)
	ended := make(chan command, 1)
	go func() {
		ended <- supervise(t, "", "invoke", "acme/catcher", "--server", d.url, "--event", `{"from":{"lat":1,"lon":1},"to":{"lat":1,"lon":2}}`)
	}()
	// What is denied is recorded at once, and right before the call.
	eventually(t, "the call is about to be made", func() bool {
		return strings.Contains(auditText(t, filepath.Join(data, "audit")), `"kv.get"`)
	})
	if err := syscall.Kill(geo, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	if c := <-ended; !strings.Contains(c.stdout, "UnavailableError") || !strings.Contains(c.stdout, "true") {
		t.Errorf("got %+v", c)
	}
	eventually(t, "it works again", func() bool {
		return strings.Contains(d.ok("invoke", "acme/catcher", "--event", `{"from":{"lat":1,"lon":1},"to":{"lat":1,"lon":2}}`), "111")
	})
	if geo == pluginPID(t, conf) {
		t.Error("it is the same process")
	}

	if exit := d.end(); exit != 0 {
		t.Errorf("exit %d\n%s", exit, d.stderr)
	}
	if left := running(filepath.Join(filepath.Dir(conf), "plugins")); len(left) > 0 {
		t.Errorf("plugins left: %v", left)
	}
	log := strings.ReplaceAll(d.stderr.String(), "level=WARN msg=\"a layer of the sandboxes' lock-down is missing", "")
	if strings.Contains(log, "level=WARN") || strings.Contains(log, "level=ERROR") || !strings.Contains(log, "plugin=geo") {
		t.Errorf("log:\n%s", log)
	}
}

// A supervisor that is killed takes its plugins with it.
func TestPluginsEndWithAKilledSupervisor(t *testing.T) {
	conf := ownExample(t)
	d := serveDaemon(t, "--config", conf, "--data", t.TempDir())
	pluginPID(t, conf)
	d.cmd.Process.Kill()
	d.wait()
	if left := running(filepath.Join(filepath.Dir(conf), "plugins")); len(left) > 0 {
		t.Errorf("plugins left: %v", left)
	}
}

func auditText(t *testing.T, dir string) string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "*"))
	if err != nil {
		t.Fatal(err)
	}
	var text strings.Builder
	for _, file := range files {
		data, _ := os.ReadFile(file)
		text.Write(data)
	}
	return text.String()
}

// pluginPID returns the process of the example's plugin.
func pluginPID(t *testing.T, conf string) int {
	t.Helper()
	program := filepath.Join(filepath.Dir(conf), "plugins", "geo")
	links, _ := filepath.Glob("/proc/[0-9]*/exe")
	for _, link := range links {
		if exe, err := os.Readlink(link); err == nil && exe == program {
			pid, _ := strconv.Atoi(filepath.Base(filepath.Dir(link)))
			return pid
		}
	}
	t.Fatal("the plugin does not run")
	return 0
}

func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(30 * time.Second); !ok(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("never: %s", what)
		}
	}
}

func TestAPIsCommand(t *testing.T) {
	conf := ownExample(t)
	c := supervise(t, "", "apis", "--config", conf)
	if c.exit != 0 {
		t.Fatalf("exit %d: %s", c.exit, c.stderr)
	}
	for _, want := range []string{"fetch ", "built-in", "crm.lookup", "http ", "geo.distance", "plugin geo", "{km} between two places"} {
		if !strings.Contains(c.stdout, want) {
			t.Errorf("no %q in\n%s", want, c.stdout)
		}
	}
	c = supervise(t, "", "apis", "--config", conf, "--json")
	var doc struct{ APIs []apiDocument }
	if err := json.Unmarshal([]byte(c.stdout), &doc); err != nil {
		t.Fatalf("%v\n%s", err, c.stdout)
	}
	for _, api := range doc.APIs {
		schema := strings.ReplaceAll(string(api.Arguments), " ", "")
		if api.Name == "geo.distance" && !strings.Contains(schema, `"degreesnorth"`) || api.Name == "crm.lookup" && !strings.Contains(schema, `"email"`) {
			t.Errorf("%s: arguments %s", api.Name, api.Arguments)
		}
	}
	if c := supervise(t, "", "apis"); c.exit != 0 || strings.Contains(c.stdout, "geo") {
		t.Errorf("exit %d: %s%s", c.exit, c.stdout, c.stderr)
	}
}

func TestOwnAPIErrors(t *testing.T) {
	for text, want := range map[string]string{
		"apis: {http: [{url: 'http://h/'}]}":                                                              "c.yaml: apis.http[0]: the name is missing",
		"apis:\n  http:\n    - name: log\n      url: http://h/":                                           `c.yaml:3:1: apis.http[0]: there is an API named "log" already`,
		"apis:\n  http:\n    - {name: a.b, url: 'http://h/'}\n    - {name: a, url: 'http://h/'}":          `c.yaml:4:1: apis.http[1]: "a" and "a.b" exclude each other`,
		"apis: {http: [{name: JSON.x, url: 'http://h/'}]}":                                                "would replace JavaScript's own JSON",
		"apis: {http: [{name: a}]}":                                                                       "c.yaml:1:1: apis.http[0]: url is missing",
		"apis: {http: [{name: a, url: 'http://u:hunter2@h/'}]}":                                           "must not hold a user or password",
		"apis: {http: [{name: a, url: 'http://h/', arguments: {type: text}}]}":                            "the schema of the arguments",
		"apis: {http: [{name: a, url: 'http://h/', result: none.json}]}":                                  "cannot read the schema from",
		"apis: {http: [{name: a, url: 'http://h/', headers_from: {X-Key: none}}]}":                        "cannot read the header X-Key from",
		"apis: {http: [{name: a, url: 'http://h/', headers: {X-Key: a}, headers_from: {x-key: c.yaml}}]}": "is in headers and in headers_from",
		"apis: {http: [{name: a, url: 'http://h/', headers: {Host: a}}]}":                                 "the header Host is not for the configuration",
		"apis:\n  plugins: none":                                                                          "c.yaml:2:1: apis.plugins: cannot read the folder of plugins",
	} {
		path := write(t, "c.yaml", text)
		c, err := loadConfig(path)
		if err != nil {
			t.Errorf("%q: %v", text, err)
			continue
		}
		c.DatabaseBin = filepath.Join(binaries, "database")
		builtin, err := openAPIs(t.Context(), c, t.TempDir(), nil, nil, slog.New(slog.DiscardHandler))
		if err != nil {
			t.Fatal(err)
		}
		own, err := openOwnAPIs(t.Context(), c, builtin.list, nil)
		if err == nil {
			own.Close()
		}
		builtin.Close()
		problems := ""
		for _, p := range describe(err).Problems {
			problems += p.String() + "\n"
		}
		if err == nil || outcome.Of(err) != outcome.Invalid || !strings.Contains(problems, want) || strings.Contains(problems, "hunter2") {
			t.Errorf("%q:\n got %s\nwant %s", text, problems, want)
		}
	}
	for text, want := range map[string]string{
		"apis: {htp: []}":                        `c.yaml:1:1: unknown key "htp"`,
		"apis:\n  http:\n  - nam: x":             `c.yaml:3:1: unknown key "nam"`,
		"apis: {http: [{arguments: [1]}]}":       "c.yaml:1:1: a schema is a mapping, or the name of a file",
		"apis: {http: [{arguments: {a: .nan}}]}": "c.yaml:1:1: the schema has no JSON form",
		"apis: {http: [{name: [a]}]}":            "c.yaml:1:1: it must be text",
		"apis: {http: [{max_response: 0}]}":      "is not a size above 0",
	} {
		_, err := parseConfig("c.yaml", []byte(text))
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %s", text, err, want)
		}
	}
}

// A schema and a header's value may lie in files beside the configuration.
func TestEndpointFromFiles(t *testing.T) {
	var token string
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		token = r.Header.Get("Authorization")
		io.WriteString(w, `"ok"`)
	}))
	defer server.Close()
	path := write(t, "c.yaml", fmt.Sprintf(
		"apis: {http: [{name: a, url: %s, arguments: args.json, result: {type: string}, headers_from: {Authorization: token}}]}", server.URL))
	for name, text := range map[string]string{"args.json": `{"maxItems": 0}`, "token": "Bearer hunter2\n"} {
		if err := os.WriteFile(filepath.Join(filepath.Dir(path), name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	c, err := loadConfig(path)
	if err != nil {
		t.Fatal(err)
	}
	own, err := openOwnAPIs(t.Context(), c, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer own.Close()
	api := own.list[0]
	if err := api.Schema.CheckArguments([]json.RawMessage{json.RawMessage("1")}); err == nil {
		t.Error("the schema does not hold")
	}
	if v, err := api.Func(t.Context(), noCall()); err != nil || string(v.(json.RawMessage)) != `"ok"` || token != "Bearer hunter2" {
		t.Errorf("got %s, %v with %q", v, err, token)
	}
}

func noCall() *platform.Call { return &platform.Call{Tenant: "acme", Function: "f", Invocation: "i"} }
