package main

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const cart = `export default async (event) => {
	const before = (await kv.get('cart:' + event.id)) ?? [];
	await kv.put('cart:' + event.id, [...before, event.add]);
	await storage.put('receipts/' + event.id, 'one ' + event.add);
	await queue.send('mail', { to: event.id });
	if (event.fail) throw new RangeError('no ' + event.fail);
	return { region: env.get('REGION'), items: await kv.get('cart:' + event.id), receipt: await (await storage.get('receipts/' + event.id)).text() };
}`

// run has every platform API, and leaves nothing behind.
func TestRunStores(t *testing.T) {
	path := write(t, "cart.js", cart)
	for range 2 {
		c := supervise(t, "", "run", path, "--policy", "data", "--env", "REGION=eu,us", "--event", `{"id":1,"add":"tea"}`)
		if want := `{"region":"eu,us","items":["tea"],"receipt":"one tea"}` + "\n"; c.stdout != want || c.exit != 0 {
			t.Errorf("exit %d: %s%s", c.exit, c.stdout, c.stderr)
		}
	}
	for _, c := range []struct {
		args []string
		exit int
		want string
	}{
		{[]string{}, 5, `kv.get is denied by policy "compute"`},
		{[]string{"--policy", "nope"}, 2, "there is no policy nope"},
		{[]string{"--config", "nope.yaml"}, 2, "cannot read the configuration nope.yaml"},
		{[]string{"--env", "REGION"}, 2, `--env: "REGION" is not NAME=VALUE`},
		{[]string{"--env", "A B=1"}, 2, "A B"},
		{[]string{"--secret", "KEY"}, 2, "--secret is not NAME=HOST"},
		{[]string{"--secret", "BULKHEAD_NONE=a.example"}, 2, "there is no environment variable BULKHEAD_NONE"},
		{[]string{"--secret", "PATH=https://"}, 2, "host"},
	} {
		got := supervise(t, "", append([]string{"run", path, "--event", `{"id":1}`}, c.args...)...)
		if got.exit != c.exit || !strings.Contains(got.stderr, c.want) || got.stdout != "" {
			t.Errorf("%v: exit %d\n%s%s", c.args, got.exit, got.stdout, got.stderr)
		}
	}
}

// run --config brings policies, own APIs and limits; --secret a secret, which
// goes where it may and is not seen.
func TestRunConfig(t *testing.T) {
	var authorization string
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == "GET" {
			authorization = r.Header.Get("Authorization")
		}
		w.Write([]byte(`"pong"`))
	}))
	defer server.Close()
	conf := write(t, "bulkhead.yaml", `
policies: policies
storage: {url: objects}
kv: {max_value: 8}
apis: {http: [{name: ping, url: "`+server.URL+`"}]}
`)
	dir := filepath.Dir(conf)
	if err := os.Mkdir(filepath.Join(dir, "policies"), 0o700); err != nil {
		t.Fatal(err)
	}
	policy := "version: 1\nname: local-tests\nextends: [webhook, data]\nrules:\n  - {api: ping, action: allow}\n  - {api: fetch, action: allow, private: true}\n"
	if err := os.WriteFile(filepath.Join(dir, "policies", "p.yaml"), []byte(policy), 0o600); err != nil {
		t.Fatal(err)
	}
	path := write(t, "f.js", `async (url) => {
		await storage.put('a', 'b');
		const full = await kv.put('k', 'more than eight bytes').catch((e) => e.name);
		const key = secrets.get('BULKHEAD_TEST_KEY');
		await fetch(url, { headers: { authorization: 'Bearer ' + key } });
		return [await ping(), full, key.includes('hunter2')];
	}`)
	t.Setenv("BULKHEAD_TEST_KEY", "hunter2")
	c := supervise(t, "", "run", path, "--config", conf, "--policy", "local-tests", "--event", `"`+server.URL+`"`, "--secret", "BULKHEAD_TEST_KEY="+server.URL)
	if want := `["pong","TypeError",false]` + "\n"; c.stdout != want || c.exit != 0 {
		t.Errorf("exit %d: %s%s", c.exit, c.stdout, c.stderr)
	}
	if authorization != "Bearer hunter2" {
		t.Errorf("the server got %q", authorization)
	}
	if _, err := os.Stat(filepath.Join(dir, "objects")); err == nil {
		t.Error("it wrote to the configuration's storage")
	}
}

// What a function needs is learned from running it, and is enough for it.
func TestLearnFromFunction(t *testing.T) {
	path := write(t, "cart.js", cart)
	events := write(t, "events.jsonl", `{"id":"ada","add":"tea"}`+"\n\n"+`{"id":"bob","add":"milk"}`+"\n")
	c := supervise(t, "", "policy", "learn", path, "--events", events, "--event", `{"id":"eve","add":"rum"}`, "--name", "cart")
	if c.exit != 0 || c.stderr != "" {
		t.Fatalf("exit %d: %s", c.exit, c.stderr)
	}
	for _, want := range []string{"name: cart\n", "key: \"cart:\"\n", "key: receipts/\n", "name: REGION\n", "name: mail\n", "# 6 calls"} {
		if !strings.Contains(c.stdout, want) {
			t.Errorf("no %q in\n%s", want, c.stdout)
		}
	}
	learned := write(t, "cart.yaml", c.stdout)
	if c := supervise(t, "", "run", path, "--policy", learned, "--event", `{"id":"dan","add":"ale"}`); c.exit != 0 {
		t.Errorf("what was learned is not enough: exit %d: %s", c.exit, c.stderr)
	}
	other := write(t, "other.js", `() => kv.get('session:1')`)
	if c := supervise(t, "", "run", other, "--policy", learned); c.exit != 5 {
		t.Errorf("what was learned is too much: exit %d: %s", c.exit, c.stderr)
	}
	if c := supervise(t, "", "policy", "check", learned); c.exit != 0 {
		t.Errorf("what was learned is odd: %s%s", c.stdout, c.stderr)
	}
}

// An event that fails is told; what it did is learned.
func TestLearnFromFailure(t *testing.T) {
	path := write(t, "cart.js", cart)
	c := supervise(t, "", "policy", "learn", path, "--event", `{"id":1}`, "--event", `{"id":2,"fail":"luck"}`)
	if c.exit != 1 || !strings.Contains(c.stderr, "event 2: RangeError: no luck") || strings.Contains(c.stderr, "event 1") || !strings.Contains(c.stdout, "queue.send") {
		t.Errorf("exit %d\n%s%s", c.exit, c.stdout, c.stderr)
	}
}

// Every call is recorded, however many there are at once.
func TestLearnLosesNothing(t *testing.T) {
	const calls = 9_000
	path := write(t, "many.js", `async () => {
		for (let i = 0; i < 9; i++) await Promise.all(Array.from({ length: 1000 }, (_, n) => kv.get('key-' + i + '-' + n)));
	}`)
	c := supervise(t, "", "policy", "learn", path, "--json", "--timeout", "30s")
	var doc struct {
		Calls, Denied int
		Policy        string
	}
	if err := json.Unmarshal([]byte(c.stdout), &doc); err != nil || c.exit != 0 || doc.Calls != calls {
		t.Errorf("exit %d, %d calls, %v\n%s", c.exit, doc.Calls, err, c.stderr)
	}
}
