package supervisor

import (
	"time"

	"github.com/bulkhead-run/bulkhead/ipc"
	"github.com/bulkhead-run/bulkhead/ipc/sandboxpb"
)

// idle is what an invocation says of waiting for its own timers. A sandbox that
// lies gains nothing by it: its process computes on as much of the machine as the
// kernel gives to it, however many of its invocations do.
type idle struct {
	count int
	alarm *time.Timer // when the wait that is under way ends; nil for none
}

// rest leaves the invocation's seat to others, until its timer is due or the
// invocation is heard of again.
func (t *turn) rest(f *sandboxpb.Idle) error {
	t.idle.count++
	wait, err := ipc.CheckIdle(f, t.idle.count)
	if err != nil {
		return err
	}
	t.inv.seat.wait()
	t.idle.alarm = time.AfterFunc(wait, t.inv.seat.resume)
	return nil
}

// wake takes the seat again, if that has not come about.
func (t *turn) wake() {
	if t.idle.alarm != nil && t.idle.alarm.Stop() {
		t.inv.seat.resume()
	}
	t.idle.alarm = nil
}
