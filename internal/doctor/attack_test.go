package doctor_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/bulkhead-run/bulkhead/internal/confine"
	"github.com/bulkhead-run/bulkhead/internal/doctor"
	"github.com/bulkhead-run/bulkhead/internal/escape"
	"github.com/bulkhead-run/bulkhead/supervisor"
)

// built is the directory of the real binaries, and cache that of the
// engine, which is compiled once.
var built, cache string

// builtKey names it in a test that runs as another user.
const builtKey = "DOCTOR_TEST_BINARIES"

func TestMain(m *testing.M) {
	os.Exit(func() int {
		var err error
		if cache, err = os.MkdirTemp("", "bulkhead-test-"); err != nil {
			panic(err)
		}
		defer os.RemoveAll(cache)
		if built = os.Getenv(builtKey); built != "" {
			return m.Run()
		}
		dir, err := os.MkdirTemp("", "bulkhead-test-")
		if err != nil {
			panic(err)
		}
		defer os.RemoveAll(dir)
		build := exec.Command("go", "build", "-o", dir, "../../cmd/sandbox", "../../cmd/database")
		build.Env = append(os.Environ(), "CGO_ENABLED=0")
		if out, err := build.CombinedOutput(); err != nil {
			fmt.Fprintf(os.Stderr, "build: %v\n%s", err, out)
			return 1
		}
		if err := os.Chmod(dir, 0o755); err != nil { // others run it, too
			panic(err)
		}
		built = dir
		return m.Run()
	}())
}

func attack(t *testing.T, modes confine.Modes, attempts []escape.Attempt) (*doctor.Attack, []confine.Layer) {
	t.Helper()
	binary := filepath.Join(built, "sandbox")
	layers, err := supervisor.Probe(t.Context(), supervisor.Options{SandboxBinary: binary, CacheDir: cache, Layers: modes})
	if err != nil {
		t.Fatal(err)
	}
	s := doctor.Target{Sandbox: binary, Database: filepath.Join(built, "database"), CacheDir: cache, Modes: modes, UID: supervisor.DefaultSandboxUID}
	heard := 0
	a, err := doctor.Run(t.Context(), s, layers, attempts, func(done, total int) {
		if heard++; done != heard || total != len(attempts) {
			t.Errorf("progress is %d of %d, after %d", done, total, heard)
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(a.Attempts) != len(attempts) || heard != len(attempts) {
		t.Errorf("%d attempts were made, and %d heard of", len(a.Attempts), heard)
	}
	return a, layers
}

// Nothing gets out of a locked process, nor past any one of the layers that are
// said to stop it; all of it works without them, or the test shows nothing.
func TestEscapes(t *testing.T) {
	a, layers := attack(t, nil, escape.Attempts())
	for _, m := range a.Attempts {
		switch {
		case m.Escaped:
			t.Errorf("%s works in a locked process: %s", m.Name, m.Note)
		case len(m.Weak) > 0:
			t.Errorf("%s: %v do not stop it alone", m.Name, m.Weak)
		case m.Proved:
		case os.Getuid() != 0, strings.HasSuffix(m.Note, "ENOSYS"), strings.HasSuffix(m.Note, "EAFNOSUPPORT"),
			strings.HasSuffix(m.Note, "EPROTONOSUPPORT"), strings.HasSuffix(m.Note, "ENOPROTOOPT"), strings.Contains(m.Note, "the kernel has no"):
			t.Logf("%s: %s", m.Name, m.Note)
		default:
			t.Errorf("%s is refused without layers as well, so it shows nothing: %s", m.Name, m.Note)
		}
	}
	for _, m := range a.Database {
		if m.Escaped {
			t.Errorf("%s works in a locked database process: %s", m.Name, m.Note)
		}
		if !m.Proved {
			t.Logf("%s in a database process: %s", m.Name, m.Note)
		}
	}
	layers = layers[1:] // of the cgroup, attempts show nothing
	for n, p := range a.Layers {
		if p.Name != layers[n].Name || p.Active != layers[n].Active {
			t.Errorf("layer %+v, in the report %+v", p, layers[n])
		}
		if p.Active && p.Stops == 0 && !(p.Name == "user" && os.Getuid() != 0) {
			t.Errorf("no attempt shows what %s does", p.Name)
		}
	}
	if a.Escapes != 0 || a.Weak != 0 {
		t.Errorf("%d escapes, %d weak", a.Escapes, a.Weak)
	}
}

// What root's sandboxes withstand, those of others do.
func TestUnprivileged(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("the other tests do run unprivileged")
	}
	dir, err := os.MkdirTemp("", "bulkhead-test-")
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(dir)
	if err := os.Chmod(dir, 0o777); err != nil {
		t.Fatal(err)
	}
	// The program of a test lies where others do not get to.
	self, err := os.ReadFile("/proc/self/exe")
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(built, "doctor.test")
	if err := os.WriteFile(path, self, 0o755); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(path, "-test.run", "^(TestEscapes|TestLayersTakenAway)$")
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), builtKey+"="+built, "TMPDIR="+dir, "XDG_RUNTIME_DIR=", "HOME="+dir)
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}

// An operator who turns layers off is told what gets out then.
func TestLayersTakenAway(t *testing.T) {
	find := func(names ...string) (attempts []escape.Attempt) {
		for _, a := range escape.Attempts() {
			if slices.Contains(names, a.Name) {
				attempts = append(attempts, a)
			}
		}
		return attempts
	}
	all := make(confine.Modes)
	for _, name := range confine.Names {
		all[name] = confine.Off
	}
	for name, tt := range map[string]struct {
		modes    confine.Modes
		attempts []escape.Attempt
		escapes  []string
	}{
		"seccomp":  {confine.Modes{"seccomp": confine.Off}, find("fork", "unix-pair", "open-file", "every-call"), []string{"fork", "unix-pair", "every-call"}},
		"files":    {confine.Modes{"seccomp": confine.Off, "landlock": confine.Off, "empty-root": confine.Off}, find("open-file", "exec", "raise-limit"), []string{"open-file", "exec"}},
		"landlock": {confine.Modes{"landlock": confine.Off}, find("open-file", "tcp"), nil},
		"all":      {all, find("open-file", "tcp", "fork", "read-memory", "signal", "map-rwx"), []string{"open-file", "tcp", "fork", "read-memory", "signal", "map-rwx"}},
	} {
		t.Run(name, func(t *testing.T) {
			a, _ := attack(t, tt.modes, tt.attempts)
			var escapes []string
			for _, m := range a.Attempts {
				if m.Escaped {
					escapes = append(escapes, m.Name)
				}
			}
			count := len(escapes)
			for _, m := range a.Database {
				if m.Escaped {
					count++
				}
			}
			slices.Sort(tt.escapes)
			slices.Sort(escapes)
			if !slices.Equal(escapes, tt.escapes) || a.Escapes != count {
				t.Errorf("%v got out, want %v", escapes, tt.escapes)
			}
		})
	}
}
