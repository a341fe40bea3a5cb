package confine

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// limits are the most that the process may have from now on, and cannot raise.
// Not among them: address space, of which Go and linear memory reserve far more than
// they use; and processes, which the kernel counts over all of a user's, threads
// included.
var limits = []struct {
	name     string
	resource int
	max      uint64
}{
	{"core", unix.RLIMIT_CORE, 0},
	{"nofile", unix.RLIMIT_NOFILE, 4096},  // a snapshot is one
	{"fsize", unix.RLIMIT_FSIZE, 4 << 30}, // of a snapshot: all linear memory there can be
	{"memlock", unix.RLIMIT_MEMLOCK, 0},
	{"msgqueue", unix.RLIMIT_MSGQUEUE, 0},
	{"nice", unix.RLIMIT_NICE, 0},
	{"rtprio", unix.RLIMIT_RTPRIO, 0},
}

func limitResources() (string, error) {
	for _, l := range limits {
		var now unix.Rlimit
		if err := unix.Prlimit(0, l.resource, nil, &now); err != nil {
			return "", fmt.Errorf("%s: %w", l.name, err)
		}
		most := min(l.max, now.Max) // a limit that is lower already stays
		want := unix.Rlimit{Cur: most, Max: most}
		if err := unix.Prlimit(0, l.resource, &want, nil); err != nil {
			return "", fmt.Errorf("%s: %w", l.name, err)
		}
		if err := unix.Prlimit(0, l.resource, nil, &now); err != nil || now != want {
			return "", fmt.Errorf("%s is %d, not %d (%v)", l.name, now.Max, most, err)
		}
	}
	return "", nil
}
