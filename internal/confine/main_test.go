package confine

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
)

// The process that is locked is this test binary, run again and built without
// cgo: what it does is named by its environment.
const (
	probeKey = "CONFINE_PROBE"
	uidKey   = "CONFINE_UID" // the user id that it takes
	// binaryKey names the probe's binary in a test that runs as another user.
	binaryKey = "CONFINE_BINARY"
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
	if path := os.Getenv(binaryKey); path != "" {
		return path, nil
	}
	dir, err := os.MkdirTemp("", "confine-test-")
	if err != nil {
		return "", err
	}
	built = dir
	if err := os.Chmod(dir, 0o755); err != nil { // it is run by others, too
		return "", err
	}
	path := filepath.Join(dir, "probe")
	cmd := exec.Command("go", "test", "-c", "-o", path, ".")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("building the probe: %w\n%s", err, out)
	}
	return path, nil
})

// apart tells whether processes can be started in namespaces here.
var apart = sync.OnceValue(func() error {
	cmd := exec.Command("/bin/true")
	cmd.SysProcAttr = &syscall.SysProcAttr{}
	Namespaces(cmd.SysProcAttr)
	return cmd.Run()
})

// lastUID counts what must not be used twice: the user ids of root's probes.
var lastUID atomic.Int32

// probeCommand is a process that does what probe says, of the user that the
// test runs as.
func probeCommand(t *testing.T, probe string) *exec.Cmd {
	t.Helper()
	path, err := probeBinary()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(path)
	uid := 0
	if os.Getuid() == 0 {
		uid = 0x7700_0000 + int(lastUID.Add(1))
	}
	cmd.Env = []string{probeKey + "=" + probe, uidKey + "=" + strconv.Itoa(uid)}
	cmd.SysProcAttr = &syscall.SysProcAttr{}
	if apart() == nil {
		Namespaces(cmd.SysProcAttr)
	}
	cmd.Dir = openDir(t)
	return cmd
}

// openDir is a directory that every user can reach and write to.
func openDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "confine-test-")
	if err == nil {
		err = os.Chmod(dir, 0o777)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	return dir
}

// What root can do an unprivileged user can, too.
func TestUnprivileged(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("the other tests do run unprivileged")
	}
	path, err := probeBinary()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(path, "-test.run", "^(TestReport|TestThreads|TestKeepDir)$")
	cmd.Dir = openDir(t)
	cmd.Env = append(os.Environ(), binaryKey+"="+path, "TMPDIR="+cmd.Dir)
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}
