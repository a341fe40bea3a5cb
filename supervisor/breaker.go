package supervisor

import "time"

const (
	// soon is how early a death counts against a tenant's next process.
	soon = 10 * time.Second
	// firstBackOff follows the second early death in a row; the first one
	// is forgiven.
	firstBackOff = 100 * time.Millisecond
	maxBackOff   = 30 * time.Second
)

// breaker holds a tenant back whose processes keep dying soon after they were
// assigned. The zero value lets everything through.
type breaker struct {
	deaths int // in a row, each soon after the assignment
	until  time.Time
}

// died takes note of a death.
func (b *breaker) died(assigned, now time.Time) {
	if now.Sub(assigned) > soon {
		*b = breaker{}
		return
	}
	b.deaths++
	if b.deaths < 2 {
		return
	}
	backOff := maxBackOff
	if shift := b.deaths - 2; shift < 16 {
		backOff = min(firstBackOff<<shift, maxBackOff)
	}
	b.until = now.Add(backOff)
}

// wait returns how long the next process has to wait.
func (b *breaker) wait(now time.Time) time.Duration { return max(b.until.Sub(now), 0) }

// forgettable reports whether the breaker has nothing to hold against the
// tenant any more.
func (b *breaker) forgettable(now time.Time) bool {
	return b.deaths < 2 || now.Sub(b.until) > maxBackOff
}
