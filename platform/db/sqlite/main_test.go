package sqlite_test

import (
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/bulkhead-run/bulkhead/platform/db/wire"
)

// program is the real database program.
var program string

// TestMain fails when a test leaves a goroutine, a descriptor or a process
// behind.
func TestMain(m *testing.M) {
	if os.Getenv(wire.ConfigKey) != "" {
		impostor() // started by a test in place of the database program
	}
	flag.Parse()
	os.Exit(func() int {
		dir, err := os.MkdirTemp("", "bulkhead-test-")
		if err != nil {
			panic(err)
		}
		defer os.RemoveAll(dir)
		build := exec.Command("go", "build", "-o", dir, "github.com/bulkhead-run/bulkhead/cmd/database")
		build.Env = append(os.Environ(), "CGO_ENABLED=0")
		if out, err := build.CombinedOutput(); err != nil {
			fmt.Fprintf(os.Stderr, "build: %v\n%s", err, out)
			return 1
		}
		program = filepath.Join(dir, "database")
		goroutines, files := runtime.NumGoroutine(), descriptors()
		code := m.Run()
		for deadline := time.Now().Add(5 * time.Second); time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
			if runtime.NumGoroutine() <= goroutines && descriptors() <= files && len(processes(dir)) == 0 {
				return code
			}
		}
		buf := make([]byte, 1<<20)
		fmt.Printf("left: %d goroutines (%d before), %d descriptors (%d before), processes %v\n%s\n",
			runtime.NumGoroutine(), goroutines, descriptors(), files, processes(dir), buf[:runtime.Stack(buf, true)])
		return 1
	}())
}

func descriptors() int {
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		return 0
	}
	n := 0
	for _, e := range entries {
		// The runtime's own poller appears with the first use of a socket.
		if to, err := os.Readlink("/proc/self/fd/" + e.Name()); err == nil && !strings.HasPrefix(to, "anon_inode:") {
			n++
		}
	}
	return n
}

// processes returns the ids of those whose program lies in dir.
func processes(dir string) (pids []string) {
	links, _ := filepath.Glob("/proc/[0-9]*/exe")
	for _, link := range links {
		if exe, err := os.Readlink(link); err == nil && strings.HasPrefix(exe, dir+"/") {
			pids = append(pids, filepath.Base(filepath.Dir(link)))
		}
	}
	return pids
}
