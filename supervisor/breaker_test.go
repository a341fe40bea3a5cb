package supervisor

import (
	"testing"
	"time"
)

func TestBreaker(t *testing.T) {
	var b breaker
	now := time.Now()
	for i, want := range []time.Duration{0, 100 * time.Millisecond, 200 * time.Millisecond, 400 * time.Millisecond} {
		b.died(now, now, false)
		if got := b.wait(now); got != want {
			t.Errorf("after %d deaths: wait %v, want %v", i+1, got, want)
		}
	}
	for range 100 {
		b.died(now, now, false)
	}
	if got := b.wait(now); got != maxBackOff {
		t.Errorf("after many deaths: wait %v, want %v", got, maxBackOff)
	}
	if b.forgettable(now) || !b.forgettable(now.Add(2*maxBackOff+1)) {
		t.Error("forgotten too early, or never")
	}
	if got := b.wait(now.Add(maxBackOff)); got != 0 {
		t.Errorf("after the wait: %v", got)
	}
	b.died(now.Add(-soon-1), now, false) // it lived long enough
	if got := b.wait(now); got != 0 || b.deaths != 0 {
		t.Errorf("after a long life: wait %v, %d deaths", got, b.deaths)
	}
}

// Whom others kill is not held back for that, unless it goes on.
func TestBreakerForgivesKills(t *testing.T) {
	var b breaker
	now := time.Now()
	for range maxForgiven {
		if b.died(now, now, true); b.wait(now) != 0 {
			t.Fatalf("after %d kills: wait %v", b.forgiven, b.wait(now))
		}
	}
	b.died(now, now, true)
	b.died(now, now, true)
	if b.wait(now) != firstBackOff {
		t.Errorf("after more kills: wait %v, want %v", b.wait(now), firstBackOff)
	}
	b = breaker{}
	b.died(now, now, true)
	b.died(now, now, false)
	b.died(now, now, false)
	if b.wait(now) != firstBackOff {
		t.Errorf("two crashes after a kill: wait %v, want %v", b.wait(now), firstBackOff)
	}
}
