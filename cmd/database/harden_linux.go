package main

import (
	"fmt"

	"golang.org/x/sys/unix"

	"github.com/bulkhead-run/bulkhead/platform/db/wire"
)

const (
	// leastMemory is what Go's own runtime takes at the most.
	leastMemory = 64 << 20
	// maxFiles is more than all connections need.
	maxFiles = 256
	// logShare is how much a write-ahead log may be larger than its database:
	// it grows while a reader still needs its beginning.
	logShare = 2
)

// harden takes from the process what it will never need: new privileges, core
// dumps, being read through /proc or ptrace by others of the same user, more
// memory than it was given, and files larger than its database may be.
func harden(config *wire.Config) error {
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return fmt.Errorf("no_new_privs: %w", err)
	}
	if err := unix.Prctl(unix.PR_SET_DUMPABLE, 0, 0, 0, 0); err != nil {
		return fmt.Errorf("dumpable: %w", err)
	}
	for _, l := range []struct {
		name     string
		resource int
		most     uint64
	}{
		{"core", unix.RLIMIT_CORE, 0},
		{"files", unix.RLIMIT_NOFILE, maxFiles},
		{"file size", unix.RLIMIT_FSIZE, logShare*uint64(config.MaxSize) + 16<<20},
		// What the process can write to and shares with nobody: Go's heap and
		// stacks, and SQLite's memory.
		{"memory", unix.RLIMIT_DATA, leastMemory + uint64(config.MaxMemory)},
	} {
		if err := unix.Setrlimit(l.resource, &unix.Rlimit{Cur: l.most, Max: l.most}); err != nil {
			return fmt.Errorf("the limit for %s: %w", l.name, err)
		}
	}
	return nil
}
