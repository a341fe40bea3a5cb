package quickjs

import (
	"math"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// The process runs one goroutine at a time (cmd/sandbox), and JavaScript gives
// way to others only where it calls Go. So the process's CPU time can be dealt
// out by asking, at each of those places, who has had it since the last: the
// kernel knows of threads, which are not goroutines.
const (
	// briefly is what is taken as computed without asking the kernel, which
	// costs about as much as reading Go's clock twenty times: who was stopped
	// by the kernel is away for longer. It is more than pollEvery.
	briefly = 400 * time.Microsecond
	// recent is how old what the kernel last said may be when time begins to be
	// taken.
	recent = time.Millisecond
)

// account is the CPU time of one instance's invocation. The ledger's lock
// guards it.
type account struct {
	used  time.Duration
	limit time.Duration // MaxInt64 is none
}

// ledger knows which account the process's time goes to.
type ledger struct {
	mu    sync.Mutex
	owner *account      // nil when no JavaScript runs
	since time.Duration // its time is taken since then, since processStart
	at    time.Duration // when the kernel was asked last, since processStart,
	cpu   time.Duration // what the process had used then,
	dealt time.Duration // and what has been taken as computed since
	// ahead is what has been taken as computed, and was not, since others had
	// the processor for less than briefly at a time: some hundredths, on a busy
	// machine. Nothing is charged until it is made up for.
	ahead time.Duration

	kernel func() (time.Duration, bool) // what the process has used
}

// cpuTime is the one ledger: the process's time is dealt out once.
var cpuTime = ledger{kernel: func() (time.Duration, bool) {
	var t unix.Timespec
	err := unix.ClockGettime(unix.CLOCK_PROCESS_CPUTIME_ID, &t)
	return time.Duration(t.Nano()), err == nil
}}

// give has the time from now on go to an account, or to nobody. It returns what the
// account has used, and whether it is over its limit.
func (l *ledger) give(a *account, now time.Duration) (used time.Duration, over bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.settle(now)
	l.owner, l.since = a, now
	if a == nil {
		return 0, false
	}
	if now-l.at > recent {
		l.ask(now)
	}
	return a.used, a.used >= a.limit
}

// release ends an account's turn, if it has it, and returns what it has used.
func (l *ledger) release(a *account, now time.Duration) time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.owner == a {
		l.settle(now)
		l.owner = nil
	}
	return a.used
}

// settle charges the owner. The lock is held.
func (l *ledger) settle(now time.Duration) {
	if l.owner == nil {
		return
	}
	took := max(now-l.since, 0)
	if took > briefly {
		took = min(took, l.ask(now))
	} else {
		l.dealt += took
	}
	made := min(took, l.ahead)
	l.ahead -= made
	l.owner.used += took - made
}

// ask asks the kernel what the process has used, and returns what of it was not
// known. The lock is held.
func (l *ledger) ask(now time.Duration) time.Duration {
	cpu, ok := l.kernel()
	if !ok {
		return 0
	}
	unknown := cpu - l.cpu - l.dealt
	l.at, l.cpu, l.dealt = now, cpu, 0
	if unknown < 0 {
		l.ahead -= unknown
		return 0
	}
	return unknown
}

// StartCPU begins to take the instance's CPU time, from zero. JavaScript is
// interrupted as at a deadline once it has used limit; 0 is no limit.
func (i *Instance) StartCPU(limit time.Duration) {
	if limit <= 0 {
		limit = math.MaxInt64
	}
	i.cpu, i.overCPU = account{limit: limit}, false
	i.ResumeCPU()
}

// ResumeCPU goes on after PauseCPU, and after anything that may have let
// another instance run.
func (i *Instance) ResumeCPU() {
	if i.cpu.limit > 0 {
		i.spend(time.Since(processStart))
	}
}

// PauseCPU is called before a wait.
func (i *Instance) PauseCPU() {
	cpuTime.release(&i.cpu, time.Since(processStart))
}

// StopCPU ends what StartCPU began, and returns the time used.
func (i *Instance) StopCPU() time.Duration {
	used := cpuTime.release(&i.cpu, time.Since(processStart))
	i.overCPU = i.overCPU || used >= i.cpu.limit
	i.cpu.limit = 0
	return used
}

// OverCPU tells whether the instance has used more than StartCPU allowed.
func (i *Instance) OverCPU() bool { return i.overCPU }

// spend takes note that the instance has the processor, perhaps for nobody. It
// returns what its invocation has used.
func (i *Instance) spend(now time.Duration) (used time.Duration) {
	if i.cpu.limit == 0 {
		cpuTime.give(nil, now)
		return 0
	}
	used, over := cpuTime.give(&i.cpu, now)
	i.overCPU = i.overCPU || over
	return used
}
