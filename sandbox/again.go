package sandbox

import (
	"time"

	"github.com/bulkhead-run/bulkhead/ipc/sandboxpb"
	"github.com/bulkhead-run/bulkhead/sandbox/quickjs"
)

// patience is how long an invocation that has left its course waits for an
// answer before its timers go off. Whoever repeats it answers at once what can
// be answered.
const patience = 50 * time.Millisecond

// waitAgain is wait for an invocation that takes a course again: it is told of
// the same things in the same order, and timers take no time. Once it leaves the
// course, it is told of answers before timers.
func (inv *invocation) waitAgain() error {
	if kind, n, ok := inv.clock.next(); ok {
		if kind == wasTimer {
			id := int32(uint32(n))
			if e := inv.timers.byID[id]; e != nil {
				return inv.fireAgain(e.due, id)
			}
		} else if inv.outstanding > 0 {
			if r := inv.awaitAnswer(uint32(n)); r != nil {
				return inv.settle(r)
			}
		}
		if inv.inst.Expired() {
			return quickjs.ErrInterrupted
		}
		inv.clock.lost = true
	}
	until := time.Now().Add(patience)
	for {
		if r := inv.nextResult(); r != nil {
			return inv.settle(r)
		}
		due, armed := inv.timers.next()
		now := time.Now()
		switch {
		case inv.inst.Expired():
			return quickjs.ErrInterrupted
		case !armed && inv.outstanding == 0:
			return errNeverSettles
		case armed && (inv.outstanding == 0 || !now.Before(until)):
			return inv.fireAgain(due, inv.timers.queue[0].id)
		case armed:
			inv.pause(now, until)
		default:
			inv.pause(now, inv.deadline)
		}
	}
}

// fireAgain fires a timer; the clock is at least where it was due.
func (inv *invocation) fireAgain(due time.Time, id int32) error {
	if inv.clock.lost {
		inv.clock.offset = max(inv.clock.offset, due.Sub(inv.clock.start))
	}
	inv.timers.takeByID(id)
	return inv.fire(id)
}

// awaitAnswer waits for the answer to a call. Others that come first are kept.
func (inv *invocation) awaitAnswer(call uint32) *sandboxpb.HostResult {
	until := time.Now().Add(20 * patience) // the call may never be made
	for {
		for n, r := range inv.waiting {
			if r.GetCall() == call {
				inv.waiting = append(inv.waiting[:n:n], inv.waiting[n+1:]...)
				return r
			}
		}
		r := inv.inbox.take(inv.id)
		now := time.Now()
		switch {
		case r != nil:
			inv.waiting = append(inv.waiting, r)
		case inv.inst.Expired() || !now.Before(until):
			return nil
		default:
			inv.pause(now, until)
		}
	}
}
