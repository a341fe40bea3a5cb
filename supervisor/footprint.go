package supervisor

import (
	"sync"
	"time"
)

// sampleEvery is how long a look at a process lasts: whoever looks more often
// sees the same.
const sampleEvery = 500 * time.Millisecond

// footprint is what a process takes, as it was looked at last.
type footprint struct {
	mu       sync.Mutex
	at       time.Time
	resident int64
	cpu      time.Duration // since its start
	load     float64       // processors, between the last two looks
}

func (f *footprint) read() (resident int64, cpu time.Duration, load float64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.resident, f.cpu, f.load
}

// look reads what the kernel counts.
func (f *footprint) look(p *process, now time.Time) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.at.IsZero() {
		f.at = p.born
	}
	passed := now.Sub(f.at)
	if passed < sampleEvery && f.resident > 0 {
		return
	}
	cpu := p.CPU()
	f.load = (cpu - f.cpu).Seconds() / max(passed, time.Millisecond).Seconds()
	f.resident, f.cpu, f.at = p.resident(), cpu, now
}
