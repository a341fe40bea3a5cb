package main

import (
	"io"
	"net/http"
	"path/filepath"
	"strings"
	"testing"

	"github.com/bulkhead-run/bulkhead/internal/outcome"
)

// Who comes by a deleted tenant's name finds nothing of it.
func TestTenantDelete(t *testing.T) {
	data := t.TempDir()
	d := serveDaemon(t, "--data", data)
	code := write(t, "keep.js", `async (write) => {
		if (write) {
			await kv.put("k", 1)
			await storage.put("o", "body")
			await db.exec("CREATE TABLE IF NOT EXISTS t (x)")
			await db.exec("INSERT INTO t VALUES (1)")
		}
		const rows = await db.query("SELECT count(*) AS n FROM t").catch((e) => e.name)
		return [await kv.get("k") ?? null, (await storage.head("o"))?.size ?? null, rows, env.get("MODE") ?? null]
	}`)
	setUp := func() {
		t.Helper()
		d.ok("tenant", "put", "acme", "--policy", "dev")
		d.ok("deploy", "acme/keep", code, "--timeout", "20s")
	}
	setUp()
	d.ok("env", "set", "acme", "MODE=old")
	if out := d.ok("invoke", "acme/keep", "--event", "true"); strings.Join(strings.Fields(out), "") != `[1,4,[{"n":1}],"old"]` {
		t.Errorf("before: %s", out)
	}
	resp, err := http.Get(d.url + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	metrics, err := io.ReadAll(resp.Body)
	for _, want := range []string{"bulkhead_databases_started_total 1", `bulkhead_verdicts_total{action="allow",api="kv.put"} 1`} {
		if err != nil || !strings.Contains(string(metrics), want) {
			t.Errorf("metrics have no %s: %v", want, err)
		}
	}
	if c := d.run("tenant", "delete", "acme"); c.exit != outcome.Invalid.ExitCode() || !strings.Contains(c.stderr, "--yes") {
		t.Errorf("without --yes: %+v", c)
	}
	d.ok("tenant", "delete", "acme", "--yes")
	if c := d.run("tenant", "delete", "acme", "--yes"); c.exit != outcome.NotFound.ExitCode() {
		t.Errorf("twice: %+v", c)
	}
	for _, dir := range []string{"db", "env", "storage", "snapshots", "secrets"} {
		if left, _ := filepath.Glob(filepath.Join(data, dir, "acme*")); len(left) > 0 {
			t.Errorf("left behind: %v", left)
		}
	}
	setUp()
	if out := d.ok("invoke", "acme/keep", "--event", "false"); strings.Join(strings.Fields(out), "") != `[null,null,"DatabaseError",null]` {
		t.Errorf("after: %s", out)
	}
}
