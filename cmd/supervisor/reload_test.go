package main

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/bulkhead-run/bulkhead/policies"
	"github.com/bulkhead-run/bulkhead/supervisor"
)

// setter keeps what it was given last.
type setter struct {
	mu    sync.Mutex
	list  []*policies.Policy
	tiers map[string]supervisor.Tier
	sets  int
	err   error
}

func (s *setter) SetTiers(_ context.Context, tiers map[string]supervisor.Tier) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.tiers = tiers
	return s.err
}

func (s *setter) SetPolicies(_ context.Context, list []*policies.Policy) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.sets++
	if s.err == nil {
		s.list = list
	}
	return s.err
}

// shows tells whether the policies are those of these names, with the first
// one's description.
func (s *setter) shows(description string, names ...string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.list) != len(names) {
		return false
	}
	for i, p := range s.list {
		if p.Name() != names[i] {
			return false
		}
	}
	return len(names) == 0 || s.list[0].Description() == description
}

// buffer is a log that may be read while it is written.
type buffer struct {
	mu   sync.Mutex
	text strings.Builder
}

func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.Write(p)
}

func (b *buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.String()
}

func (b *buffer) count(s string) int { return strings.Count(b.String(), s) }

func (b *buffer) contains(s string) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return strings.Contains(b.text.String(), s)
}

func until(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); !ok(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("never: %s", what)
		}
	}
}

func TestPoliciesAreReloaded(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) {
		t.Helper()
		// As editors do: a new file in the old one's place.
		next := filepath.Join(dir, name+".tmp")
		if err := os.WriteFile(next, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(next, filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	document := func(name, description string) string {
		return "version: 1\nname: " + name + "\ndescription: " + description + "\nrules:\n  - api: log\n    action: allow\n"
	}
	write("a.yaml", document("a", "one"))
	to, log := &setter{}, &buffer{}
	r, err := watchConfig(config{Policies: paths{"."}, dir: dir}, to, func(config) {}, func(do func()) { do() }, slog.New(slog.NewTextHandler(log, nil)))
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := r.close(); err != nil {
			t.Error(err)
		}
	}()

	write("a.yaml", document("a", "two"))
	until(t, "the changed policy holds", func() bool { return to.shows("two", "a") })
	write("b.yaml", document("b", "new"))
	until(t, "a new policy is there", func() bool { return to.shows("two", "a", "b") })

	write("a.yaml", "version: 1\nname: a\nrules:\n  - api: log\n    action: alow\n")
	until(t, "the mistake is told with its place", func() bool { return log.contains("a.yaml:5:13") && log.contains("alow") })
	if !to.shows("two", "a", "b") {
		t.Error("a wrong file changed the policies")
	}
	write("a.yaml", document("a", "three"))
	until(t, "it holds once it is right", func() bool { return to.shows("three", "a", "b") })

	to.mu.Lock()
	to.err, to.sets = errors.New("policy b is in use"), 0
	to.mu.Unlock()
	if err := os.Remove(filepath.Join(dir, "b.yaml")); err != nil {
		t.Fatal(err)
	}
	until(t, "what the supervisor refuses is told", func() bool { return log.contains("policy b is in use") })

	to.mu.Lock()
	to.err, to.sets = nil, 0
	to.mu.Unlock()
	if err := syscall.Kill(os.Getpid(), syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	until(t, "SIGHUP reloads", func() bool { return to.shows("three", "a") })
}

func TestReload(t *testing.T) {
	conf := write(t, "bulkhead.yaml", "spares: 1\ntiers: {trial: {max_functions: 1}}\n")
	d := serveDaemon(t, "--data", t.TempDir(), "--config", conf)
	d.ok("tenant", "put", "acme", "--tier", "trial")
	code := write(t, "f.js", "() => 1")
	d.ok("deploy", "acme/one", code)
	if c := d.run("deploy", "acme/two", code); c.exit != 2 {
		t.Fatalf("%+v", c)
	}
	reload := func(text, want string) {
		t.Helper()
		if err := os.WriteFile(conf, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		seen := d.stderr.count(want)
		if err := d.cmd.Process.Signal(syscall.SIGHUP); err != nil {
			t.Fatal(err)
		}
		until(t, want, func() bool { return d.stderr.count(want) > seen })
	}
	reload("spares: 1\ntiers: {trial: {max_functions: 2}}\n", "configuration reloaded")
	d.ok("deploy", "acme/two", code)

	reload("spares: 1\ntiers: {other: {max_functions: 3}}\n", `there would be no tier \"trial\", which tenant acme has`)
	reload("spares: 1\ntiers: {trial: {max_functions: 0x}}\n", "the configuration was not reloaded; the old one holds")
	reload("spares: 1\ntiers: {trial: {max_functions: 3, policy: missing}}\n", `there is no policy \"missing\"`)
	if c := d.run("deploy", "acme/three", code); c.exit != 2 {
		t.Errorf("%+v", c)
	}
	reload("spares: 2\nidle_ttl: 1m\nlog_level: warn\ntiers: {trial: {max_functions: 3}}\n", "keys=\"[spares idle_ttl]\"")
	d.ok("deploy", "acme/three", code)
	if d.stderr.contains("function=three") {
		t.Error("logged in spite of log_level")
	}
	if exit := d.end(); exit != 0 {
		t.Errorf("exit %d", exit)
	}
}
