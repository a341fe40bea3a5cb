package main

import (
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/bulkhead-run/bulkhead/examples"
	"github.com/bulkhead-run/bulkhead/internal/outcome"
	"github.com/bulkhead-run/bulkhead/supervisor"
)

func TestExampleConfig(t *testing.T) {
	data, err := examples.Files.ReadFile("bulkhead.yaml")
	if err != nil {
		t.Fatal(err)
	}
	c, err := parseConfig("bulkhead.yaml", data)
	if err != nil {
		t.Fatal(err)
	}
	if c.Listen != defaultListen || c.Data != "/var/lib/bulkhead" {
		t.Errorf("%+v", c)
	}
	o, err := c.options()
	if err != nil {
		t.Fatal(err)
	}
	// It says that it shows the defaults.
	if o.Spares != supervisor.DefaultSpares || o.MaxProcesses != supervisor.DefaultMaxProcesses ||
		o.IdleTTL != supervisor.DefaultIdleTTL || o.Grace != supervisor.DefaultGrace {
		t.Errorf("not the defaults: %+v", o)
	}
	for name, mode := range o.Layers {
		if want := supervisor.LayerModes(nil).For(name); mode != want {
			t.Errorf("layer %s is %s, by default %s", name, mode, want)
		}
	}
	if len(o.Layers) != 11 || o.SandboxUID != supervisor.DefaultSandboxUID {
		t.Errorf("not the defaults: %v, %d", o.Layers, o.SandboxUID)
	}
	if tier := o.Tiers["trial"]; tier.MaxMemory != 8<<20 || tier.MaxTimeout != time.Second {
		t.Errorf("%+v", tier)
	}
	if len(o.Forbidden) != 1 || !o.Forbidden[0].Regexp.MatchString("x = eval (1)") {
		t.Errorf("%+v", o.Forbidden)
	}
	// And every key.
	shown := string(data)
	var check func(reflect.Type)
	check = func(typ reflect.Type) {
		for i := range typ.NumField() {
			f := typ.Field(i)
			key := f.Tag.Get("yaml")
			if key == "" {
				continue
			}
			if !strings.Contains(shown, key+":") {
				t.Errorf("examples/bulkhead.yaml does not show %s", key)
			}
			ft := f.Type
			for ft.Kind() == reflect.Map || ft.Kind() == reflect.Slice {
				ft = ft.Elem()
			}
			if ft.Kind() == reflect.Struct {
				check(ft)
			}
		}
	}
	check(reflect.TypeFor[config]())
}

func TestConfigErrors(t *testing.T) {
	for text, want := range map[string]string{
		"listen: x\nlisen: y":             `c.yaml:2:1: unknown key "lisen"`,
		"tiers:\n  a:\n    max_mem: 1MiB": `c.yaml:3:1: unknown key "max_mem"`,
		"tiers:\n  a:\n    max_memory: x": `c.yaml:3:1: "x" is not a size`,
		"idle_ttl: 5":                     `c.yaml:1:1: "5" is not a duration`,
		"grace: -1s":                      `c.yaml:1:1: "-1s" is not a duration above 0`,
		"spares: many":                    "c.yaml:1:1: many is of the wrong type",
		"listen: [1]":                     "c.yaml:1:1: a seq does not belong here",
		"fetch:\n  proxy: ftp://p":        "c.yaml:2:1: the proxy's scheme must be http, https or socks5",
		"fetch: {proxy: 'p:3128'}":        "c.yaml:1:1: proxy is not a proxy's URL",
		"fetch: {proxy: 'http://u:pw@'}":  "c.yaml:1:1: proxy is not a proxy's URL",
		"policies: {a: b}":                "c.yaml:1:1: policies is a directory, or a list of files",
		"layers: {selinux: off}":          `c.yaml:1:1: layer "selinux" is unknown`,
		"layers: {seccomp: maybe}":        `c.yaml:1:1: layer seccomp: the mode is "maybe"`,
		"layers: [seccomp]":               "c.yaml:1:1: layers is a list of names",
		"a: b\n  c: d":                    "c.yaml:2:1:",
		"listen: x\n---\nlisten: y":       "more than one document",
	} {
		_, err := parseConfig("c.yaml", []byte(text))
		if err == nil || !strings.Contains(err.Error(), want) || outcome.Of(err) != outcome.Invalid {
			t.Errorf("%q: %v, want %s", text, err, want)
		}
	}
	if _, err := parseConfig("c.yaml", nil); err != nil {
		t.Errorf("an empty file: %v", err)
	}
	if c, err := parseConfig("c.yaml", []byte("fetch: {proxy: 'socks5://u:pw@p:1080'}")); err != nil || c.Fetch.Proxy.url().Host != "p:1080" {
		t.Errorf("a proxy: %v, %v", c.Fetch.Proxy, err)
	}
	c, err := parseConfig("c.yaml", []byte("forbidden: [{name: a, pattern: '('}, {pattern: x}]\nspares: 0"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.options(); err == nil || !strings.Contains(err.Error(), "forbidden[0]") || !strings.Contains(err.Error(), "forbidden[1]") {
		t.Errorf("%v", err)
	}
}

func FuzzParseConfig(f *testing.F) {
	data, err := examples.Files.ReadFile("bulkhead.yaml")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(data)
	f.Add([]byte("tiers: {a: {max_memory: }}"))
	f.Add([]byte("fetch: &a {max_body: 1}\ndb: *a"))
	f.Fuzz(func(t *testing.T, data []byte) {
		c, err := parseConfig("c.yaml", data)
		if err != nil {
			if outcome.Of(err) != outcome.Invalid {
				t.Fatal(err)
			}
			return
		}
		c.Policies = nil // no files here
		_, _ = c.options()
	})
}

func TestPolicyFiles(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("policies/0.yaml", "version: 1\nname: first\nextends: [more]\n") // which comes later
	write("policies/1.yaml", "version: 1\nname: base\nextends: [compute]\n")
	write("policies/2.yml", "version: 1\nname: more\nextends: [base]\nrules: [{api: fetch, action: allow}]\n")
	write("circle.yaml", "version: 1\nname: circle\nextends: back\n")
	write("back.yaml", "version: 1\nname: back\nextends: circle\n")
	write("policies/README.md", "not a policy")
	write("policies/1.test.yaml", "version: 1\ncases: []\n")
	write("c.yaml", "policies: policies")
	c, err := loadConfig(filepath.Join(dir, "c.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	o, err := c.options()
	if err != nil {
		t.Fatal(err)
	}
	if len(o.Policies) != 3 || o.Policies[2].Name() != "more" || !o.Policies[0].MayAllow("log") || !o.Policies[0].MayAllow("fetch") {
		t.Errorf("%v", o.Policies)
	}
	for text, want := range map[string]string{
		"policies: [policies/1.yaml, policies/1.yaml]": "another policy named base",
		"policies: [policies/2.yml]":                   "base",
		"policies: [circle.yaml, back.yaml]":           "it extends this one itself",
		"policies: nowhere":                            "nowhere",
	} {
		write("c.yaml", text)
		c, err := loadConfig(filepath.Join(dir, "c.yaml"))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := c.options(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", text, err)
		}
	}
}
