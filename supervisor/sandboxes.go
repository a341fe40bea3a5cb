package supervisor

import (
	"cmp"
	"context"
	"slices"
	"sync"
	"time"

	"github.com/prometheus/procfs"

	"github.com/bulkhead-run/bulkhead/ipc/sandboxpb"
)

// Sandbox is one sandbox process.
type Sandbox struct {
	PID int
	// State is "spare" (no tenant has it yet), "idle" (its tenant runs nothing),
	// "assigned" (it is at work for its tenant) or "ending".
	State   string
	Tenant  string
	Started time.Time
	// Running is how many invocations are in it, Functions how many versions
	// are loaded.
	Running   int
	Functions int
	// Instances is how many there are by its own account, 0 where it gave none
	// in time.
	Instances int
	// Resident is what it has in memory, in bytes, with what it shares with
	// other processes. Proportional counts its part of what is shared; 0 where
	// the kernel does not tell.
	Resident     int64
	Proportional int64
	// CPU is what it has used since its start, Load its share of one processor
	// lately: 1 is all of it.
	CPU  time.Duration
	Load float64
}

// askTimeout is how long processes may take to tell of themselves.
const askTimeout = 200 * time.Millisecond

// Sandboxes returns the sandbox processes there are, the oldest first.
func (s *Supervisor) Sandboxes(ctx context.Context) []Sandbox {
	s.sample()
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	live := s.pool.living()
	all := make([]Sandbox, len(live))
	var asking sync.WaitGroup
	room := make(chan struct{}, 32)
	for i, l := range live {
		all[i] = l.describe()
		if all[i].Resident > 0 {
			all[i].Proportional = proportional(l.PID())
		}
		if l.resident == nil {
			continue
		}
		asking.Go(func() {
			room <- struct{}{}
			defer func() { <-room }()
			if r, err := l.client.Stats(ctx, &sandboxpb.StatsRequest{}); err == nil {
				all[i].Instances = int(r.GetInstances())
			}
		})
	}
	asking.Wait()
	slices.SortFunc(all, func(a, b Sandbox) int { return cmp.Or(a.Started.Compare(b.Started), cmp.Compare(a.PID, b.PID)) })
	return all
}

// alive is a process with its tenant's part of it, if it has one.
type alive struct {
	*process
	resident *resident
	running  int
	home     bool // invocations come to it
}

// living returns the processes that have not been reaped.
func (p *pool) living() []alive {
	p.mu.Lock()
	defer p.mu.Unlock()
	all := make([]alive, 0, len(p.live))
	for proc, r := range p.live {
		l := alive{process: proc, resident: r}
		if r != nil {
			h := p.homes[r.tenant]
			l.running, l.home = r.users, h != nil && h.resident == r
		}
		all = append(all, l)
	}
	return all
}

func (l *alive) state() string {
	switch {
	case l.dead():
		return "ending"
	case l.resident == nil:
		return "spare"
	case l.running > 0 || !l.home: // one of a deploy's check is at work, too
		return "assigned"
	}
	return "idle"
}

func (l *alive) describe() Sandbox {
	b := Sandbox{PID: l.PID(), State: l.state(), Started: l.born, Running: l.running}
	b.Resident, b.CPU, b.Load = l.footprint.read()
	if r := l.resident; r != nil {
		b.Tenant = r.tenant
		r.mu.Lock()
		b.Functions = len(r.loaded)
		r.mu.Unlock()
	}
	return b
}

// proportional asks the kernel, which tells only those who may look into the
// process.
func proportional(pid int) int64 {
	p, err := procfs.NewProc(pid)
	if err != nil {
		return 0
	}
	rollup, err := p.ProcSMapsRollup()
	if err != nil {
		return 0
	}
	return int64(rollup.Pss)
}
