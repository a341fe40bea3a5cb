package faults

import (
	"bytes"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/bulkhead-run/bulkhead/tests/daemon"
)

// command runs the supervisor's command line.
func command(args ...string) (string, error) {
	out, err := daemon.Command(args...).CombinedOutput()
	return string(out), err
}

func mustRun(t *testing.T, args ...string) string {
	t.Helper()
	out, err := command(args...)
	if err != nil {
		t.Fatalf("supervisor %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return out
}

// refused runs a command that has to fail with texts.
func refused(t *testing.T, texts []string, args ...string) {
	t.Helper()
	out, err := command(args...)
	if err == nil {
		t.Errorf("supervisor %s did: %s", strings.Join(args, " "), out)
	}
	for _, text := range texts {
		if !strings.Contains(out, text) {
			t.Errorf("supervisor %s says %q, which lacks %q", strings.Join(args, " "), out, text)
		}
	}
}

// A backup that is made while everything is written to has what had been
// acknowledged before, all of one piece, and a supervisor on the restored
// directory answers like the first.
func TestBackup(t *testing.T) {
	t.Parallel()
	d := daemon.Serve(t, daemon.Options{Config: "spares: 1"})
	if err := errors.Join(d.Deploy("acme", "keep", keeper), d.Deploy("acme", "old", "export default () => 'old'")); err != nil {
		t.Fatal(err)
	}
	d.Wants("acme", "keep", `{"write":true,"size":77}`, `{"kv":"ok","storage":"ok","db":"ok","queue":"ok"}`)
	if a, err := d.Do("PUT", "/v1/tenants/acme/env", "application/json", `{"env":{"REGION":"north"}}`); err != nil || a.Status >= 300 {
		t.Fatalf("%d %s %v", a.Status, a.Body, err)
	}
	const tenants = 8
	l := newLoad(t, d, tenants, 20*time.Millisecond)
	l.run()
	stop, deployed := make(chan struct{}), make(chan int)
	go func() {
		n := 0
		for ; ; n++ {
			select {
			case <-stop:
				deployed <- n
				return
			case <-time.After(100 * time.Millisecond): // the rate of deploys
			}
			if a, err := d.PutFunction("acme", fmt.Sprint("f", n%3), fmt.Sprintf("export default () => %d", n), ""); err != nil || a.Status >= 300 {
				t.Errorf("deploy: %d %s %v", a.Status, a.Body, err)
			}
		}
	}()
	dir := t.TempDir()
	file := filepath.Join(dir, "b.tar.zst")
	said := mustRun(t, "backup", "--data", d.Data, "--output", file, "--json")
	close(stop)
	t.Logf("%d deploys beside it: %s", <-deployed, said)
	l.stop()
	refused(t, []string{file, "exist"}, "backup", "--data", d.Data, "--output", file)
	refused(t, []string{"in use", "stop"}, "check", "--data", d.Data)
	refused(t, []string{"not empty"}, "restore", file, "--data", d.Data)
	d.Stop()
	if left, _ := filepath.Glob(filepath.Join(dir, "*")); len(left) != 1 {
		t.Errorf("beside the backup are left %v", left)
	}

	restored := filepath.Join(t.TempDir(), "new", "data")
	mustRun(t, "restore", file, "--data", restored)
	var report struct{ Restored, Lost []string }
	decode(t, mustRun(t, "check", "--data", restored, "--json"), &report)
	if len(report.Restored)+len(report.Lost) > 0 {
		t.Errorf("the restored directory: %+v", report)
	}
	again := daemon.Serve(t, daemon.Options{Data: restored})
	again.Wants("acme", "keep", `{}`, `{"kv":77,"storage":77,"db":1}`)
	again.Wants("acme", "old", "null", `"old"`)
	if a, err := again.Do("GET", "/v1/tenants/acme/env", "", ""); err != nil || !strings.Contains(a.Body, "north") {
		t.Errorf("%d %s %v", a.Status, a.Body, err)
	}
	for n := range 3 {
		if a, err := again.Invoke("acme", fmt.Sprint("f", n), "null"); err != nil || a.Status != http.StatusOK && a.Status != http.StatusNotFound {
			t.Errorf("f%d: %d %s %v", n, a.Status, a.Body, err)
		}
	}
	for n := range tenants {
		event, want := question(tenantName(n), 1)
		again.Wants(tenantName(n), "work", event, want)
	}
	again.Wants("acme", "keep", `{"write":true,"size":78}`, `{"kv":"ok","storage":"ok","db":"ok","queue":"ok"}`)
	again.Stop()

	// Whatever is changed in the file, nothing is restored of it.
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	for what, damaged := range map[string][]byte{
		"cut":      data[:len(data)-100],
		"half":     data[:len(data)/2],
		"flipped":  append(append(append([]byte{}, data[:len(data)/2]...), data[len(data)/2]^1), data[len(data)/2+1:]...),
		"nonsense": bytes.Repeat([]byte("x"), 1000),
	} {
		bad, target := filepath.Join(dir, "bad"), filepath.Join(dir, "target")
		if err := os.WriteFile(bad, damaged, 0o600); err != nil {
			t.Fatal(err)
		}
		refused(t, []string{"damaged"}, "restore", bad, "--data", target)
		if left, _ := filepath.Glob(filepath.Join(dir, "*")); len(left) != 2 {
			t.Errorf("%s: left are %v", what, left)
		}
	}
}

// Data directories that a supervisor must not just go on with: the message says
// what is wrong and what to do, and doing it helps.
func TestDamagedData(t *testing.T) {
	t.Parallel()
	data := t.TempDir()
	d := daemon.Serve(t, daemon.Options{Data: data, Config: "spares: 1"})
	for n := range 12 {
		if err := d.Deploy("acme", fmt.Sprint("f", n), fmt.Sprintf("export default () => %d", n)); err != nil {
			t.Fatal(err)
		}
	}
	d.Stop()
	file := filepath.Join(t.TempDir(), "b.tar.zst")
	mustRun(t, "backup", "--data", data, "--output", file)
	all := func(data string) {
		t.Helper()
		d := daemon.Serve(t, daemon.Options{Data: data, Config: "spares: 1"})
		for n := range 12 {
			d.Wants("acme", fmt.Sprint("f", n), "null", fmt.Sprint(n))
		}
		d.Stop()
	}
	refusal := func(texts ...string) {
		t.Helper()
		_, err := daemon.Start(t, daemon.Options{Data: data})
		if err == nil {
			t.Fatal("it serves")
		}
		for _, text := range append(texts, data) {
			if !strings.Contains(err.Error(), text) || daemon.Panicked(err.Error()) {
				t.Errorf("it says %v, which lacks %q", err, text)
			}
		}
	}
	registry := filepath.Join(data, "registry")

	t.Run("newer", func(t *testing.T) {
		for _, format := range []string{filepath.Join(registry, "format"), filepath.Join(data, "streams", "format")} {
			old, err := os.ReadFile(format)
			if err != nil {
				t.Fatal(err)
			}
			write(t, format, "99\n")
			refusal("newer version", "format is 99", "up to", "upgrade")
			write(t, format, string(old))
		}
		all(data)
	})
	t.Run("older", func(t *testing.T) {
		if err := os.Remove(filepath.Join(registry, "journal")); err != nil {
			t.Fatal(err)
		}
		write(t, filepath.Join(registry, "format"), "1\n")
		all(data)
	})
	t.Run("a registry cut off", func(t *testing.T) {
		msgs := filepath.Join(registry, "jetstream", "$G", "streams", "KV_registry", "msgs")
		blocks, _ := filepath.Glob(filepath.Join(msgs, "*.blk"))
		if len(blocks) == 0 {
			t.Fatal("no blocks")
		}
		text, err := os.ReadFile(blocks[0])
		if err != nil {
			t.Fatal(err)
		}
		at := bytes.Index(text, []byte("function.acme.f3"))
		text[at+5] ^= 1
		write(t, blocks[0], string(text))
		if err := os.Remove(filepath.Join(msgs, "index.db")); err != nil {
			t.Fatal(err)
		}
		all(data) // of the journal
	})
	t.Run("the journal", func(t *testing.T) {
		journal := filepath.Join(registry, "journal")
		text, err := os.ReadFile(journal)
		if err != nil {
			t.Fatal(err)
		}
		text[len(text)/2] ^= 1
		write(t, journal, string(text))
		refusal("journal", "checksum", "supervisor restore", "supervisor check --repair")
		refused(t, []string{"journal", "--repair"}, "check", "--data", data)
		mustRun(t, "check", "--data", data, "--repair")
		all(data)
	})
	t.Run("everything", func(t *testing.T) {
		if err := os.RemoveAll(filepath.Join(registry, "jetstream")); err != nil {
			t.Fatal(err)
		}
		refusal("backup")
		restored := filepath.Join(t.TempDir(), "data")
		mustRun(t, "restore", file, "--data", restored)
		all(restored)
	})
}

func write(t *testing.T, file, text string) {
	t.Helper()
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}
