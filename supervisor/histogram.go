package supervisor

import (
	"slices"
	"sync"
	"time"
)

// Histogram is how long something took, each time since the start.
type Histogram struct {
	// Counts are how many took at most the bound of HistogramBounds at the
	// same place, and longer than the one before it. The last one, which has
	// no bound, took longer than all of them.
	Counts []uint64
	Sum    time.Duration
}

// HistogramBounds are the same for all histograms: from what a warm call takes
// to the longest timeout that is usual.
var HistogramBounds = []time.Duration{
	100 * time.Microsecond, 250 * time.Microsecond, 500 * time.Microsecond,
	time.Millisecond, 2500 * time.Microsecond, 5 * time.Millisecond,
	10 * time.Millisecond, 25 * time.Millisecond, 50 * time.Millisecond,
	100 * time.Millisecond, 250 * time.Millisecond, 500 * time.Millisecond,
	time.Second, 2500 * time.Millisecond, 5 * time.Second, 10 * time.Second, 30 * time.Second,
}

// timing fills a Histogram.
type timing struct {
	mu sync.Mutex
	h  Histogram
}

func newTiming() *timing {
	return &timing{h: Histogram{Counts: make([]uint64, len(HistogramBounds)+1)}}
}

func (t *timing) observe(d time.Duration) {
	i, _ := slices.BinarySearch(HistogramBounds, d)
	t.mu.Lock()
	defer t.mu.Unlock()
	t.h.Counts[i]++
	t.h.Sum += d
}

func (t *timing) read() Histogram {
	t.mu.Lock()
	defer t.mu.Unlock()
	return Histogram{Counts: slices.Clone(t.h.Counts), Sum: t.h.Sum}
}
