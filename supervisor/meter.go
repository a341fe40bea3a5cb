package supervisor

import (
	"math"
	"sync"
	"time"
)

// meter counts what rules' quotas allow over time: calls a second and bytes a
// minute, for each tenant and rule.
type meter struct {
	mu      sync.Mutex
	buckets map[meterKey]*bucket
	sweep   int // how many buckets there may be before full ones are dropped
}

// meterKey names a bucket: a tenant's, for one quota of one rule.
type meterKey struct {
	tenant, rule string
	bytes        bool
}

// bucket is a token bucket that can go into debt: what a call costs in bytes
// is known only when it has been made.
type bucket struct {
	tokens   float64
	capacity float64
	second   float64 // tokens that come back in a second
	at       time.Time
}

const firstSweep = 4096

func newMeter() *meter { return &meter{buckets: make(map[meterKey]*bucket), sweep: firstSweep} }

func (b *bucket) refill(now time.Time) {
	if passed := now.Sub(b.at).Seconds(); passed > 0 {
		b.tokens = min(b.capacity, b.tokens+passed*b.second)
		b.at = now
	}
}

// take spends one token, if there is one. Otherwise it returns how long that
// takes.
func (m *meter) take(key meterKey, capacity, second float64, now time.Time) (wait time.Duration, ok bool) {
	return m.spend(key, capacity, second, 1, 1, now)
}

// charge spends n tokens, as soon as there are any at all: the rest is debt.
func (m *meter) charge(key meterKey, capacity, second, n float64, now time.Time) (wait time.Duration, ok bool) {
	return m.spend(key, capacity, second, math.SmallestNonzeroFloat64, n, now)
}

// spend takes n tokens of a bucket that holds need of them. A capacity or rate
// that has changed since the last time, as when policies are replaced, holds at
// once.
func (m *meter) spend(key meterKey, capacity, second, need, n float64, now time.Time) (wait time.Duration, ok bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	b := m.buckets[key]
	if b == nil {
		m.drop(now)
		b = &bucket{tokens: capacity, at: now}
		m.buckets[key] = b
	}
	b.capacity, b.second = capacity, second
	b.refill(now)
	if b.tokens < need {
		return time.Duration((max(need, 1) - b.tokens) / second * float64(time.Second)), false
	}
	b.tokens -= n
	return 0, true
}

// drop forgets the buckets that are full, which is what a new one is: those
// that are left are in use, and as many as there are users.
func (m *meter) drop(now time.Time) {
	if len(m.buckets) < m.sweep {
		return
	}
	for key, b := range m.buckets {
		if b.refill(now); b.tokens >= b.capacity {
			delete(m.buckets, key)
		}
	}
	m.sweep = max(firstSweep, 2*len(m.buckets))
}
