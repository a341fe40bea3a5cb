package main

import (
	"io"
	"slices"
	"strings"
	"testing"
)

func TestReorder(t *testing.T) {
	app := newApp(&terminal{out: io.Discard, err: io.Discard})
	for in, want := range map[string]string{
		"":                                 "",
		"list":                             "list",
		"list acme":                        "list -- acme",
		"list acme --json":                 "list --json -- acme",
		"--json list acme":                 "list --json -- acme",
		"--server http://x list acme":      "list --server http://x -- acme",
		"--server=http://x list acme":      "list --server=http://x -- acme",
		"run f.js --event {} --timeout 1s": "run --event {} --timeout 1s -- f.js",
		"run --event - f.js":               "run --event - -- f.js",
		"run - --memory 5MiB":              "run --memory 5MiB -- -",
		"run -- --event":                   "run -- --event",
		"run --json -- -x --event":         "run --json -- -x --event",
		"deploy a/b --isolation warm f.js": "deploy --isolation warm -- a/b f.js",
		"tenant put acme --policy web":     "tenant put --policy web -- acme",
		"tenant --json list":               "tenant list --json",
		"tenant nope":                      "tenant nope",
		"nope --json x":                    "--json nope x",
		"--help":                           "--help",
		"run --help":                       "run --help",
		"run f.js --event":                 "run --event -- f.js",
		"run --nope 7 f.js":                "run --nope -- 7 f.js",
		"list tenant":                      "list -- tenant",
		"serve --plain-http --data d":      "serve --plain-http --data d",
	} {
		got := reorder(app, append([]string{"supervisor"}, strings.Fields(in)...))
		if !slices.Equal(got[1:], strings.Fields(want)) {
			t.Errorf("%q:\n got %q\nwant %q", in, strings.Join(got[1:], " "), want)
		}
	}
}

func FuzzReorder(f *testing.F) {
	f.Add("run\x00f.js\x00--event\x00-")
	f.Add("--server\x00x\x00tenant\x00put\x00--\x00--json")
	app := newApp(&terminal{out: io.Discard, err: io.Discard})
	f.Fuzz(func(t *testing.T, line string) {
		args := append([]string{"supervisor"}, strings.Split(line, "\x00")...)
		got := reorder(app, slices.Clone(args))
		// Nothing is lost or made up, save for one "--".
		dashes := func(s []string) []string {
			out := slices.DeleteFunc(slices.Clone(s), func(a string) bool { return a == "--" })
			slices.Sort(out)
			return out
		}
		if !slices.Equal(dashes(got), dashes(args)) {
			t.Fatalf("%q became %q", args, got)
		}
	})
}

func FuzzSplitName(f *testing.F) {
	for _, s := range []string{"a/b", "a", "/", "a/b/c", "a/", "/b", "ü/\x00"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		tenant, function, err := splitName(s)
		if err != nil {
			return
		}
		if tenant == "" || function == "" || tenant+"/"+function != s || strings.Count(s, "/") != 1 {
			t.Fatalf("%q became %q and %q", s, tenant, function)
		}
	})
}
