// Package cgrouptest gives tests a directory of the machine's real cgroup2
// file system.
package cgrouptest

import (
	"bufio"
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// parentKey names, in the environment, a directory to use: one that is delegated
// to the user who runs the tests.
const parentKey = "BULKHEAD_TEST_CGROUP"

// Parent makes a directory of control groups that is removed at the test's end,
// with what is in it. The test is skipped, and says why, if there can be none.
// If controllers are named, it is skipped where one of them is missing.
func Parent(t testing.TB, controllers ...string) string {
	t.Helper()
	above := os.Getenv(parentKey)
	if above == "" {
		above = mount()
	}
	if above == "" {
		t.Skip("cgroup v2 is not mounted")
	}
	there, _ := os.ReadFile(filepath.Join(above, "cgroup.controllers"))
	for _, c := range controllers {
		if !strings.Contains(" "+strings.TrimSpace(string(there))+" ", " "+c+" ") {
			t.Skipf("%s does not have the controller %s (another can be named with %s)", above, c, parentKey)
		}
		if err := os.WriteFile(filepath.Join(above, "cgroup.subtree_control"), []byte("+"+c), 0); err != nil {
			t.Skipf("the controller %s cannot be switched on: %v", c, err)
		}
	}
	dir := filepath.Join(above, "bulkhead-test-"+strconv.Itoa(os.Getpid())+"-"+strconv.FormatInt(time.Now().UnixNano(), 36))
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Skipf("no control group can be made: %v", err)
	}
	t.Cleanup(func() {
		end := time.Now().Add(10 * time.Second)
		for {
			err := remove(dir)
			if err == nil || !errors.Is(err, syscall.EBUSY) || time.Now().After(end) {
				if err != nil {
					t.Error(err)
				}
				return
			}
			time.Sleep(5 * time.Millisecond) // processes are ending
		}
	})
	return dir
}

func remove(dir string) error {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if e.IsDir() {
			if err := remove(filepath.Join(dir, e.Name())); err != nil {
				return err
			}
		}
	}
	_ = os.WriteFile(filepath.Join(dir, "cgroup.kill"), []byte("1"), 0)
	return os.Remove(dir)
}

func mount() string {
	f, err := os.Open("/proc/self/mounts")
	if err != nil {
		return ""
	}
	defer f.Close()
	for lines := bufio.NewScanner(f); lines.Scan(); {
		if fields := strings.Fields(lines.Text()); len(fields) > 2 && fields[2] == "cgroup2" {
			return fields[1]
		}
	}
	return ""
}

// Groups lists what is in a directory of control groups, those of a supervisor's
// own left out.
func Groups(t testing.TB, dir string) (names []string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if e.IsDir() && e.Name() != "supervisor" {
			names = append(names, e.Name())
		}
	}
	return names
}
