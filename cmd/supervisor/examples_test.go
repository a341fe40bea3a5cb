package main

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/bulkhead-run/bulkhead/internal/outcome"
)

// The examples of the platform APIs do what they say, under the policies
// beside them.
func TestPlatformExamples(t *testing.T) {
	const key = "hunter2"
	payments := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/v1/charges" || r.Header.Get("Authorization") != "Bearer "+key {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		io.Copy(w, r.Body)
	}))
	defer payments.Close()
	dir := t.TempDir()
	if err := os.CopyFS(dir, os.DirFS("../../examples/platform")); err != nil {
		t.Fatal(err)
	}
	conf := filepath.Join(dir, "bulkhead.yaml")
	if err := os.WriteFile(filepath.Join(dir, "secrets.key"), []byte(strings.Repeat("A", 43)+"=\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	data := t.TempDir()
	d := serveDaemon(t, "--config", conf, "--data", data)
	d.ok("tenant", "put", "acme", "--policy", "shop-local")
	d.ok("tenant", "put", "newcomer", "--policy", "shop", "--tier", "trial")
	d.ok("env", "set", "acme", "GREETING=Hello")
	set := supervise(t, key+"\n", "secret", "set", "acme/PAYMENT_KEY", "--host", payments.URL, "--server", d.url)
	if set.exit != 0 {
		t.Fatal(set.stderr)
	}
	functions, err := filepath.Glob(filepath.Join(dir, "*.js"))
	if err != nil || len(functions) < 6 {
		t.Fatal(functions, err)
	}
	for _, file := range functions {
		d.ok("deploy", "acme/"+strings.TrimSuffix(filepath.Base(file), ".js"), file)
	}
	items := `"customer":"ada","items":[{"name":"tea","cents":350},{"name":"milk","cents":120}]`
	for _, c := range []struct{ function, event, want string }{
		{"visits", `{"page":"home"}`, `{"page":"home","visits":1}`},
		{"visits", `{"page":"home"}`, `{"page":"home","visits":2}`},
		{"report", `{"month":"2026-05","lines":["a","b"]}`, `{"text":"a\nb","type":"text/csv","reports":["reports/2026-05.csv"]}`},
		{"signup", `{"email":"ada@example.com"}`, `{"queued":"string"}`},
		{"charge", `{"api":"` + payments.URL + `","amount":5}`, `{"amount":5}`},
		{"orders", `{` + items + `}`, `{"id":1,"total":470}`},
		{"checkout", `{"api":"` + payments.URL + `",` + items + `}`, `{"order":{"id":2,"total":470},"charge":{"amount":470}}`},
		{"checkout", `{"api":"` + payments.URL + `/v2",` + items + `}`, `{"order":{"id":3,"total":470},"failed":"fetch is denied`},
	} {
		if got := d.ok("invoke", "acme/"+c.function, "--event", c.event); !strings.HasPrefix(got, c.want) {
			t.Errorf("%s: got %s", c.function, got)
		}
	}
	if text := auditText(t, filepath.Join(data, "audit")); strings.Contains(text, key) || !strings.Contains(text, `"secrets.get"`) {
		t.Error("the audit log lacks secrets.get, or holds a secret")
	}

	// What the policy ends an invocation for; what the tier has no room for, and
	// does not let a tenant's policy widen.
	internal := write(t, "internal.js", `async () => { try { await storage.get('reports/internal/x') } catch { return 'caught' } }`)
	d.ok("deploy", "acme/internal", internal)
	if c := d.run("invoke", "acme/internal"); c.exit != outcome.Policy.ExitCode() || !strings.Contains(c.stderr, "ends an invocation that does") {
		t.Errorf("exit %d: %s", c.exit, c.stderr)
	}
	flood := write(t, "flood.js", `async () => { for (;;) await queue.send('mail', 1) }`)
	d.ok("deploy", "newcomer/flood", flood)
	if c := d.run("invoke", "newcomer/flood"); c.exit != outcome.Exception.ExitCode() || !strings.Contains(c.stderr, "over the quota of 2 calls in an invocation (trial/rules[0])") {
		t.Errorf("exit %d: %s", c.exit, c.stderr)
	}
	d.ok("tenant", "put", "newcomer", "--policy", "shop-local", "--tier", "trial")
	d.ok("deploy", "newcomer/charge", filepath.Join(dir, "charge.js"))
	set = supervise(t, key, "secret", "set", "newcomer/PAYMENT_KEY", "--host", payments.URL, "--server", d.url)
	if c := d.run("invoke", "newcomer/charge", "--event", `{"api":"`+payments.URL+`"}`); set.exit != 0 || c.exit == 0 || !strings.Contains(c.stderr, "fetch") {
		t.Errorf("exit %d: %s", c.exit, c.stderr)
	}
	if exit := d.end(); exit != 0 {
		t.Errorf("exit %d\n%s", exit, d.stderr)
	}
}

// The examples' policies mean what their cases say, and nothing in them is odd.
func TestExamplePolicies(t *testing.T) {
	const folder = "../../examples/platform/policies"
	if c := supervise(t, "", "policy", "check", folder); c.exit != 0 {
		t.Errorf("%s%s", c.stdout, c.stderr)
	}
	c := supervise(t, "", "policy", "test", folder, "--json")
	var doc struct{ Passed, Failed int }
	if err := json.Unmarshal([]byte(c.stdout), &doc); err != nil || c.exit != 0 || doc.Passed < 15 || doc.Failed > 0 {
		t.Errorf("exit %d, %v\n%s", c.exit, err, c.stdout)
	}
	policies, err := filepath.Glob(folder + "/*.yaml")
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range policies {
		if _, err := os.Stat(strings.TrimSuffix(p, ".yaml") + ".test.yaml"); err != nil && !isCases(p) {
			t.Errorf("%s has no cases", p)
		}
	}
}
