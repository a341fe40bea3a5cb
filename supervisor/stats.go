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
	// Shed counts what was refused because memory was running out. Pressure says
	// how near that is: at 1 no process is started, at 2 nothing is let in.
	Shed     uint64
	Pressure int
	// Verdicts counts what was decided about host calls, FailedCalls those that
	// were allowed and ended in an exception.
	Verdicts    map[Decided]uint64
	FailedCalls map[FailedCall]uint64
	// AuditLost counts entries of the audit log that could not be written.
	AuditLost uint64
	// SnapshotsStored counts the snapshots that were stored on disk,
	// SnapshotsUsed how often a process loaded one instead of the source, and
	// SnapshotsFailed how often the disk did not do what it should.
	SnapshotsStored, SnapshotsUsed, SnapshotsFailed uint64
	// Snapshots is how many there are, SnapshotBytes their size on disk.
	Snapshots     int
	SnapshotBytes int64
	// Started counts sandbox processes, Ended those that ended by cause:
	// "crash", "deadline", "canceled", "violation", "stuck", "cpu", "memory",
	// "evicted", "spent", "deleted" or "closed".
	Started uint64
	Ended   map[string]uint64
	// Rollbacks counts splits that ended because their candidate failed too often.
	Rollbacks uint64
	// Computing is the number of invocations that compute, and Lined of those
	// that wait for their turn beside other tenants'.
	Computing, Lined int
	// Running is the number of requests in flight; Processes is the number of
	// sandbox processes, of which Spares have no tenant yet and Tenants have.
	Running                    int
	Processes, Spares, Tenants int
	// Busy of Tenants are at work. Capacity is the most processes there may be.
	Busy, Capacity int
	// Waiting is how many invocations wait for their function's concurrency.
	Waiting int
	Timings Timings
	// ByTenant has the most active tenants, as many as Options.TenantLabels,
	// and one with the name OtherTenants for all others.
	ByTenant []TenantTotals
}

// Decided is a kind of decision about host calls: Action is "allow", "deny",
// "audit", "kill" or "quota".
type Decided struct{ API, Action string }

// FailedCall is a way in which calls of an API fail: the exception's name, and
// its property code if it has one.
type FailedCall struct{ API, Name, Code string }

// maxFailures bounds the ways that are told apart: what APIs of an operator's
// own call their exceptions is theirs to choose. Further ones count as other.
const maxFailures = 512

// stats counts. All methods may be called from many goroutines.
type stats struct {
	mu sync.Mutex
	n  Stats
}

func newStats() *stats {
	return &stats{n: Stats{
		Invocations: make(map[outcome.Outcome]uint64), Ended: make(map[string]uint64),
		Verdicts: make(map[Decided]uint64), FailedCalls: make(map[FailedCall]uint64),
	}}
}

func (s *stats) count(f func(*Stats)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f(&s.n)
}

func (s *stats) started()        { s.count(func(n *Stats) { n.Started++ }) }
func (s *stats) ended(why cause) { s.count(func(n *Stats) { n.Ended[why.String()]++ }) }
func (s *stats) retried()        { s.count(func(n *Stats) { n.Retried++ }) }
func (s *stats) shed()           { s.count(func(n *Stats) { n.Shed++ }) }
func (s *stats) refused()        { s.count(func(n *Stats) { n.Refused++ }) }

func (s *stats) decided(api, action string) {
	s.count(func(n *Stats) { n.Verdicts[Decided{api, action}]++ })
}

func (s *stats) callFailed(f FailedCall) {
	s.count(func(n *Stats) {
		if _, known := n.FailedCalls[f]; !known && len(n.FailedCalls) >= maxFailures {
			f = FailedCall{API: f.API, Name: "other"}
		}
		n.FailedCalls[f]++
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
	n.Verdicts, n.FailedCalls = maps.Clone(n.Verdicts), maps.Clone(n.FailedCalls)
	s.stats.mu.Unlock()
	n.AuditLost = s.audit.Lost()
	n.Pressure = int(s.shedder.now.Load())
	n.Computing, n.Lined = s.fair.counts()
	n.Processes, n.Spares, n.Tenants = s.pool.counts()
	n.Busy, n.Capacity, n.Waiting = s.pool.busy(), s.o.MaxProcesses, s.gates.waiting()
	n.Timings, n.ByTenant = s.timings.read(), s.tenantTotals()
	if s.shelf.store != nil {
		n.Snapshots, n.SnapshotBytes = s.shelf.store.Size()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	n.Running = s.inflight
	return n
}
