// Package tests holds what no single package can test: the edges between
// packages, and the binaries as a user runs them.
package tests

import (
	"encoding/json"
	"errors"
	"io"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/bulkhead-run/bulkhead/"

// edges says which of our packages each package may import, and which
// packages it must not depend on even through others. docs/architecture.md
// draws the same picture. "x/..." stands for x and all below it.
var edges = []struct {
	pkg     string
	imports []string
	never   []string
}{
	{"internal/outcome", nil, []string{module}},
	{"value", nil, []string{module}},
	{"internal/sourcemap", nil, []string{module}},
	{"internal/child", nil, []string{module}},
	{"internal/child/childtest", nil, []string{module}},
	{"internal/cgroup", nil, []string{module}},
	{"internal/cgroup/cgrouptest", nil, []string{module}},
	{"internal/handshake", nil, []string{module}},
	{"internal/plainjson", nil, []string{module}},
	{"types", nil, []string{module}},
	{"docs", nil, []string{module}},
	{"bundle", []string{"internal/sourcemap"}, []string{module + "sandbox", module + "supervisor", module + "ipc"}},
	{"internal/prompt", nil, []string{module}},
	{"internal/snapshots", nil, []string{module}},
	{"internal/systemd", nil, []string{module, "net/http"}},
	{"internal/store", nil, []string{module + "sandbox", module + "supervisor", module + "ipc"}},
	{"internal/tokens", []string{"internal/store"}, []string{module + "sandbox", module + "supervisor", module + "ipc"}},
	{"internal/backup", []string{"internal/store"}, []string{module + "sandbox", module + "supervisor", module + "ipc", "modernc.org/sqlite"}},
	{"internal/confine", nil, []string{module}},
	{"internal/escape", []string{"internal/confine"}, []string{module + "ipc", module + "sandbox", module + "supervisor"}},
	{"internal/doctor", []string{"internal/cgroup", "internal/child", "internal/confine", "internal/escape", "internal/handshake", "ipc"},
		[]string{module + "sandbox", module + "supervisor", module + "internal/store"}},
	{"internal/confine/confinetest", []string{"internal/confine"}, nil},
	{"internal/activity", []string{"internal/outcome"}, []string{module + "supervisor"}},
	{"internal/assets", []string{"internal/outcome"}, []string{module + "supervisor"}},
	{"internal/recordings", nil, []string{module}},
	{"internal/ledger", nil, []string{module}},
	{"internal/fanout", nil, []string{module}},
	{"internal/tracing", nil, []string{module}},
	{"internal/journal", []string{"internal/fanout"}, []string{module + "supervisor"}},
	{"internal/audit", []string{"internal/fanout", "internal/plainjson", "policies"}, []string{module + "sandbox", module + "supervisor", module + "ipc"}},
	{"policies", nil, []string{"net", "github.com/tetratelabs/wazero"}},
	{"policies/seccomp", nil, []string{module, "os", "net"}},
	{"ipc/...", []string{"ipc/...", "policies", "internal/handshake", "internal/outcome", "internal/prompt", "value"}, []string{module + "sandbox", module + "supervisor"}},
	{"sandbox/quickjs", []string{"internal/outcome"}, []string{module + "ipc", module + "policies", "github.com/hashicorp/go-plugin"}},
	{"sandbox/prelude", nil, []string{module}},
	{"sandbox/webapi", nil, []string{module, "net/http"}},
	{"sandbox", []string{"sandbox/...", "ipc/...", "policies", "internal/outcome"},
		[]string{module + "supervisor", module + "platform", module + "gateway", module + "internal/store"}},
	{"plugin/pluginpb", nil, []string{module}},
	{"plugin", []string{"platform", "plugin/pluginpb", "value"},
		[]string{module + "ipc", module + "sandbox", module + "supervisor", module + "internal/store"}},
	{"platform/...", []string{"platform", "platform/db/...", "platform/internal/remote", "plugin/pluginpb", "policies", "internal/cgroup", "internal/child", "internal/confine", "internal/handshake", "internal/outcome", "internal/store", "value"},
		[]string{module + "ipc", module + "sandbox", module + "supervisor"}},
	{"supervisor", []string{"ipc/...", "policies", "internal/activity", "internal/assets", "internal/audit", "internal/cgroup", "internal/child", "internal/confine", "internal/fanout", "internal/handshake", "internal/journal", "internal/ledger", "internal/outcome", "internal/plainjson", "internal/recordings", "internal/snapshots", "internal/sourcemap", "internal/store", "platform", "value"},
		[]string{module + "sandbox", module + "gateway", module + "bundle", "github.com/evanw/esbuild", "github.com/tetratelabs/wazero"}},
	{"platform/db/wire", nil, []string{module}},
	{"platform/db/sqlite", []string{"internal/cgroup", "internal/child", "internal/confine", "platform", "platform/db", "platform/db/wire"}, []string{"modernc.org/sqlite"}},
	{"platform/db/postgres", []string{"platform", "platform/db", "platform/db/wire"}, nil},
	{"platform/db/worker", []string{"platform/db/wire"}, []string{"net/http"}},
	{"console", nil, []string{module}},
	{"gateway", []string{"console", "supervisor", "internal/outcome", "internal/plainjson", "internal/prompt", "internal/tokens", "policies", "value"}, []string{module + "sandbox", module + "bundle", "github.com/evanw/esbuild"}},
	{"client", []string{"internal/outcome", "value"}, []string{module + "sandbox", module + "supervisor", module + "ipc"}},
	{"tests/daemon", nil, []string{module}},
	{"cmd/database", []string{"internal/confine", "internal/escape", "platform/db/wire", "platform/db/worker", "policies/seccomp"}, []string{module + "supervisor", module + "platform/db/sqlite", "net/http"}},
	{"cmd/sandbox", []string{"sandbox", "ipc", "policies/seccomp", "internal/..."}, []string{module + "supervisor", module + "platform", module + "gateway"}},
}

type listed struct {
	ImportPath string
	Imports    []string
	Deps       []string
	Standard   bool
}

func listPackages(t *testing.T) []listed {
	t.Helper()
	out, err := exec.Command("go", "list", "-json=ImportPath,Imports,Deps,Standard", module+"...").Output()
	if err != nil {
		var exit *exec.ExitError
		if errors.As(err, &exit) {
			t.Fatalf("go list: %s", exit.Stderr)
		}
		t.Fatal(err)
	}
	var pkgs []listed
	for d := json.NewDecoder(strings.NewReader(string(out))); ; {
		var p listed
		if err := d.Decode(&p); errors.Is(err, io.EOF) {
			return pkgs
		} else if err != nil {
			t.Fatal(err)
		}
		pkgs = append(pkgs, p)
	}
}

func matches(pattern, pkg string) bool {
	if root, ok := strings.CutSuffix(pattern, "/..."); ok {
		return pkg == root || strings.HasPrefix(pkg, root+"/")
	}
	return pkg == pattern
}

func TestImportEdges(t *testing.T) {
	checked := make(map[string]bool)
	for _, p := range listPackages(t) {
		name := strings.TrimPrefix(p.ImportPath, module)
		for _, e := range edges {
			if !matches(e.pkg, name) {
				continue
			}
			checked[e.pkg] = true
			for _, i := range p.Imports {
				ours, isOurs := strings.CutPrefix(i, module)
				if isOurs && !slices.ContainsFunc(e.imports, func(a string) bool { return matches(a, ours) }) {
					t.Errorf("%s imports %s: not among the packages it may import", name, ours)
				}
			}
			for _, never := range e.never {
				for _, d := range p.Deps {
					if d == never || strings.HasPrefix(d, strings.TrimSuffix(never, "/")+"/") && never != "net" {
						t.Errorf("%s depends on %s: it never may", name, d)
					}
				}
			}
		}
	}
	for _, e := range edges {
		if !checked[e.pkg] {
			t.Errorf("no package matches %s: the table is out of date", e.pkg)
		}
	}
}

// Every regular expression is matched in linear time: no package has another
// matcher than the standard library's.
func TestNoBacktracking(t *testing.T) {
	for _, p := range listPackages(t) {
		for _, d := range p.Deps {
			for _, matcher := range []string{"github.com/dlclark/regexp2", "github.com/glenn-brown/golang-pkg-pcre", "go.elara.ws/pcre", "github.com/wasilibs/go-re2"} {
				if strings.HasPrefix(d, matcher) {
					t.Errorf("%s depends on %s", p.ImportPath, d)
				}
			}
		}
	}
}

// Only one package knows the WebAssembly runtime.
func TestOnlyQuickjsImportsWazero(t *testing.T) {
	for _, p := range listPackages(t) {
		for _, i := range p.Imports {
			if strings.HasPrefix(i, "github.com/tetratelabs/wazero") && p.ImportPath != module+"sandbox/quickjs" {
				t.Errorf("%s imports %s", p.ImportPath, i)
			}
		}
	}
}
