package cgroup_test

import (
	"bufio"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/bulkhead-run/bulkhead/internal/cgroup"
	"github.com/bulkhead-run/bulkhead/internal/cgroup/cgrouptest"
)

// start starts a shell command in a group. It ends with the test.
func start(t *testing.T, g *cgroup.Group, command string) *exec.Cmd {
	t.Helper()
	c := exec.Command("/bin/sh", "-c", command)
	c.SysProcAttr = &syscall.SysProcAttr{UseCgroupFD: true, CgroupFD: int(g.Dir().Fd())}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = c.Process.Kill()
		_ = c.Wait()
	})
	return c
}

func open(t *testing.T, parent string) *cgroup.Tree {
	t.Helper()
	tree, err := cgroup.Open(parent)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = tree.Close() })
	return tree
}

func newGroup(t *testing.T, tree *cgroup.Tree) *cgroup.Group {
	t.Helper()
	g, err := tree.New("sandbox")
	if err != nil {
		t.Fatal(err)
	}
	return g
}

func TestGroupHoldsItsProcess(t *testing.T) {
	parent := cgrouptest.Parent(t)
	tree := open(t, parent)
	g := newGroup(t, tree)
	c := start(t, g, "while :; do :; done & wait") // a child of its own, too
	own, err := os.ReadFile("/proc/" + itoa(c.Process.Pid) + "/cgroup")
	if err != nil || !strings.Contains(string(own), "/sandbox-1\n") {
		t.Errorf("it runs in %s, %v", own, err)
	}
	for end := time.Now().Add(20 * time.Second); ; time.Sleep(time.Millisecond) {
		used, err := g.CPU()
		if err != nil {
			t.Fatal(err)
		}
		if used > 20*time.Millisecond {
			break
		}
		if time.Now().After(end) {
			t.Fatalf("a loop has used %v", used)
		}
	}
	if err := g.Kill(); err != nil {
		t.Fatal(err)
	}
	var exit *exec.ExitError
	if err := c.Wait(); !errors.As(err, &exit) || exit.Sys().(syscall.WaitStatus).Signal() != syscall.SIGKILL {
		t.Errorf("it ended with %v", err)
	}
	if g.OOMKilled() {
		t.Error("that was not for memory")
	}
	if err := g.Remove(); err != nil {
		t.Error(err)
	}
	if err := g.Remove(); err != nil {
		t.Errorf("removed twice: %v", err)
	}
	if left := cgrouptest.Groups(t, parent); len(left) > 0 {
		t.Errorf("left: %v", left)
	}
}

func TestRemoveEndsWhatIsLeft(t *testing.T) {
	parent := cgrouptest.Parent(t)
	tree := open(t, parent)
	g := newGroup(t, tree)
	start(t, g, "exec sleep 1000")
	if err := g.Remove(); err != nil {
		t.Fatal(err)
	}
	if left := cgrouptest.Groups(t, parent); len(left) > 0 {
		t.Errorf("left: %v", left)
	}
}

// What a supervisor that was killed leaves behind is gone after the next start;
// what is none of ours stays.
func TestOpenSweeps(t *testing.T) {
	parent := cgrouptest.Parent(t)
	first := open(t, parent)
	c := start(t, newGroup(t, first), "exec sleep 1000")
	if err := os.Mkdir(filepath.Join(parent, "sandbox-other"), 0o755); err != nil {
		t.Fatal(err)
	}
	if _, err := cgroup.Open(parent); err == nil || !strings.Contains(err.Error(), "another supervisor uses it") {
		t.Errorf("opened a second time: %v", err)
	}
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	second := open(t, parent)
	_ = c.Wait() // it has been killed
	if left := cgrouptest.Groups(t, parent); len(left) != 1 || left[0] != "sandbox-other" {
		t.Errorf("left: %v", left)
	}
	if err := newGroup(t, second).Remove(); err != nil {
		t.Error(err)
	}
}

func TestOpenMovesTheSupervisor(t *testing.T) {
	// The test binary again, in the directory itself.
	run := func(dir *os.File) string {
		c := exec.Command(os.Args[0])
		c.Env = append(os.Environ(), innerKey+"="+dir.Name())
		c.SysProcAttr = &syscall.SysProcAttr{UseCgroupFD: true, CgroupFD: int(dir.Fd())}
		out, err := c.CombinedOutput()
		if err != nil {
			t.Errorf("%v: %s", err, out)
		}
		return string(out)
	}
	alone := openDir(t, cgrouptest.Parent(t))
	if got := run(alone); !strings.HasSuffix(got, "/supervisor\n") {
		t.Errorf("it moved to %q", got)
	}
	// With somebody else there it does not start.
	dir := openDir(t, cgrouptest.Parent(t))
	c := exec.Command("/bin/sh", "-c", "exec sleep 1000")
	c.SysProcAttr = &syscall.SysProcAttr{UseCgroupFD: true, CgroupFD: int(dir.Fd())}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Process.Kill(); _ = c.Wait() }()
	if got := run(dir); !strings.Contains(got, "the group must be the supervisor's alone") {
		t.Errorf("with another process: %q", got)
	}
}

func openDir(t *testing.T, path string) *os.File {
	t.Helper()
	dir, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = dir.Close() })
	return dir
}

func TestOpenRefuses(t *testing.T) {
	parent := cgrouptest.Parent(t)
	for path, want := range map[string]string{
		t.TempDir():                         "not in a cgroup2 file system",
		filepath.Join(parent, "no", "such"): "no such file",
	} {
		if tree, err := cgroup.Open(path); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, %v", path, tree, err)
		}
	}
}

func TestLimitsAreInForce(t *testing.T) {
	parent := cgrouptest.Parent(t, "cpu", "memory", "pids")
	tree := open(t, parent)
	if len(tree.Missing()) > 0 {
		t.Fatalf("missing: %v", tree.Missing())
	}
	g := newGroup(t, tree)
	defer g.Remove()
	if err := g.Limit(cgroup.Limits{Memory: 64<<20 + 5, CPU: 0.25, Weight: 300, PIDs: 20}); err != nil {
		t.Fatal(err)
	}
	for file, want := range map[string]string{
		"memory.max": "67108864", "memory.oom.group": "1", "cpu.max": "25000 100000", "cpu.weight": "300", "pids.max": "20",
	} {
		got, err := os.ReadFile(filepath.Join(g.Dir().Name(), file))
		if err != nil || strings.TrimSpace(string(got)) != want {
			t.Errorf("%s is %s, %v; want %s", file, got, err, want)
		}
	}
	if err := g.Limit(cgroup.Limits{Weight: 20_000}); err == nil || !strings.Contains(err.Error(), "cpu.weight = 20000") {
		t.Errorf("a weight that there is not: %v", err)
	}
	if err := g.Limit(cgroup.Limits{CPU: cgroup.NoLimit}); err != nil {
		t.Error(err)
	}
}

func TestOOMKillIsTold(t *testing.T) {
	tree := open(t, cgrouptest.Parent(t, "memory"))
	g := newGroup(t, tree)
	defer g.Remove()
	if err := g.Limit(cgroup.Limits{Memory: 32 << 20}); err != nil {
		t.Fatal(err)
	}
	// Twice as much as it may take, through a pipe: tail keeps all of one line.
	c := start(t, g, "head -c 67108864 /dev/zero | tail -c 67108864 > /dev/null")
	err := c.Wait()
	if err == nil || !g.OOMKilled() {
		t.Errorf("it ended with %v, for memory: %t", err, g.OOMKilled())
	}
}

func TestPIDs(t *testing.T) {
	tree := open(t, cgrouptest.Parent(t, "pids"))
	g := newGroup(t, tree)
	defer g.Remove()
	if err := g.Limit(cgroup.Limits{PIDs: 4}); err != nil {
		t.Fatal(err)
	}
	c := exec.Command("/bin/sh", "-c", "for i in 1 2 3 4 5 6 7 8; do sleep 1000 & done; wait")
	c.SysProcAttr = &syscall.SysProcAttr{UseCgroupFD: true, CgroupFD: int(g.Dir().Fd())}
	errs, err := c.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	said, err := bufio.NewReader(errs).ReadString('\n')
	if err != nil || !strings.Contains(strings.ToLower(said), "fork") {
		t.Errorf("it said %q, %v", said, err)
	}
	if err := g.Kill(); err != nil {
		t.Error(err)
	}
	_ = c.Wait()
}

// A group that may use a quarter of a processor gets about that.
func TestCPUMax(t *testing.T) {
	tree := open(t, cgrouptest.Parent(t, "cpu"))
	g := newGroup(t, tree)
	defer g.Remove()
	if err := g.Limit(cgroup.Limits{CPU: 0.25}); err != nil {
		t.Fatal(err)
	}
	start(t, g, "while :; do :; done & while :; do :; done")
	began := time.Now()
	for { // until the kernel has held it back some times
		stat, err := os.ReadFile(filepath.Join(g.Dir().Name(), "cpu.stat"))
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(string(stat), "nr_throttled 1") && time.Since(began) > time.Second {
			break
		}
		if time.Since(began) > 20*time.Second {
			t.Fatalf("it was never held back: %s", stat)
		}
		time.Sleep(10 * time.Millisecond)
	}
	used, err := g.CPU()
	if passed := time.Since(began); err != nil || used > passed*35/100+50*time.Millisecond {
		t.Errorf("it has used %v of %v, %v", used, passed, err)
	}
}
