package confine

import (
	"fmt"
	"slices"

	"golang.org/x/sys/unix"
)

// maxThreads bounds the threads of a process whose user is its own: the kernel
// counts them over all processes of a user.
const maxThreads = 128

type limit struct {
	name     string
	resource int
	max      uint64
}

// limits are the most that the process may have from now on, and cannot raise.
// Not among them: address space, of which Go and linear memory reserve far more than
// they use.
var limits = []limit{
	{"core", unix.RLIMIT_CORE, 0},
	{"nofile", unix.RLIMIT_NOFILE, 4096},  // a snapshot is one
	{"fsize", unix.RLIMIT_FSIZE, 4 << 30}, // of a snapshot: all linear memory there can be
	{"memlock", unix.RLIMIT_MEMLOCK, 0},
	{"msgqueue", unix.RLIMIT_MSGQUEUE, 0},
	{"nice", unix.RLIMIT_NICE, 0},
	{"rtprio", unix.RLIMIT_RTPRIO, 0},
}

func (l *locker) limitResources() (string, error) {
	list := limits
	if l.alone {
		list = append(slices.Clone(list), limit{"nproc", unix.RLIMIT_NPROC, maxThreads})
	}
	for _, l := range list {
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
