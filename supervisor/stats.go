package supervisor

import (
	"maps"
	"sync"

	"github.com/bulkhead-run/bulkhead/internal/outcome"
)

// Stats is what has happened since the start, and what there is now.
type Stats struct {
	// Invocations counts ended invocations by outcome; Cold of them waited
	// for a process, for code to be loaded or for an instance. Retried counts
	// those that were run a second time, because another one had to be killed.
	Invocations   map[outcome.Outcome]uint64
	Cold, Retried uint64
	// Refused counts how often there was no process for a tenant.
	Refused uint64
	// Allowed and Denied count host calls by the policy's verdict.
	Allowed, Denied uint64
	// SnapshotsStored counts the snapshots that were stored on disk,
	// SnapshotsUsed how often a process loaded one instead of the source, and
	// SnapshotsFailed how often the disk did not do what it should.
	SnapshotsStored, SnapshotsUsed, SnapshotsFailed uint64
	// Snapshots is how many there are, SnapshotBytes their size on disk.
	Snapshots     int
	SnapshotBytes int64
	// Started counts sandbox processes, Ended those that ended by cause:
	// "crash", "deadline", "canceled", "violation", "stuck", "evicted",
	// "spent", "deleted" or "closed".
	Started uint64
	Ended   map[string]uint64
	// Running is the number of requests in flight; Processes is the number of
	// sandbox processes, of which Spares have no tenant yet and Tenants have.
	Running                    int
	Processes, Spares, Tenants int
}

// stats counts. All methods may be called from many goroutines.
type stats struct {
	mu sync.Mutex
	n  Stats
}

func newStats() *stats {
	return &stats{n: Stats{Invocations: make(map[outcome.Outcome]uint64), Ended: make(map[string]uint64)}}
}

func (s *stats) count(f func(*Stats)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f(&s.n)
}

func (s *stats) started()        { s.count(func(n *Stats) { n.Started++ }) }
func (s *stats) ended(why cause) { s.count(func(n *Stats) { n.Ended[why.String()]++ }) }
func (s *stats) retried()        { s.count(func(n *Stats) { n.Retried++ }) }
func (s *stats) refused()        { s.count(func(n *Stats) { n.Refused++ }) }

func (s *stats) verdict(allowed bool) {
	s.count(func(n *Stats) {
		if allowed {
			n.Allowed++
		} else {
			n.Denied++
		}
	})
}

func (s *stats) invoked(o outcome.Outcome, cold bool) {
	s.count(func(n *Stats) {
		n.Invocations[o]++
		if cold {
			n.Cold++
		}
	})
}

// Stats returns a snapshot.
func (s *Supervisor) Stats() Stats {
	s.stats.mu.Lock()
	n := s.stats.n
	n.Invocations, n.Ended = maps.Clone(n.Invocations), maps.Clone(n.Ended)
	s.stats.mu.Unlock()
	n.Processes, n.Spares, n.Tenants = s.pool.counts()
	if s.shelf.store != nil {
		n.Snapshots, n.SnapshotBytes = s.shelf.store.Size()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	n.Running = s.inflight
	return n
}
