package tests

import (
	"bufio"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/bulkhead-run/bulkhead/tests/daemon"
)

// Whatever a tenant guesses of another's, each answer is the one that it gets
// for what nobody has.
func TestGuessesLearnNothing(t *testing.T) {
	key := filepath.Join(t.TempDir(), "key")
	if err := os.WriteFile(key, []byte(base64.StdEncoding.EncodeToString(make([]byte, 32))+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	d := daemon.Serve(t, daemon.Options{Config: "secrets: {key_file: " + key + "}\n"})
	// Names are as long as those that do not exist, so that answers can be
	// compared byte by byte.
	prepare(d, "victim", "private", `async () => {
		for (const k of ['private', 'privatf', 'privatg']) { await kv.put(k, 'VICTIM-DATA'); await storage.put(k, 'VICTIM-DATA') }
		await queue.send('private', 'VICTIM-DATA');
		return { kv: (await kv.list({ limit: 1 })).cursor, storage: (await storage.list({ limit: 1 })).cursor, secret: secrets.get('private'), env: env.get('private') };
	}`, "timeout=20s")
	for path, body := range map[string]string{
		"/v1/tenants/victim/secrets/private": `{"value":"VICTIM-DATA","hosts":["api.example.com"]}`,
		"/v1/tenants/victim/env":             `{"env":{"private":"VICTIM-DATA"}}`,
	} {
		if a, err := d.Do("PUT", path, "application/json", body); err != nil || a.Status >= 300 {
			t.Fatalf("%s: %d %s %v", path, a.Status, a.Body, err)
		}
	}
	var theirs struct{ KV, Storage, Secret, Env string }
	a, err := d.Invoke("victim", "private", "null")
	if err != nil || json.Unmarshal([]byte(a.Body), &theirs) != nil || theirs.KV == "" || theirs.Storage == "" || !strings.HasPrefix(theirs.Secret, "bh-secret-") || theirs.Env != "VICTIM-DATA" {
		t.Fatalf("the victim has %s, %v", a.Body, err)
	}

	prepare(d, "mallory", "guess", `async ({ name, cursors, placeholder }) => {
		const said = {};
		const ask = async (what, f) => { try { const v = await f(); said[what] = v === undefined ? 'undefined' : v } catch (e) { said[what] = [e.name, e.message, Object.entries(e)] } };
		await ask('kv.get', () => kv.get(name));
		await ask('kv.getWithVersion', () => kv.getWithVersion(name));
		await ask('kv.delete', () => kv.delete(name));
		await ask('kv.put', () => kv.put(name, 1, { ifVersion: 1 }));
		await ask('kv.list', () => kv.list({ prefix: name }));
		await ask('kv.list all', () => kv.list());
		await ask('kv.list cursor', () => kv.list({ cursor: cursors.kv }));
		await ask('storage.get', () => storage.get(name));
		await ask('storage.get path', () => storage.get('../victim/' + name));
		await ask('storage.head', () => storage.head(name));
		await ask('storage.delete', () => storage.delete(name));
		await ask('storage.list', () => storage.list({ prefix: name }));
		await ask('storage.list cursor', () => storage.list({ cursor: cursors.storage }));
		await ask('secrets.get', () => secrets.get(name));
		await ask('env.get', () => env.get(name));
		await ask('env.all', () => env.all());
		await ask('invoke', () => invoke(name));
		await ask('invoke path', () => invoke('victim/' + name));
		await ask('db', async () => await db_query("select name from sqlite_master"));
		await ask('header', () => fetch('https://127.0.0.1:9443/', { headers: { x: placeholder } }));
		return said;
	}`, "timeout=20s")
	guess := func(name, kv, storage, placeholder string) string {
		event, err := json.Marshal(map[string]any{"name": name, "placeholder": placeholder, "cursors": map[string]string{"kv": kv, "storage": storage}})
		if err != nil {
			t.Fatal(err)
		}
		a, err := d.Invoke("mallory", "guess", string(event))
		if err != nil || a.Status != 200 {
			t.Fatalf("%d %s %v", a.Status, a.Body, err)
		}
		if strings.Contains(a.Body, "VICTIM-DATA") {
			t.Errorf("it reads %s", a.Body)
		}
		return strings.ReplaceAll(a.Body, name, "NAME")
	}
	// Cursors of what mallory's own lists would have had, were there anything.
	absent := guess("nothing", "bm90aGluZw", "bm90aGluZw", "bh-secret-"+strings.Repeat("a", 32))
	present := guess("private", theirs.KV, theirs.Storage, theirs.Secret)
	if absent != present {
		t.Errorf("for what is another tenant's\n%s\nfor what is nobody's\n%s", present, absent)
	}
	for _, part := range []string{`"kv.get":"undefined"`, `"kv.delete":false`, `"secrets.get":["NotFoundError"`, `"invoke":["FunctionError"`, `"header":["PermissionError"`} {
		if !strings.Contains(present, part) {
			t.Errorf("%s is not in %s", part, present)
		}
	}
	// What mallory tried took nothing away.
	if a, err := d.Invoke("victim", "private", "null"); err != nil || a.Status != 200 || !strings.Contains(a.Body, theirs.KV) {
		t.Errorf("the victim then has %s, %v", a.Body, err)
	}
}

// rawRequest sends a request as it stands, and returns the answer's status and
// body.
func rawRequest(d *daemon.Daemon, text string) (int, string) {
	d.T.Helper()
	conn, err := net.Dial("tcp", strings.TrimPrefix(d.URL, "http://"))
	if err != nil {
		d.T.Fatal(err)
	}
	defer conn.Close()
	if _, err := conn.Write([]byte(text)); err != nil {
		d.T.Fatal(err)
	}
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		d.T.Fatalf("%.200q: %v", text, err)
	}
	defer resp.Body.Close()
	body := make([]byte, 4096)
	n, _ := resp.Body.Read(body)
	return resp.StatusCode, string(body[:n])
}

// Which tenant a request is for is said by its path alone, in one spelling.
func TestRequestsReachOneTenant(t *testing.T) {
	d := daemon.Serve(t, daemon.Options{})
	prepare(d, "victim", "f", `() => "victim"`, "timeout=20s")
	prepare(d, "mallory", "f", `(e) => ["mallory", e]`, "timeout=20s")
	const mine = "/v1/tenants/mallory/functions/f/invoke"
	const theirs = "/v1/tenants/victim/functions/f/invoke"
	for name, header := range map[string]string{
		"tenant":     "X-Tenant: victim\r\nX-Bulkhead-Tenant: victim\r\nBulkhead-Tenant: victim",
		"forwarded":  "X-Forwarded-For: 10.0.0.1\r\nX-Forwarded-Host: victim\r\nX-Forwarded-Prefix: " + theirs + "\r\nForwarded: host=victim",
		"original":   "X-Original-URL: " + theirs + "\r\nX-Rewrite-URL: " + theirs + "\r\nX-Original-URI: " + theirs,
		"override":   "X-HTTP-Method-Override: DELETE\r\nX-Method-Override: DELETE\r\nX-HTTP-Method: DELETE",
		"trace":      "traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01\r\ntracestate: tenant=victim\r\nbaggage: tenant=victim,function=private\r\nX-Request-Id: victim",
		"connection": "Connection: Content-Length, Host\r\nX-Tenant: victim",
	} {
		status, body := rawRequest(d, "POST "+mine+" HTTP/1.1\r\nHost: localhost\r\n"+header+"\r\nContent-Type: application/json\r\nContent-Length: 4\r\n\r\nnull")
		if status != 200 || body != `["mallory",null]` {
			t.Errorf("%s: %d %s", name, status, body)
		}
	}
	if status, body := rawRequest(d, "POST http://localhost"+mine+" HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n"); status != 200 || body != `["mallory",null]` {
		t.Errorf("a whole URL: %d %s", status, body)
	}
	// None of these is answered by a function, least of all by victim's.
	for _, target := range []string{
		"http://victim.example" + mine, "//victim/v1/tenants/mallory/functions/f/invoke", "/" + theirs, "/." + theirs, "/v1/./tenants/victim/functions/f/invoke",
		"/v1/tenants/mallory/../victim/functions/f/invoke", "/v1/tenants/mallory/%2e%2e/victim/functions/f/invoke", "/v1/tenants/mallory%2f..%2fvictim/functions/f/invoke",
		"/v1/tenants/mallory/functions/..%2f..%2fvictim%2ffunctions%2ff/invoke", "/v1/tenants/victim%2ffunctions%2ff/invoke", "/v1/tenants/victim%00/functions/f/invoke",
		"/v1/tenants/VICTIM/functions/f/invoke", "/v1/tenants/victim./functions/f/invoke", "/v1/tenants/victim%20/functions/f/invoke", "/v1/tenants/victim;x/functions/f/invoke",
		"/v1/tenants/victim/functions/f/invoke/", "/v1/tenants/victim/functions/f%0a/invoke", "/v1/tenants/vict%69m%ff/functions/f/invoke", "/v1/tenants/victim\\/functions/f/invoke", "*",
	} {
		status, body := rawRequest(d, "POST "+target+" HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
		if status < 300 || strings.Contains(body, `"victim"`) && !strings.Contains(body, "problems/") {
			t.Errorf("%s: %d %s", target, status, body)
		}
	}
	for _, request := range []string{
		"Host: localhost\r\nHost: victim.example\r\n", "Host: victim.example\r\n", "Host: localhost@victim.example\r\n", "", "Host: localhost\r\nContent-Length: 0\r\nContent-Length: 5\r\n",
		"Host: localhost\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n", "Host : localhost\r\n", "Host: localhost\r\nX\x00: y\r\n",
	} {
		if status, body := rawRequest(d, "POST "+theirs+" HTTP/1.1\r\n"+request+"Connection: close\r\n\r\n"); status < 400 {
			t.Errorf("%q: %d %s", request, status, body)
		}
	}
}

// What is no name makes nothing, whatever it is to be the name of.
func TestNamesThatAreNone(t *testing.T) {
	data := t.TempDir()
	d := daemon.Serve(t, daemon.Options{Data: data})
	prepare(d, "acme", "f", `async ([name]) => {
		const said = {};
		for (const [what, f] of Object.entries({ invoke: () => invoke(name), queue: () => queue.send(name, 1), secret: () => secrets.get(name), variable: () => env.get(name) }))
			try { said[what] = await f(); } catch (e) { said[what] = e.name }
		return said;
	}`, "timeout=20s")
	files := func() (names []string) {
		for _, sub := range []string{"db", "storage", "secrets", "env", "snapshots"} {
			found, err := filepath.Glob(filepath.Join(data, sub, "*"))
			if err != nil {
				t.Fatal(err)
			}
			names = append(names, found...)
		}
		return names
	}
	before := files()
	// As they are in a path, and as they are.
	names := map[string]string{
		"%2e%2e": "..", "%2e": ".", "a%2fb": "a/b", "..%2f..%2fetc": "../../etc", "%00": "\x00", "acme%00": "acme\x00", "CON": "CON", "Acme": "Acme",
		strings.Repeat("a", 300): strings.Repeat("a", 300), strings.Repeat("a", 64): strings.Repeat("a", 64),
		"%d0%b0cme": "\u0430cme", "caf%c3%a9": "caf\u00e9", "cafe%cc%81": "cafe\u0301", "-acme": "-acme", "%f0%9f%98%80": "\U0001f600",
		"%e2%80%aeacme": "\u202eacme", "a%20b": "a b", "a%0ab": "a\nb", "a.b": "a.b", "%2a": "*", "%3e": ">", "$SYS": "$SYS", "a%5cb": `a\b`, "%ff": "\xff", "a@b": "a@b",
	}
	for escaped, name := range names {
		for _, r := range [][3]string{
			{"/v1/tenants/" + escaped, "application/json", "{}"},
			{"/v1/tenants/acme/functions/" + escaped, "text/javascript", "() => 1"},
			{"/v1/tenants/" + escaped + "/functions/f", "text/javascript", "() => 1"},
			{"/v1/tenants/" + escaped + "/env", "application/json", `{"env":{"A":"b"}}`},
			{"/v1/tenants/acme/functions/" + escaped + "/env", "application/json", `{"env":{"A":"b"}}`},
			{"/v1/tenants/" + escaped + "/secrets/A", "application/json", `{"value":"x","hosts":["a.example"]}`},
		} {
			status, body := rawRequest(d, fmt.Sprintf("PUT %s HTTP/1.1\r\nHost: localhost\r\nContent-Type: %s\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%s", r[0], r[1], len(r[2]), r[2]))
			if status != 400 && status != 404 && status != 307 && status != 301 {
				t.Errorf("%s: %d %s", r[0], status, body)
			}
			if strings.ContainsAny(body, "\u202e\x00\r") {
				t.Errorf("%s: the name comes back as it is: %q", r[0], body)
			}
		}
		for _, path := range []string{"/v1/tenants/" + escaped, "/v1/tenants/acme/functions/" + escaped, "/v1/tenants/" + escaped + "/functions"} {
			status, body := rawRequest(d, "GET "+path+" HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
			if status < 300 || strings.ContainsAny(body, "\u202e\x00\r") || strings.Contains(body, "tenant put") {
				t.Errorf("%s: %d %q", path, status, body)
			}
		}
		event, err := json.Marshal([]string{strings.ToValidUTF8(name, "\ufffd")})
		if err != nil {
			t.Fatal(err)
		}
		a, err := d.Invoke("acme", "f", string(event))
		var said map[string]any
		if err != nil || json.Unmarshal([]byte(a.Body), &said) != nil || a.Status != 200 {
			t.Fatalf("%q: %s, %v", name, a.Body, err)
		}
		for what, v := range said {
			if what == "variable" && v == nil || v == "TypeError" || v == "NotFoundError" {
				continue
			}
			// Letters are in order where no tenant shares the names.
			if what == "queue" && (name == "CON" || name == "Acme" || name == "-acme") || what == "invoke" && v == "FunctionError" {
				continue
			}
			t.Errorf("%s %q: %v", what, name, v)
		}
	}
	a, err := d.Do("GET", "/v1/tenants", "application/json", "")
	if err != nil || strings.Count(a.Body, `"name"`) != 1 {
		t.Errorf("the tenants are %s, %v", a.Body, err)
	}
	if after := files(); !slices.Equal(before, after) {
		t.Errorf("files before %v, after %v", before, after)
	}
	if _, err := os.Stat(filepath.Join(data, "..", "etc")); err == nil {
		t.Error("something was made outside the data directory")
	}
}
