package main

import (
	"errors"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/bulkhead-run/bulkhead/internal/confine/confinetest"
	"github.com/bulkhead-run/bulkhead/supervisor"
)

func TestMain(m *testing.M) {
	confinetest.BeTraced()
	os.Exit(m.Run())
}

func TestRefusals(t *testing.T) {
	binary := filepath.Join(t.TempDir(), "sandbox")
	if out, err := exec.Command("go", "build", "-o", binary, ".").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	for name, tt := range map[string]struct {
		env  []string
		code int
		want string
	}{
		"by hand":       {nil, exitByHand, "supervisor run FILE.js"},
		"other version": {[]string{"BULKHEAD_SANDBOX=started-by-the-bulkhead-supervisor", "BULKHEAD_SUPERVISOR_VERSION=v9.9.9 9.abc"}, exitVersion, "the supervisor is v9.9.9, protocol 9.abc; install both"},
	} {
		cmd := exec.Command(binary)
		cmd.Env = append(os.Environ(), tt.env...)
		out, err := cmd.CombinedOutput()
		var exit *exec.ExitError
		if !errors.As(err, &exit) || exit.ExitCode() != tt.code || !strings.Contains(string(out), tt.want) {
			t.Errorf("%s: %v, %q; want exit code %d and %q", name, err, out, tt.code, tt.want)
		}
	}
}

// A process that cannot be locked down does not serve, and says why.
func TestUnlockedDoesNotServe(t *testing.T) {
	if _, err := exec.LookPath("gcc"); err != nil {
		t.Skip("a binary that cannot be locked needs a C compiler")
	}
	dir := t.TempDir()
	binary := filepath.Join(dir, "sandbox")
	build := exec.Command("go", "build", "-o", binary, ".")
	build.Env = append(os.Environ(), "CGO_ENABLED=1")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	t.Setenv("XDG_RUNTIME_DIR", shortDir(t))
	s, err := supervisor.New(t.Context(), supervisor.Options{
		SandboxBinary: binary, DataDir: filepath.Join(dir, "data"),
		Logger: slog.New(slog.DiscardHandler), Spares: 1, StartTimeout: time.Minute,
	})
	if err == nil {
		_ = s.Close()
	}
	if err == nil || !strings.Contains(err.Error(), "build it with CGO_ENABLED=0") {
		t.Errorf("got %v", err)
	}
}

// shortDir is for sockets, whose paths must be short.
func shortDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("/tmp", "bh")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	return dir
}
