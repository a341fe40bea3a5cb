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

// limit bounds the process's resources by what its database may take. The rest
// of its lock-down has no numbers of its own (lock).
func limit(config *wire.Config) error {
	for _, l := range []struct {
		name     string
		resource int
		most     uint64
	}{
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
