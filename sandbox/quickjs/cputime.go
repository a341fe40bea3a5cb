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
	dealt time.Duration // and what has been dealt out since
}

// cpuTime is the one ledger: the process's time is dealt out once.
var cpuTime ledger

// give has the time from now on go to an account, or to nobody. It tells
// whether the account is over its limit.
func (l *ledger) give(a *account, now time.Duration) (over bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.settle(now)
	l.owner, l.since = a, now
	if a == nil {
		return false
	}
	if now-l.at > recent {
		l.ask(now)
	}
	return a.used >= a.limit
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
		known := l.cpu + l.dealt
		l.ask(now)
		took = max(min(took, l.cpu-known), 0)
	} else {
		l.dealt += took
	}
	l.owner.used += took
}

// ask asks the kernel what the process has used. The lock is held.
func (l *ledger) ask(now time.Duration) {
	var t unix.Timespec
	if unix.ClockGettime(unix.CLOCK_PROCESS_CPUTIME_ID, &t) == nil {
		l.at, l.cpu, l.dealt = now, time.Duration(t.Nano()), 0
	}
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

// spend takes note that the instance has the processor, perhaps for nobody.
func (i *Instance) spend(now time.Duration) {
	if i.cpu.limit == 0 {
		cpuTime.give(nil, now)
	} else if cpuTime.give(&i.cpu, now) {
		i.overCPU = true
	}
}
