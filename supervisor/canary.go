package supervisor

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/bulkhead-run/bulkhead/internal/outcome"
	"github.com/bulkhead-run/bulkhead/internal/store"
)

const (
	// windowParts is into how many parts a window is divided: what is older
	// than the window is forgotten a part at a time.
	windowParts = 10
	// rollbackRetry is how long the registry is given after it did not take an
	// automatic rollback.
	rollbackRetry = 5 * time.Second
)

// canaries judge the candidates of splits by how their invocations end.
type canaries struct {
	s  *Supervisor
	mu sync.RWMutex
	// byFunction has those that have a rule and have been chosen.
	byFunction map[functionName]*canary
}

type functionName struct{ tenant, function string }

// canary is one split's candidate.
type canary struct {
	candidate string
	started   time.Time
	rule      store.RollbackRule

	mu     sync.Mutex
	parts  [windowParts]tally
	failed bool // it has been judged: it gets nothing any more
}

// tally counts invocations within a part of the window.
type tally struct {
	part      int64 // which one, counted from the beginning of time
	n, failed int
}

func newCanaries(s *Supervisor) *canaries {
	return &canaries{s: s, byFunction: make(map[functionName]*canary)}
}

// of returns what is known of a function's split, nil when it has no rule.
func (c *canaries) of(f *store.Function) *canary {
	split := f.Split
	if split == nil || split.Rollback == nil {
		return nil
	}
	name := functionName{f.Tenant, f.Function}
	c.mu.RLock()
	known := c.byFunction[name]
	c.mu.RUnlock()
	if known != nil && known.is(split) {
		return known
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if known = c.byFunction[name]; known == nil || !known.is(split) {
		known = &canary{candidate: split.Candidate, started: split.Started, rule: *split.Rollback}
		c.byFunction[name] = known
	}
	return known
}

func (c *canary) is(split *store.Split) bool {
	return c.candidate == split.Candidate && c.started.Equal(split.Started)
}

// forget drops what is known of a function whose split has ended.
func (c *canaries) forget(tenant, function string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.byFunction, functionName{tenant, function})
}

// trusts tells whether the candidate may still be chosen.
func (c *canaries) trusts(f *store.Function) bool {
	known := c.of(f)
	if known == nil {
		return true
	}
	known.mu.Lock()
	defer known.mu.Unlock()
	return !known.failed
}

func (c *canaries) counts(f *store.Function) (n, failed int) {
	known := c.of(f)
	known.mu.Lock()
	defer known.mu.Unlock()
	return known.counts(time.Now())
}

// counts sums up the window. The lock is held.
func (c *canary) counts(now time.Time) (n, failed int) {
	oldest := c.part(now) - windowParts + 1
	for _, p := range c.parts {
		if p.part >= oldest {
			n += p.n
			failed += p.failed
		}
	}
	return n, failed
}

func (c *canary) part(now time.Time) int64 {
	return now.UnixNano() / max(int64(c.rule.Window)/windowParts, 1)
}

// judge takes note of how an invocation of a candidate ended. The one that is
// over the rule's threshold ends the split.
func (c *canaries) judge(f *store.Function, o outcome.Outcome) {
	known := c.of(f)
	if known == nil {
		return
	}
	var failed int
	switch o {
	case outcome.OK:
	case outcome.Exception, outcome.Deadline, outcome.CPU, outcome.Memory, outcome.Output, outcome.Policy, outcome.Crashed:
		failed = 1
	default:
		return // not the function's doing
	}
	known.mu.Lock()
	now := time.Now()
	part := known.part(now)
	p := &known.parts[part%windowParts]
	if p.part != part {
		*p = tally{part: part}
	}
	p.n++
	p.failed += failed
	n, bad := known.counts(now)
	over := !known.failed && n >= known.rule.Min && float64(bad)*100 > known.rule.Errors*float64(n)
	known.failed = known.failed || over
	known.mu.Unlock()
	if over {
		detail := fmt.Sprintf("%d of %d invocations within %v failed; more than %v %% may not", bad, n, known.rule.Window, known.rule.Errors)
		c.s.log.Info("a split is rolled back", "tenant", f.Tenant, "function", f.Function, "version", known.candidate, "reason", detail)
		c.s.stats.count(func(n *Stats) { n.Rollbacks++ })
		c.s.background.Go(func() { c.rollBack(f.Tenant, f.Function, known, detail) })
	}
}

// rollBack ends a split for good. In this process the candidate gets nothing any
// more as it is.
func (c *canaries) rollBack(tenant, function string, of *canary, detail string) {
	for {
		_, _, err := c.s.store.ChangeFunction(c.s.life, tenant, function, func(f *store.Function) error {
			if f.Split == nil || !of.is(f.Split) {
				return nil // somebody was faster
			}
			f.Split = nil
			f.Note(store.Change{What: "automatic rollback", Version: of.candidate, Detail: detail})
			return nil
		})
		if err == nil {
			break
		}
		if _, gone := c.s.store.Function(tenant, function); gone != nil || c.s.life.Err() != nil {
			break
		}
		c.s.log.Warn("an automatic rollback could not be stored; it holds until the next start, and is tried again", "tenant", tenant, "function", function, "error", err)
		timer := time.NewTimer(rollbackRetry)
		select {
		case <-timer.C:
		case <-c.s.life.Done():
			timer.Stop()
			return
		}
	}
	c.s.settle(context.WithoutCancel(c.s.life), tenant, function)
}
