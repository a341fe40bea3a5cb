package main

import (
	"encoding/csv"
	"encoding/json"
	"strings"
	"testing"

	"github.com/bulkhead-run/bulkhead/client"
)

func TestUsageAndReceipts(t *testing.T) {
	d := serveDaemon(t, "--data", t.TempDir())
	d.ok("tenant", "put", "acme", "--policy", "data")
	d.ok("deploy", "acme/f", write(t, "f.js", "export default async e => { await kv.put('k', e); if (e < 0) throw new Error('no'); return e }"))
	c := d.run("invoke", "acme/f", "--event", "7", "--receipt")
	for _, want := range []string{"receipt: ok, ", "wall ", "cpu ", "memory ", "kv.put", "1 call,"} {
		if c.exit != 0 || !strings.Contains(c.stderr, want) {
			t.Errorf("%q is missing: %+v", want, c)
		}
	}
	var r client.Result
	if err := json.Unmarshal([]byte(d.ok("invoke", "acme/f", "--event", "8", "--json")), &r); err != nil || r.Outcome != "ok" || r.CPUMS <= 0 || r.Memory <= 0 || len(r.Calls) != 1 || r.Calls[0].API != "kv.put" {
		t.Errorf("%+v, %v", r, err)
	}
	if c := d.run("invoke", "acme/f", "--event=-1", "--receipt"); c.exit != 1 || !strings.Contains(c.stderr, "receipt: exception, warm start") {
		t.Errorf("%+v", c)
	}
	for _, args := range [][]string{{"usage"}, {"usage", "acme", "--by", "day", "--since", "24h"}, {"usage", "acme/f"}, {"usage", "acme", "--by", "hour"}} {
		if out := d.ok(args...); !strings.Contains(out, "GB-SECONDS") || !strings.Contains(out, "acme") {
			t.Errorf("%q:\n%s", args, out)
		}
	}
	var doc struct{ Rows []client.UsageRow }
	if err := json.Unmarshal([]byte(d.ok("usage", "--json", "--by", "function")), &doc); err != nil || len(doc.Rows) != 1 || doc.Rows[0].Invocations != 3 || doc.Rows[0].Errors != 1 || doc.Rows[0].HostCalls().Count != 3 {
		t.Errorf("%+v, %v", doc, err)
	}
	table, err := csv.NewReader(strings.NewReader(d.ok("usage", "--csv"))).ReadAll()
	if err != nil || len(table) != 2 {
		t.Fatalf("%v, %v", table, err)
	}
	row := map[string]string{}
	for i, name := range table[0] {
		row[name] = table[1][i]
	}
	if row["tenant"] != "acme" || row["invocations"] != "3" || row["outcome_exception"] != "1" || row["kv.put_calls"] != "3" {
		t.Errorf("%v", row)
	}
	if out := d.ok("usage", "nobody"); out != "nothing has been used\n" {
		t.Errorf("%q", out)
	}
	for _, args := range [][]string{{"usage", "--by", "colour"}, {"usage", "--since", "tomorrow"}, {"usage", "--json", "--csv"}, {"usage", "a/b/c"}} {
		if c := d.run(args...); c.exit != 2 {
			t.Errorf("%q: %+v", args, c)
		}
	}
}
