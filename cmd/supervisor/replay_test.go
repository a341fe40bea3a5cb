package main

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/bulkhead-run/bulkhead/client"
)

// A call that failed is run again from its recording, and a fix is tried on it.
func TestRecordAndReplay(t *testing.T) {
	d := serveDaemon(t, "--data", t.TempDir())
	d.ok("tenant", "put", "acme", "--policy", "data")
	const code = "export default async (e: {n: number}) => {\n  const id = crypto.randomUUID()\n  const seen = ((await kv.get('seen')) ?? 0) + 1\n  await kv.put('seen', seen)\n  console.log('seen', seen, id, Date.now())\n"
	d.ok("deploy", "acme/f", write(t, "f.ts", code+"  if (e.n < 0) throw new RangeError('too small')\n  return seen }"))
	d.ok("record", "acme/f", "--rate", "1", "--for", "5m")
	c := d.run("invoke", "acme/f", "--event", `{"n":-1}`, "--json")
	var failed struct{ Invocation client.Result }
	if err := json.Unmarshal([]byte(c.stdout), &failed); err != nil || c.exit != 1 {
		t.Fatalf("%+v, %v", c, err)
	}
	name := "acme/" + failed.Invocation.Invocation
	for deadline := time.Now().Add(10 * time.Second); !strings.Contains(d.ok("recordings", "list", "acme"), name); {
		if time.Now().After(deadline) {
			t.Fatal("there is no recording")
		}
	}
	c = d.run("replay", name)
	if c.exit != 0 || !strings.Contains(c.stdout, "same course") || !strings.Contains(c.stderr, "RangeError: too small") || !strings.Contains(c.stderr, "f.ts:6") {
		t.Errorf("%+v", c)
	}
	fixed := write(t, "fixed.ts", code+"  return e.n < 0 ? 0 : seen }")
	c = d.run("replay", name, "--code", fixed)
	if c.exit != 1 || !strings.Contains(c.stdout, "first difference: outcome") || !strings.Contains(c.stdout, "replayed: ok") || !strings.Contains(c.stdout, "result: 0") {
		t.Errorf("%+v", c)
	}
	other := write(t, "other.ts", "export default async () => { await kv.get('else'); return 1 }")
	var r client.Replayed
	c = d.run("replay", name, "--code", other, "--json")
	if err := json.Unmarshal([]byte(c.stdout), &r); err != nil || c.exit != 1 || r.Same || r.Difference.What != "call" || r.Difference.Recorded != `kv.get("seen")` || r.Difference.Replayed != `kv.get("else")` || r.Unanswered != 1 || !strings.Contains(r.Difference.At, "other.ts:1:") {
		t.Errorf("%+v, %v", c, err)
	}
	if got := d.ok("invoke", "acme/f", "--event", `{"n":1}`); got != "2\n" {
		t.Errorf("the replays had an effect: %s", got)
	}
	if out := d.ok("recordings", "show", name); !strings.Contains(out, "kv.put") {
		t.Errorf("%s", out)
	}
	d.ok("record", "acme/f", "--off")
	d.ok("recordings", "delete", name)
	for _, args := range [][]string{{"replay", name}, {"recordings", "show", name}, {"recordings", "delete", name}, {"replay", "nonsense"}, {"record", "acme/f", "--rate", "7"}, {"record", "acme/f", "--for", "100h"}, {"record", "acme/none"}} {
		if c := d.run(args...); c.exit != 2 {
			t.Errorf("%q: %+v", args, c)
		}
	}
}
