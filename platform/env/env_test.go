package env_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/bulkhead-run/bulkhead/internal/store"
	"github.com/bulkhead-run/bulkhead/platform/env"
	"github.com/bulkhead-run/bulkhead/platform/platformtest"
	"github.com/bulkhead-run/bulkhead/value"
)

func open(t *testing.T, dir string) *env.Env {
	t.Helper()
	e, err := env.New(dir)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

func all(c *platformtest.Caller) map[string]string {
	m := map[string]string{}
	for name, v := range c.Must("env.all").(*value.Object).All() {
		m[name] = v.(string)
	}
	return m
}

func TestEnv(t *testing.T) {
	dir := t.TempDir()
	e := open(t, dir)
	set := func(tenant, function string, vars map[string]string) {
		t.Helper()
		if err := e.Set(tenant, function, vars); err != nil {
			t.Fatal(err)
		}
	}
	set("acme", "", map[string]string{"REGION": "eu", "MODE": "live"})
	set("acme", "f", map[string]string{"MODE": "test", "__proto__": "own"})
	set("other", "", map[string]string{"REGION": "us"})
	for range 2 {
		c := &platformtest.Caller{T: t, APIs: e.APIs(), Tenant: "acme", Function: "f"}
		if got := fmt.Sprint(all(c)); got != "map[MODE:test REGION:eu __proto__:own]" {
			t.Errorf("f sees %s", got)
		}
		if c.Must("env.get", "MODE") != "test" || c.Must("env.get", "REGION") != "eu" || c.Must("env.get", "HOME") != value.Undefined {
			t.Error("env.get is wrong")
		}
		if c.Seen.Name != "HOME" {
			t.Errorf("attributes %+v", c.Seen)
		}
		c.Function = "g"
		if c.Must("env.get", "MODE") != "live" {
			t.Error("g sees f's variable")
		}
		c.Tenant, c.Function = "other", "f"
		if got := fmt.Sprint(all(c)); got != "map[REGION:us]" {
			t.Errorf("other sees %s", got)
		}
		c.Tenant = "third"
		if got := fmt.Sprint(all(c)); got != "map[]" {
			t.Errorf("third sees %s", got)
		}
		e = open(t, dir)
	}
	for function, want := range map[string]string{"": "map[MODE:live REGION:eu]", "f": "map[MODE:test __proto__:own]", "g": "map[]"} {
		if own, err := e.Own("acme", function); err != nil || fmt.Sprint(own) != want {
			t.Errorf("%q has %v, %v; want %s", function, own, err, want)
		}
	}
	set("acme", "f", nil)
	c := &platformtest.Caller{T: t, APIs: e.APIs(), Tenant: "acme", Function: "f"}
	if c.Must("env.get", "MODE") != "live" {
		t.Error("a removed variable is there")
	}
	if err := e.DeleteTenant(t.Context(), "acme"); err != nil {
		t.Fatal(err)
	}
	if got := fmt.Sprint(all(c)); got != "map[]" {
		t.Errorf("a deleted tenant sees %s", got)
	}
	c.Fails("TypeError", "env.get")
	c.Fails("TypeError", "env.get", 1)
}

func TestWrongVariables(t *testing.T) {
	e := open(t, t.TempDir())
	many := map[string]string{}
	for i := range 101 {
		many[fmt.Sprint("V", i)] = ""
	}
	for _, w := range []struct {
		tenant, function string
		vars             map[string]string
	}{
		{"../acme", "", nil}, {"acme", "../f", nil}, {"acme", "", many},
		{"acme", "", map[string]string{"": "x"}}, {"acme", "", map[string]string{"a.b": "x"}}, {"acme", "", map[string]string{"1A": "x"}},
		{"acme", "", map[string]string{"A": strings.Repeat("x", env.MaxValue+1)}}, {"acme", "", map[string]string{"A": "\xff"}},
	} {
		if err := e.Set(w.tenant, w.function, w.vars); !errors.Is(err, store.ErrInvalid) {
			t.Errorf("%s/%s %.60v: %v", w.tenant, w.function, w.vars, err)
		}
	}
}

func TestDamagedFile(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "acme.json"), []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	e := open(t, dir)
	c := &platformtest.Caller{T: t, APIs: e.APIs(), Tenant: "acme", Function: "f"}
	if _, err := c.Call("env.get", "A"); !errors.Is(err, store.ErrCorrupt) {
		t.Errorf("got %v", err)
	}
	c.Tenant = "other"
	c.Must("env.get", "A")
}
