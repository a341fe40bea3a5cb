package supervisor

import (
	"context"
	"time"
)

// timings are how long the parts of invocations take.
type timings struct{ cold, warm, start, queue *timing }

func newTimings() timings { return timings{newTiming(), newTiming(), newTiming(), newTiming()} }

// Timings are histograms over all invocations since the start.
type Timings struct {
	// Cold and Warm are whole invocations, from the request to the result.
	Cold, Warm Histogram
	// Start is what cold ones waited for a process and for their code, Queue
	// what all that got that far waited for their function's concurrency.
	Start, Queue Histogram
}

func (t *timings) read() Timings {
	return Timings{Cold: t.cold.read(), Warm: t.warm.read(), Start: t.start.read(), Queue: t.queue.read()}
}

// measure takes an invocation's times.
func (s *Supervisor) measure(inv *invocation, r *Result) {
	whole := s.timings.warm
	if r.Cold {
		whole = s.timings.cold
		s.timings.start.observe(inv.waited)
	}
	whole.observe(r.Duration)
	if inv.found {
		s.timings.queue.observe(r.Queued)
	}
}

// noticeable is how long a wait in the queue has to be to be shown in a trace.
const noticeable = 100 * time.Microsecond

// waitedFor takes note of a wait, since start, for a process or for code.
func (inv *invocation) waitedFor(ctx context.Context, what string, start time.Time) {
	inv.waited += time.Since(start)
	inv.traceWait(ctx, what, start)
}
