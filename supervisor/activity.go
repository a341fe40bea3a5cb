package supervisor

import (
	"time"

	"github.com/bulkhead-run/bulkhead/internal/activity"
	"github.com/bulkhead-run/bulkhead/internal/outcome"
)

// OtherTenants is the label of all tenants that have none of their own in
// Stats.ByTenant. No tenant can be called so.
const OtherTenants = activity.Other

// TenantTotals is what a tenant did since it has a label of its own, or what
// all others did since the start: see Stats.ByTenant.
type TenantTotals struct {
	Tenant string
	// Invocations counts by outcome, Cold of them were cold starts, Duration
	// is what they took together. Kills counts sandbox processes that had to
	// be killed, or died.
	Invocations map[outcome.Outcome]uint64
	Cold, Kills uint64
	Duration    time.Duration
	// CPU is what its processes used, Resident what they have in memory now,
	// in bytes.
	CPU      time.Duration
	Resident int64
}

// tenantTotals returns those with a label, and the others last.
func (s *Supervisor) tenantTotals() []TenantTotals {
	s.sample()
	labelled := s.activity.Labelled(time.Now())
	totals := make([]TenantTotals, len(labelled))
	at := make(map[string]*TenantTotals, len(labelled))
	for i, l := range labelled {
		totals[i] = TenantTotals{Tenant: l.Tenant, Invocations: l.Outcomes, Cold: l.Cold, Kills: l.Kills, Duration: l.Duration, CPU: l.CPU}
		at[l.Tenant] = &totals[i]
	}
	for _, l := range s.pool.living() {
		if l.resident == nil {
			continue
		}
		to := at[l.resident.tenant]
		if to == nil {
			to = at[OtherTenants]
		}
		resident, _, _ := l.footprint.read()
		to.Resident += resident
	}
	return totals
}

// Activity is what happens at the moment.
type Activity struct {
	Time time.Time
	// Window is how far back rates and durations look.
	Window time.Duration
	// All is all tenants together, save for those that were active so long ago
	// that they are not tracked any more. Waiting is how many invocations wait
	// for their function's concurrency.
	All     TenantActivity
	Waiting int
	// Tenants are those that are tracked, the last 4,096 that were active, and
	// those that have a process; in no order.
	Tenants []TenantActivity
}

// TenantActivity is what one tenant does at the moment.
type TenantActivity struct {
	Tenant string
	// Rate and ErrorRate are invocations a second, and those of them that did
	// not end well. P50 and P99 are of durations, within some 20 %; 0 without
	// invocations.
	Rate, ErrorRate float64
	P50, P99        time.Duration
	// Invocations, Errors, Cold and Kills count since the tenant is tracked.
	Invocations, Errors, Cold, Kills uint64
	// CPU is what its processes used since then.
	CPU time.Duration
	// Processes is how many it has; Running is how many invocations are in
	// them. Resident is their memory, in bytes, and Load how many processors
	// they use.
	Processes, Running int
	Resident           int64
	Load               float64
}

// Activity returns what tenants do at the moment.
func (s *Supervisor) Activity() Activity {
	s.sample()
	now := time.Now()
	recent, all := s.activity.Recent(now)
	a := Activity{Time: now, Window: activity.Window, All: tenantActivity(all), Waiting: s.gates.waiting()}
	at := make(map[string]int, len(recent))
	for i, r := range recent {
		a.Tenants = append(a.Tenants, tenantActivity(r))
		at[r.Tenant] = i
	}
	for _, l := range s.pool.living() {
		if l.resident == nil {
			continue
		}
		i, known := at[l.resident.tenant]
		if !known {
			i = len(a.Tenants)
			at[l.resident.tenant] = i
			a.Tenants = append(a.Tenants, TenantActivity{Tenant: l.resident.tenant})
		}
		resident, _, load := l.footprint.read()
		for _, to := range []*TenantActivity{&a.Tenants[i], &a.All} {
			to.Processes++
			to.Running += l.running
			to.Resident += resident
			to.Load += load
		}
	}
	return a
}

func tenantActivity(r activity.Recent) TenantActivity {
	return TenantActivity{
		Tenant: r.Tenant, Rate: r.Rate, ErrorRate: r.ErrorRate, P50: r.P50, P99: r.P99,
		Invocations: r.Since.Invocations, Errors: r.Since.Errors, Cold: r.Since.Cold, Kills: r.Since.Kills, CPU: r.Since.CPU,
	}
}

// waiting is how many invocations are in line.
func (g *gates) waiting() (n int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, t := range g.gates {
		n += len(t.queue)
	}
	return n
}
