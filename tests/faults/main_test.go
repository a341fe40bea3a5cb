package faults

import (
	"os"
	"testing"
	"time"

	"github.com/bulkhead-run/bulkhead/tests/daemon"
)

func TestMain(m *testing.M) {
	if os.Getenv(failFsyncKey) != "" {
		failFsync() // and become the program of the arguments
	}
	daemon.Main(m)
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
