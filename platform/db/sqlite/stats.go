package sqlite

import (
	"maps"
	"sync"
	"sync/atomic"
)

// Stats are counts since New, and of now.
type Stats struct {
	Processes int // running now
	// Started processes; those that died by themselves; those killed for a
	// statement that did not stop; and those killed for breaking the protocol.
	Started, Crashed, Killed, Violations uint64
	// OutOfMemory are those that the kernel killed since they took more memory
	// than their control group may.
	OutOfMemory uint64
	// Failures are the failures of statements and of opening, by their code.
	Failures map[string]uint64
}

type stats struct {
	started, crashed, killed, violations, outOfMemory atomic.Uint64

	mu       sync.Mutex
	failures map[string]uint64
}

// maxCodes bounds what a process can make us count.
const maxCodes = 64

func (s *stats) failure(code string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.failures == nil {
		s.failures = make(map[string]uint64)
	}
	if _, has := s.failures[code]; has || len(s.failures) < maxCodes {
		s.failures[code]++
	}
}

// Stats returns the counts.
func (e *Engine) Stats() Stats {
	e.mu.Lock()
	n := len(e.open)
	e.mu.Unlock()
	e.stats.mu.Lock()
	defer e.stats.mu.Unlock()
	return Stats{
		Processes: n, Started: e.stats.started.Load(), Crashed: e.stats.crashed.Load(),
		Killed: e.stats.killed.Load(), Violations: e.stats.violations.Load(), OutOfMemory: e.stats.outOfMemory.Load(), Failures: maps.Clone(e.stats.failures),
	}
}
