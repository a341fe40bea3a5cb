package supervisor

import "time"

const (
	// soon is how early a death counts against a tenant's next process.
	soon = 10 * time.Second
	// firstBackOff follows the second early death in a row; the first one
	// is forgiven.
	firstBackOff = 100 * time.Millisecond
	maxBackOff   = 30 * time.Second
	// maxForgiven is how many early deaths in a row are forgiven that were no
	// doing of the process's: a sandbox cannot send itself SIGKILL. The kernel's
	// for want of memory looks the same, so there is an end to it.
	maxForgiven = 8
)

// breaker holds a tenant back whose processes keep dying soon after they were
// assigned. The zero value lets everything through.
type breaker struct {
	deaths   int // in a row, each soon after the assignment
	forgiven int // of others' doing, beside them
	until    time.Time
}

// died takes note of a death; killed says that it was others' doing.
func (b *breaker) died(assigned, now time.Time, killed bool) {
	if now.Sub(assigned) > soon {
		*b = breaker{}
		return
	}
	if killed && b.forgiven < maxForgiven {
		b.forgiven++
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
