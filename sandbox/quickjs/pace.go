package quickjs

import (
	"encoding/binary"
	"time"

	"golang.org/x/sys/unix"
)

// QuickJS asks the interrupt hook after a number of polls: it polls at every
// call and every turn of a loop. Between two polls may lie an addition, or a
// native function that takes milliseconds. So the number is set anew each time
// the hook is asked, by how long the last ones took.
const (
	firstPolls = 16    // when a deadline is set, and nothing is known yet
	morePolls  = 8     // a number is at most this many times the one before
	maxPolls   = 1_000 // QuickJS's own is 10,000
	pollEvery  = 250 * time.Microsecond
	// modest is how much CPU time an invocation may use before it offers the
	// processor to others whenever it is asked. By itself Linux looks at every tick
	// of its clock, 4 ms, whether somebody else's turn has come.
	modest = 2 * time.Millisecond
)

// pace is how many polls there are until QuickJS asks again.
type pace struct {
	asked time.Duration // when it asked last, since processStart
	polls uint32
}

// next is called when QuickJS asks.
func (p *pace) next(now time.Duration) {
	took := max(now-p.asked, 1)
	fitting := time.Duration(p.polls) * pollEvery / took
	p.asked = now
	p.polls = uint32(max(1, min(fitting, time.Duration(p.polls)*morePolls, maxPolls)))
}

// setPace makes QuickJS ask after p.polls.
func (i *Instance) setPace(p pace) {
	i.pace = p
	if at := uint64(i.jsctx) + ctxInterruptCounter; i.jsctx != 0 && at+4 <= uint64(len(i.linear.bytes)) {
		binary.LittleEndian.PutUint32(i.linear.bytes[at:], p.polls)
	}
}

// interrupt is the interrupt hook: it tells whether JavaScript must stop.
func (i *Instance) interrupt() bool {
	if i.OnPoll != nil {
		i.OnPoll()
	}
	now := time.Since(processStart)
	p := i.pace
	p.next(now)
	i.setPace(p)
	if i.spend(now) > modest {
		_, _, _ = unix.RawSyscall(unix.SYS_SCHED_YIELD, 0, 0, 0) // it does not fail
	}
	if i.overCPU || int64(now) >= i.deadline.Load() {
		i.interrupted = true
	}
	return i.interrupted
}
