package activity

import (
	"cmp"
	"maps"
	"math"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/bulkhead-run/bulkhead/internal/outcome"
)

// Other is the label of all tenants that have none of their own. No tenant can
// be called so.
const Other = "_other"

const (
	defaultLabels  = 100
	defaultTracked = 4096
	// halfLife is how long it takes for half of what a tenant did to be
	// forgotten, when it is decided who is most active.
	halfLife = 5 * time.Minute
	// ahead is how much more active than its owner a tenant has to be to take
	// a label, so that two do not take turns.
	ahead = 2
)

// Options configure a Tracker. Zero values mean the defaults.
type Options struct {
	// Labels is how many tenants have a label of their own. Default 100,
	// negative none.
	Labels int
	// Tracked is how many tenants are tracked: the ones that were active last.
	// Default 4096.
	Tracked int
}

// Tracker tracks tenants. Its methods may be called from many goroutines.
type Tracker struct {
	labels, tracked int

	mu      sync.Mutex
	tenants map[string]*record
	own     map[string]*Totals // by tenant, those with a label
	other   Totals
}

// record is what is known of one tenant.
type record struct {
	since  Counts
	recent window
	score  float64 // at the time scored: what it did, half of it forgotten every halfLife
	scored time.Time
	last   time.Time // when it was active
}

// Invocation is one that has ended.
type Invocation struct {
	Outcome  outcome.Outcome
	Duration time.Duration
	Cold     bool
}

// Counts are totals.
type Counts struct {
	Invocations, Errors, Cold, Kills uint64
	CPU                              time.Duration
}

// Totals is what was counted under one label.
type Totals struct {
	Tenant string
	Counts
	// Outcomes counts invocations by outcome, Duration is what they took
	// together.
	Outcomes map[outcome.Outcome]uint64
	Duration time.Duration
}

// New makes a Tracker.
func New(o Options) *Tracker {
	if o.Labels == 0 {
		o.Labels = defaultLabels
	}
	if o.Tracked <= 0 {
		o.Tracked = defaultTracked
	}
	return &Tracker{
		labels: max(o.Labels, 0), tracked: max(o.Tracked, o.Labels, 1),
		tenants: make(map[string]*record), own: make(map[string]*Totals),
		other: Totals{Tenant: Other, Outcomes: make(map[outcome.Outcome]uint64)},
	}
}

// Ended counts an invocation.
func (t *Tracker) Ended(tenant string, i Invocation, now time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	r := t.record(tenant, now)
	r.act(now)
	r.recent.add(i, now)
	to := t.label(tenant)
	to.Outcomes[i.Outcome]++
	to.Duration += i.Duration
	for _, c := range []*Counts{&r.since, &to.Counts} {
		c.Invocations++
		if i.Outcome != outcome.OK {
			c.Errors++
		}
		if i.Cold {
			c.Cold++
		}
	}
}

// Killed counts a sandbox process that had to be killed, or died.
func (t *Tracker) Killed(tenant string, now time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.record(tenant, now).since.Kills++
	t.label(tenant).Kills++
}

// Used adds CPU time that the tenant's processes used.
func (t *Tracker) Used(tenant string, cpu time.Duration, now time.Time) {
	if cpu <= 0 {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.record(tenant, now).since.CPU += cpu
	t.label(tenant).CPU += cpu
}

// Forget drops a tenant that has been deleted, and its label.
func (t *Tracker) Forget(tenant string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.drop(tenant)
}

func (t *Tracker) drop(tenant string) {
	delete(t.tenants, tenant)
	delete(t.own, tenant)
}

// record returns the tenant's record. When there is no room for one more,
// another goes: the one that was active longest ago, of a few. The lock is held.
func (t *Tracker) record(tenant string, now time.Time) *record {
	if r := t.tenants[tenant]; r != nil {
		r.last = now
		return r
	}
	if len(t.tenants) >= t.tracked {
		const few = 16
		oldest, seen := "", 0
		for name, r := range t.tenants { // in no order
			if oldest == "" || r.last.Before(t.tenants[oldest].last) {
				oldest = name
			}
			if seen++; seen == few {
				break
			}
		}
		t.drop(oldest)
	}
	r := &record{last: now}
	t.tenants[tenant] = r
	if len(t.own) < t.labels {
		t.own[tenant] = newTotals(tenant)
	}
	return r
}

func newTotals(tenant string) *Totals {
	return &Totals{Tenant: tenant, Outcomes: make(map[outcome.Outcome]uint64)}
}

func (t *Tracker) label(tenant string) *Totals {
	if own := t.own[tenant]; own != nil {
		return own
	}
	return &t.other
}

func (r *record) act(now time.Time) { r.score, r.scored = r.scoreAt(now)+1, now }

func (r *record) scoreAt(now time.Time) float64 {
	return r.score * math.Exp2(-float64(max(now.Sub(r.scored), 0))/float64(halfLife))
}

// Labelled returns the counters of every label, Other last, after giving labels
// to tenants that have become more active than their owners. Those of Other
// never go back.
func (t *Tracker) Labelled(now time.Time) []Totals {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.elect(now)
	all := make([]Totals, 0, len(t.own)+1)
	for _, own := range t.own {
		all = append(all, own.clone())
	}
	slices.SortFunc(all, func(a, b Totals) int { return strings.Compare(a.Tenant, b.Tenant) })
	return append(all, t.other.clone())
}

func (t *Totals) clone() Totals {
	c := *t
	c.Outcomes = maps.Clone(t.Outcomes)
	return c
}

// elect gives labels away. The lock is held.
func (t *Tracker) elect(now time.Time) {
	type candidate struct {
		tenant string
		score  float64
	}
	var in, out []candidate
	for name, r := range t.tenants {
		c := candidate{name, r.scoreAt(now)}
		if t.own[name] != nil {
			in = append(in, c)
		} else {
			out = append(out, c)
		}
	}
	slices.SortFunc(in, func(a, b candidate) int { return cmp.Compare(a.score, b.score) })
	slices.SortFunc(out, func(a, b candidate) int { return cmp.Compare(b.score, a.score) })
	for len(t.own) < t.labels && len(out) > 0 { // some owner has gone
		t.own[out[0].tenant] = newTotals(out[0].tenant)
		out = out[1:]
	}
	for i := 0; i < len(in) && i < len(out) && out[i].score > ahead*in[i].score; i++ {
		delete(t.own, in[i].tenant)
		t.own[out[i].tenant] = newTotals(out[i].tenant)
	}
}
