package main

import (
	"bufio"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/bulkhead-run/bulkhead/client"
)

const watched = `export default async (e) => {
  console.warn('got', e);
  await kv.put('k', e);
  await fetch('https://b.example/').catch(() => 0);
  if (e === 13) throw new RangeError('unlucky');
  return [e, 'x\u001b[2J'];
}`

func TestInvokeWatch(t *testing.T) {
	d := serveDaemon(t, "--data", t.TempDir())
	d.ok("tenant", "put", "acme", "--policy", "data")
	d.ok("deploy", "acme/f", write(t, "f.js", watched))
	c := d.run("invoke", "acme/f@live", "--watch", "--event", "7")
	at := 0
	for _, want := range []string{"[WARN] got 7\n", "[ALLOW] kv.put key=k", "B sent", "[DENY] fetch", "host=b.example", "(policy data default at ", "receipt: ok, ", "kv.put", "fetch", "1 denial"} {
		i := strings.Index(c.stderr[at:], want)
		if i < 0 {
			t.Fatalf("no %q in order in\n%s", want, c.stderr)
		}
		at += i
	}
	if c.exit != 0 || c.stdout != "[7,\"x\\u001b[2J\"]\n" {
		t.Errorf("%+v", c)
	}
	if c := d.run("invoke", "acme/f", "--watch", "--event", "13"); c.exit != 1 || c.stdout != "" || strings.Count(c.stderr, "got 13") != 1 || !strings.Contains(c.stderr, "RangeError: unlucky") || !strings.Contains(c.stderr, "receipt: exception") {
		t.Errorf("%+v", c)
	}

	// With --json, one object a line.
	c = d.run("invoke", "acme/f", "--watch", "--json", "--event", "7")
	var kinds []string
	for line := range strings.Lines(c.stdout) {
		var v struct {
			client.Happening
			Result *client.Result
		}
		if err := json.Unmarshal([]byte(line), &v); err != nil {
			t.Fatalf("%v: %s", err, line)
		}
		switch {
		case v.Log != nil:
			kinds = append(kinds, "log")
		case v.Verdict != nil:
			kinds = append(kinds, "verdict")
		case v.Result != nil && v.Result.Memory > 0 && len(v.Result.Calls) == 2:
			kinds = append(kinds, "result")
		}
	}
	if got := strings.Join(kinds, " "); got != "log verdict verdict result" || c.exit != 0 {
		t.Errorf("%q, exit %d\n%s%s", got, c.exit, c.stdout, c.stderr)
	}
}

// Each save of the event's file invokes again, until an interrupt.
func TestInvokeWatchesTheEventsFile(t *testing.T) {
	d := serveDaemon(t, "--data", t.TempDir())
	d.ok("tenant", "put", "acme")
	d.ok("deploy", "acme/f", write(t, "f.js", "(e) => { if (e === 2) throw new Error('two'); return { e } }"))
	file := write(t, "event.json", "1")
	cmd, stderr := start(t, "", "invoke", "acme/f", "--watch", "--json", "--event", "@"+file, "--server", d.url)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cmd.Process.Kill()
		cmd.Wait()
	})
	lines := bufio.NewScanner(out)
	next := func(want string) {
		t.Helper()
		if !lines.Scan() || !strings.Contains(lines.Text(), want) {
			t.Fatalf("%q, want %q\n%s", lines.Text(), want, stderr)
		}
	}
	next(`"value":{"e":1}`)
	replace(t, file, "2") // as editors do: another file in its place
	next(`"message":"two"`)
	if err := os.WriteFile(file, []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	next(`not valid JSON`)
	if err := os.WriteFile(filepath.Join(filepath.Dir(file), "other.json"), []byte("4"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte("3"), 0o600); err != nil {
		t.Fatal(err)
	}
	next(`"value":{"e":3}`)
	cmd.Process.Signal(syscall.SIGINT)
	for lines.Scan() {
		t.Errorf("then %s", lines.Text())
	}
	if err := cmd.Wait(); err != nil {
		t.Errorf("%v\n%s", err, stderr)
	}
}
