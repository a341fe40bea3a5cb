package ipc

import (
	"time"

	"github.com/bulkhead-run/bulkhead/ipc/sandboxpb"
)

const (
	// LeastIdle is the shortest wait that an Idle tells of: a shorter one is over
	// before anybody could make use of it.
	LeastIdle = 2 * time.Millisecond
	// MaxIdles is how many of them an invocation sends. Further waits count as
	// computing.
	MaxIdles = 1000
)

// CheckIdle returns how long an invocation says that it waits, in the given Idle
// of its: the first has the number 1.
func CheckIdle(f *sandboxpb.Idle, number int) (time.Duration, error) {
	wait := time.Duration(f.GetWaitNs())
	if wait < LeastIdle {
		return 0, violationf("Idle", "it is of %v; the least is %v", wait, LeastIdle)
	}
	if number > MaxIdles {
		return 0, violationf("Idle", "it is one more than %d", MaxIdles)
	}
	return wait, nil
}
