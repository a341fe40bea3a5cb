package supervisor

import (
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// frameCPU is what a process may use for a frame that it sends or gets, beside
// its invocations' limits.
const frameCPU = 100 * time.Microsecond

// tick is how far the kernel's account of a process that runs on another
// processor may be behind.
const tick = 10 * time.Millisecond

// runners are what computes in a process, to hold functions to their CPU time
// when the process does not. Only what the process has used beyond what all the
// others may have used is held against one of them: siblings are never killed
// for each other, and one beside a function without a limit ends at its timeout.
type runners struct {
	mu   sync.Mutex
	list []*runner
}

// runner is an invocation, or a load, whose limit is 0 as that of a function
// that has none.
type runner struct {
	r       *resident
	inv     *invocation
	began   time.Time
	limit   time.Duration
	frames  atomic.Int64
	before  time.Duration // the process's CPU time when it began
	excused time.Duration // of others that have ended; guarded by runners.mu
	timer   *time.Timer
}

func (r *resident) begin(inv *invocation, limit time.Duration) *runner {
	rn := &runner{r: r, inv: inv, began: time.Now(), limit: limit}
	if limit > 0 {
		rn.before = r.CPU()
	}
	r.runners.mu.Lock()
	defer r.runners.mu.Unlock()
	r.runners.list = append(r.runners.list, rn)
	if limit > 0 {
		rn.timer = time.AfterFunc(limit+r.s.o.Grace, rn.check)
	}
	return rn
}

// end returns the most that it can have used.
func (rn *runner) end() time.Duration {
	r, now := rn.r, time.Now()
	r.runners.mu.Lock()
	if i := slices.Index(r.runners.list, rn); i >= 0 {
		r.runners.list = slices.Delete(r.runners.list, i, i+1)
	}
	for _, other := range r.runners.list {
		if other.limit > 0 {
			other.excused += rn.share(other, now)
		}
	}
	r.runners.mu.Unlock()
	most := now.Sub(rn.began)
	if rn.timer != nil {
		rn.timer.Stop()
		most = min(most, r.CPU()-rn.before+tick)
	}
	return most
}

// allowance is what the runner may use itself.
func (rn *runner) allowance() time.Duration {
	return rn.limit + rn.r.s.o.Grace + time.Duration(rn.frames.Load())*frameCPU
}

// share is what the runner may have used since another began.
func (rn *runner) share(other *runner, now time.Time) time.Duration {
	since := rn.began
	if since.Before(other.began) {
		since = other.began
	}
	both := now.Sub(since)
	if rn.limit > 0 {
		both = min(both, rn.allowance())
	}
	return both
}

// over is how much more the process has used since the runner began than the
// runner and all others may have. The runners' lock is held.
func (rn *runner) over(cpu time.Duration, now time.Time) time.Duration {
	most := rn.allowance() + rn.excused
	for _, other := range rn.r.runners.list {
		if other != rn {
			most += other.share(rn, now)
		}
	}
	return cpu - rn.before - most
}

// check kills the process if it has used more than the runner and all others
// may have. Should that hold of several runners at once, it is held against the
// one that is over by the most.
func (rn *runner) check() {
	r := rn.r
	r.runners.mu.Lock()
	defer r.runners.mu.Unlock()
	if !slices.Contains(r.runners.list, rn) {
		return
	}
	cpu, now := r.CPU(), time.Now()
	worst, over := rn, rn.over(cpu, now)
	if over < 0 {
		rn.timer.Reset(max(-over, time.Millisecond))
		return
	}
	for _, other := range r.runners.list {
		if other.limit == 0 {
			continue
		}
		if by := other.over(cpu, now); by > over {
			worst, over = other, by
		}
	}
	r.kill(causeCPU, worst.inv)
}

// admitCPU refuses an invocation of a tenant that has used up its tier's CPU
// time. Where control groups hold tenants to it, none is refused.
func (s *Supervisor) admitCPU(tenant, function string) error {
	if !s.quotas.Load() {
		return nil
	}
	tier := s.tierOf(tenant)
	if tier.CPU == 0 {
		return nil
	}
	wait, ok := s.usages.admit(tenant, tier.CPU, time.Now())
	if ok {
		return nil
	}
	e := overloaded(tenant, function, fmt.Sprintf("the tenant has used more than its %g processors, and the %d s that it could save up", tier.CPU, quotaBurst), wait)
	e.Remedy = "compute less, or have the operator raise the tier's cpu"
	return e
}
