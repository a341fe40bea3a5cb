package main

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// serveFunctions starts a daemon that serves functions, and returns where.
func serveFunctions(t *testing.T, config string) (*daemon, string) {
	t.Helper()
	args := []string{"--functions-listen", "127.0.0.1:0", "--data", t.TempDir()}
	if config != "" {
		args = append(args, "--config", write(t, "bulkhead.yaml", config))
	}
	d := serveDaemon(t, args...)
	return d, d.functions(t)
}

// send sends a request and returns the answer with its body.
func send(t *testing.T, method, url, body string, header ...string) (*http.Response, string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(header); i += 2 {
		if header[i] == "Host" {
			r.Host = header[i+1]
		}
		r.Header.Set(header[i], header[i+1])
	}
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer, string(text)
}

// A plain Workers module, with its variables and what it does after the answer.
func TestHTTPFunctions(t *testing.T) {
	d, url := serveFunctions(t, "functions: {hosts: {shop.example: acme/shop}, domain: functions.example}\n")
	d.ok("tenant", "put", "acme", "--policy", "dev")
	d.ok("env", "set", "acme", "GREETING=hello")
	shop := write(t, "shop.js", `export default {
		async fetch(request, env, ctx) {
			ctx.waitUntil(new Promise((done) => setTimeout(done, 5)).then(() => console.log('after')));
			const { pathname } = new URL(request.url);
			return new Response([env.GREETING, pathname, request.method, await request.text()].join(' '), { headers: [['set-cookie', 'a=1'], ['set-cookie', 'b=2']] });
		},
	}`)
	d.ok("deploy", "acme/shop", shop, "--public")
	for name, tt := range map[string]struct{ target, host string }{
		"path":   {url + "/acme/shop/cart", ""},
		"host":   {url + "/cart", "shop.example"},
		"domain": {url + "/cart", "shop--acme.functions.example"},
	} {
		header := []string{"Content-Type", "text/plain"}
		if tt.host != "" {
			header = append(header, "Host", tt.host)
		}
		answer, text := send(t, "POST", tt.target, "please", header...)
		if answer.StatusCode != 200 || text != "hello /cart POST please" || len(answer.Header["Set-Cookie"]) != 2 || answer.Header.Get("Bulkhead-Invocation") == "" || answer.Header.Get("Date") == "" {
			t.Errorf("%s: got %s %q %v", name, answer.Status, text, answer.Header)
		}
	}
	// It is public until the next deploy without the flag; with a token in the
	// supervisor, only its holder calls it then.
	d.ok("deploy", "acme/shop", shop)
	if answer, _ := send(t, "GET", url+"/acme/shop/", ""); answer.StatusCode != 200 {
		t.Errorf("on loopback without any token: %s", answer.Status)
	}
	var created struct{ Token string }
	if err := json.Unmarshal([]byte(d.ok("--json", "token", "create", "caller", "--tenant", "acme", "--scope", "tenant-invoke")), &created); err != nil {
		t.Fatal(err)
	}
	if answer, _ := send(t, "GET", url+"/acme/shop/", ""); answer.StatusCode != 401 {
		t.Errorf("without a token: %s", answer.Status)
	}
	if answer, text := send(t, "GET", url+"/acme/shop/", "", "Authorization", "Bearer "+created.Token); answer.StatusCode != 200 {
		t.Errorf("with a token: %s %s", answer.Status, text)
	}
	if code := d.end(); code != 0 {
		t.Fatalf("exit %d\n%s", code, d.stderr)
	}
}

// Frameworks' applications run as they are.
func TestHTTPFrameworks(t *testing.T) {
	if testing.Short() {
		t.Skip("it installs npm packages")
	}
	npm, err := exec.LookPath("npm")
	if err != nil {
		t.Skip("there is no npm: ", err)
	}
	dir := t.TempDir()
	if err := os.CopyFS(dir, os.DirFS("../../examples/hono")); err != nil {
		t.Fatal(err)
	}
	install := exec.Command(npm, "install", "--no-audit", "--no-fund", "--ignore-scripts", "--prefer-offline", "hono@4", "itty-router@5")
	install.Dir = dir
	if out, err := install.CombinedOutput(); err != nil {
		t.Skipf("npm cannot install hono and itty-router: %v\n%s", err, out)
	}
	itty := filepath.Join(dir, "itty.js")
	if err := os.WriteFile(itty, []byte(`import { AutoRouter } from 'itty-router';
		const router = AutoRouter();
		router.get('/hello/:name', ({ name }) => 'hello ' + name).get('/json', () => ({ a: 1 })).post('/echo', async (r) => r.text());
		export default router;`), 0o600); err != nil {
		t.Fatal(err)
	}
	d, url := serveFunctions(t, "")
	d.ok("tenant", "put", "acme", "--policy", "dev")
	d.ok("deploy", "acme/hono", dir, "--public", "--memory", "16MiB")
	d.ok("deploy", "acme/itty", itty, "--public")
	for _, tt := range []struct {
		method, path, body string
		status             int
		want               string
	}{
		{"GET", "/acme/hono/", "", 200, "^<h1>Notes"},
		{"POST", "/acme/hono/notes/7", `{"text":"milk"}`, 201, `{"id":"7","text":"milk"}`},
		{"POST", "/acme/hono/notes/7", `{}`, 400, "text is missing"},
		{"GET", "/acme/hono/count", "", 200, "data: 1\n\nevent: number\ndata: 2|data: 1"},
		{"GET", "/acme/hono/nowhere", "", 404, "."},
		{"GET", "/acme/itty/hello/Ada", "", 200, `hello Ada`},
		{"GET", "/acme/itty/json", "", 200, `{"a":1}`},
		{"POST", "/acme/itty/echo", "body", 200, "body"},
		{"GET", "/acme/itty/nowhere", "", 404, "."},
	} {
		answer, text := send(t, tt.method, url+tt.path, tt.body)
		if matched, _ := regexp.MatchString(tt.want, text); answer.StatusCode != tt.status || !matched {
			t.Errorf("%s %s: got %s %q", tt.method, tt.path, answer.Status, text)
		}
	}
}

// A body larger than any memory here passes through.
func TestHTTPFunctionsLargeBody(t *testing.T) {
	d, url := serveFunctions(t, "tiers: {default: {max_timeout: 5m}}\n")
	d.ok("tenant", "put", "acme")
	d.ok("deploy", "acme/echo", write(t, "echo.js", `export default { fetch: (r) => new Response(r.body) }`), "--public", "--timeout", "5m")
	const size = 24 << 20
	sent := bytes.Repeat([]byte("0123456789abcdef"), size/16)
	answer, err := http.Post(url+"/acme/echo/", "application/octet-stream", bytes.NewReader(sent))
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	got, err := io.ReadAll(answer.Body)
	if err != nil || !bytes.Equal(got, sent) {
		t.Fatalf("got %d bytes of %d, %v", len(got), size, err)
	}
}
