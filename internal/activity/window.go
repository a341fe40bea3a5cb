package activity

import (
	"math"
	"time"

	"github.com/bulkhead-run/bulkhead/internal/outcome"
)

// Window is how far back Recent looks.
const Window = span * time.Second

const span = 10 // seconds, beside the one that is being filled

// window counts what happened in each of the last seconds.
type window [span + 1]slice

type slice struct {
	second              int64 // since 1970
	invocations, errors uint32
	durations           [buckets]uint32
}

// Durations are told apart by buckets whose bounds are a factor of √2 apart.
const (
	buckets = 44
	least   = 62500 * time.Nanosecond // the first bucket's upper bound
)

func bucketOf(d time.Duration) int {
	if d <= least {
		return 0
	}
	return min(int(math.Ceil(2*math.Log2(float64(d)/float64(least)))), buckets-1)
}

func upper(bucket int) float64 { return float64(least) * math.Exp2(float64(bucket)/2) }

func (w *window) add(i Invocation, now time.Time) {
	second := now.Unix()
	s := &w[second%int64(len(w))]
	if s.second != second {
		*s = slice{second: second}
	}
	s.invocations++
	if i.Outcome != outcome.OK {
		s.errors++
	}
	s.durations[bucketOf(i.Duration)]++
}

// Recent is what a tenant did within the last Window, and since it is tracked.
type Recent struct {
	Tenant string
	// Rate and ErrorRate are invocations a second, and those of them that did
	// not end well.
	Rate, ErrorRate float64
	// P50 and P99 are of durations, within some 20 %; 0 without any.
	P50, P99 time.Duration
	// Since counts since the tenant is tracked.
	Since Counts
}

// Recent returns every tracked tenant, in no order, and all of them together.
func (t *Tracker) Recent(now time.Time) (tenants []Recent, all Recent) {
	t.mu.Lock()
	defer t.mu.Unlock()
	var total slice
	for name, r := range t.tenants {
		sum := r.recent.sum(now)
		one := sum.recent(now)
		one.Tenant, one.Since = name, r.since
		tenants = append(tenants, one)
		total.merge(&sum)
		all.Since.add(r.since)
	}
	since := all.Since
	all = total.recent(now)
	all.Since = since
	return tenants, all
}

// sum adds up the whole seconds that have passed, and what there is of this
// one.
func (w *window) sum(now time.Time) (total slice) {
	for i := range w {
		if age := now.Unix() - w[i].second; age >= 0 && age <= span {
			total.merge(&w[i])
		}
	}
	return total
}

func (s *slice) merge(o *slice) {
	s.invocations += o.invocations
	s.errors += o.errors
	for i, n := range o.durations {
		s.durations[i] += n
	}
}

func (c *Counts) add(o Counts) {
	c.Invocations += o.Invocations
	c.Errors += o.Errors
	c.Cold += o.Cold
	c.Kills += o.Kills
	c.CPU += o.CPU
}

func (s *slice) recent(now time.Time) Recent {
	seconds := Window.Seconds() + float64(now.Nanosecond())/1e9
	return Recent{
		Rate: float64(s.invocations) / seconds, ErrorRate: float64(s.errors) / seconds,
		P50: s.quantile(0.5), P99: s.quantile(0.99),
	}
}

// quantile is a bucket's geometric middle.
func (s *slice) quantile(q float64) time.Duration {
	rank := uint32(math.Ceil(q * float64(s.invocations)))
	if rank == 0 {
		return 0
	}
	var seen uint32
	for i, n := range s.durations {
		if seen += n; seen >= rank {
			return time.Duration(upper(i) / math.Exp2(0.25))
		}
	}
	return 0
}
