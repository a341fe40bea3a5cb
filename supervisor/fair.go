package supervisor

import (
	"context"
	"fmt"
	"runtime"
	"sync"
	"time"
)

const (
	// runningPerCPU is how many invocations compute at once on a processor: a
	// few, so that it has something to do while others are on their way to or
	// from their processes. A tenant that has the machine to itself may have
	// twice as many: a flood is served a fifth faster then, but one call in ten of
	// another tenant would take 3.3 times as long as it does alone, not 1.8 times.
	runningPerCPU = 2
	// company is how long ago the latest change of tenants may be, for them to
	// be beside each other.
	company = time.Second
	// firstPerShare is how many more there are room for, as a multiple, of
	// tenants that have none running: their first does not wait for others'.
	firstPerShare = 4
)

// fair shares the machine among tenants: so many invocations compute at once,
// and whose turn is next goes by how long each tenant's have computed, over its
// weight (start-time fair queueing, charged with measured time). An invocation
// that waits, for a host call or for time to pass, does not count.
type fair struct {
	slots int

	mu      sync.Mutex
	running int
	waiting int
	clock   float64 // virtual time: that of the latest start
	lines   map[string]*line
	queued  map[string]*line // of these, those in which somebody waits
	latest  string           // who came last
	changed time.Time        // when that was another than before
}

// line is a tenant's, while it has invocations.
type line struct {
	tenant  string
	weight  float64
	virtual float64 // when its next starts, in seconds of weight 1
	mean    float64 // seconds that its invocations compute, lately
	seats   int     // invocations that run, compute or not
	running int     // of these, those that compute
	queue   []*seat
}

// seat is one invocation's place.
type seat struct {
	f       *fair
	line    *line
	turn    chan struct{} // closed when it may run
	charged float64       // what its line was charged ahead
	used    float64       // seconds that it has computed
	since   time.Time     // when it began to
	waits   int           // what it waits for
	left    bool
}

func newFair(slots int) *fair {
	if slots == 0 {
		slots = runningPerCPU * runtime.GOMAXPROCS(0)
	}
	return &fair{slots: slots, lines: make(map[string]*line), queued: make(map[string]*line)}
}

// enter waits for a turn, at most for patience. The caller calls leave when
// done.
func (f *fair) enter(ctx context.Context, tenant, function string, weight int, patience time.Duration) (*seat, error) {
	s := &seat{f: f, turn: make(chan struct{})}
	f.mu.Lock()
	l := f.lines[tenant]
	if l == nil {
		l = &line{tenant: tenant}
		f.lines[tenant] = l
	}
	if len(l.queue) == 0 {
		l.virtual = max(l.virtual, f.clock) // time without anybody waiting is not saved up
	}
	if f.latest != tenant {
		if f.latest != "" {
			f.changed = time.Now()
		}
		f.latest = tenant
	}
	s.line, l.weight = l, float64(weight)/float64(defaultTier.Weight)
	l.queue = append(l.queue, s)
	f.queued[tenant] = l
	f.waiting++
	f.dispatch()
	f.mu.Unlock()
	select {
	case <-s.turn:
		return s, nil
	default:
	}

	timer := time.NewTimer(patience)
	defer timer.Stop()
	var err error
	select {
	case <-s.turn:
		return s, nil
	case <-timer.C:
		e := overloaded(tenant, function, fmt.Sprintf("it waited %v for its turn beside other tenants", patience), retryAfter)
		e.Remedy = "send it again later, or send less at once"
		err = e
	case <-ctx.Done():
		err = ctx.Err()
	}
	f.mu.Lock()
	for i, other := range l.queue {
		if other == s {
			l.queue = append(l.queue[:i], l.queue[i+1:]...)
			f.waiting--
			f.tidy(l)
			f.mu.Unlock()
			return nil, err
		}
	}
	f.mu.Unlock()
	s.leave() // the turn came at the same moment
	return nil, err
}

// dispatch gives turns as long as there are any: first to whom it is due. The
// lock is held.
func (f *fair) dispatch() {
	if f.waiting == 0 {
		return
	}
	slots := f.slots
	if time.Since(f.changed) > company {
		slots *= 2
	}
	for f.waiting > 0 {
		var next *line
		for _, l := range f.queued {
			if (f.running < slots || l.running == 0 && f.running < firstPerShare*f.slots) && (next == nil || l.virtual < next.virtual) {
				next = l
			}
		}
		if next == nil {
			return
		}
		s := next.queue[0]
		next.queue = next.queue[1:]
		f.waiting--
		f.clock = max(f.clock, next.virtual)
		s.charged = next.mean
		next.virtual += s.charged / next.weight
		next.seats++
		s.compute()
		if len(next.queue) == 0 {
			delete(f.queued, next.tenant)
		}
		close(s.turn)
	}
}

// tidy forgets what is not needed any more. The lock is held.
func (f *fair) tidy(l *line) {
	if len(l.queue) == 0 {
		delete(f.queued, l.tenant)
		if l.seats == 0 {
			delete(f.lines, l.tenant)
		}
	}
}

// compute and rest count a seat as one that computes, or not. The lock is held.
func (s *seat) compute() {
	s.since = time.Now()
	s.line.running++
	s.f.running++
}

func (s *seat) rest() {
	s.used += time.Since(s.since).Seconds()
	s.line.running--
	s.f.running--
}

// leave ends an invocation's turn, and charges its tenant for what it took.
func (s *seat) leave() {
	s.f.mu.Lock()
	defer s.f.mu.Unlock()
	if s.waits == 0 {
		s.rest()
	}
	s.left = true
	l := s.line
	l.seats--
	l.mean += (s.used - l.mean) / 8
	l.virtual += (s.used - s.charged) / l.weight
	s.f.tidy(l)
	s.f.dispatch()
}

// wait says that the invocation waits for something, and resume that it does not
// any more for that. What is under way goes on at once, if need be as one too
// many. Both may be called of a nil seat.
func (s *seat) wait() {
	if s == nil {
		return
	}
	s.f.mu.Lock()
	defer s.f.mu.Unlock()
	if s.waits++; s.waits == 1 && !s.left {
		s.rest()
		s.f.dispatch()
	}
}

func (s *seat) resume() {
	if s == nil {
		return
	}
	s.f.mu.Lock()
	defer s.f.mu.Unlock()
	if s.waits--; s.waits == 0 && !s.left {
		s.compute()
	}
}

// counts returns how many invocations compute, and how many wait for a turn.
func (f *fair) counts() (running, waiting int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.running, f.waiting
}
