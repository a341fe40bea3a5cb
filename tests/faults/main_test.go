package faults

import (
	"fmt"
	"os"
	"os/exec"
	"testing"
	"time"
)

const module = "github.com/bulkhead-run/bulkhead/"

// binaries is the directory of the binaries under test.
var binaries string

func TestMain(m *testing.M) {
	if os.Getenv(failFsyncKey) != "" {
		failFsync() // and become the program of the arguments
	}
	dir, err := os.MkdirTemp("", "bulkhead-faults")
	if err != nil {
		panic(err)
	}
	binaries = dir
	build := exec.Command("go", "build", "-o", dir+"/", module+"cmd/supervisor", module+"cmd/sandbox", module+"cmd/database")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	build.Stderr = os.Stderr
	if err := build.Run(); err != nil {
		panic(fmt.Sprintf("building the binaries: %v", err))
	}
	code := m.Run()
	if err := os.RemoveAll(dir); err != nil {
		panic(err)
	}
	os.Exit(code)
}

// lasting is how long a test at random goes on: short, unless BULKHEAD_FAULTS
// says otherwise.
func lasting(t *testing.T, short time.Duration) time.Duration {
	t.Helper()
	text := os.Getenv("BULKHEAD_FAULTS")
	if text == "" {
		return short
	}
	d, err := time.ParseDuration(text)
	if err != nil {
		t.Fatalf("BULKHEAD_FAULTS is %q: not a duration", text)
	}
	return d
}

// eventually waits until ok holds.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(30 * time.Second); !ok(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("never: %s", what)
		}
	}
}
