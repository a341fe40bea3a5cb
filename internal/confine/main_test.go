package confine

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
)

// The process that is locked is this test binary, run again and built without
// cgo: what it does is named by its environment.
const (
	probeKey   = "CONFINE_PROBE"
	withoutKey = "CONFINE_WITHOUT" // layers that are left out, between commas
	targetKey  = "CONFINE_TARGET"  // an address that the probe may need
)

func TestMain(m *testing.M) {
	if name := os.Getenv(probeKey); name != "" {
		runProbe(name)
	}
	code := m.Run()
	if built != "" {
		_ = os.RemoveAll(built)
	}
	os.Exit(code)
}

var built string // the directory of the probe binary

var probeBinary = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "confine-test-")
	if err != nil {
		return "", err
	}
	built = dir
	path := filepath.Join(dir, "probe")
	cmd := exec.Command("go", "test", "-c", "-o", path, ".")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("building the probe: %w\n%s", err, out)
	}
	return path, nil
})

// probeCommand is a process that does what probe says without some layers.
func probeCommand(t *testing.T, probe, without, target string) *exec.Cmd {
	t.Helper()
	path, err := probeBinary()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(path)
	cmd.Env = []string{probeKey + "=" + probe, withoutKey + "=" + without, targetKey + "=" + target}
	return cmd
}
