package supervisor

import (
	"fmt"
	"strings"

	"github.com/bulkhead-run/bulkhead/internal/cgroup"
)

// Cgroups is a directory of control groups (cgroup v2) that belongs to this
// program: every sandbox process gets a group of its own below it.
type Cgroups = cgroup.Tree

// OpenCgroups takes a directory of control groups over; parent is its path, or
// "auto" for the group that systemd has delegated to this program (Delegate=yes).
// It moves this program into a group "supervisor" below, if it is in there, and
// removes what an earlier one has left. The caller closes it, after the
// Supervisor. The error says what is missing.
func OpenCgroups(parent string) (*Cgroups, error) { return cgroup.Open(parent) }

// noCgroup says what the processes' control groups lack, "" if nothing.
func (o *Options) noCgroup() string {
	switch {
	case o.Cgroups == nil && o.NoCgroups == "":
		return "the supervisor was given none"
	case o.Cgroups == nil:
		return o.NoCgroups
	case len(o.Cgroups.Missing()) > 0:
		return fmt.Sprintf("%s does not have the controllers %s", o.Cgroups.Path(), strings.Join(o.Cgroups.Missing(), ", "))
	}
	return ""
}

// processOverhead is what a sandbox process may take beside its instances'
// memory: the engine, Go's heap, and native stacks in deep recursion.
const processOverhead = 192 << 20

// limits are what a process of the tier may use.
func (t Tier) limits() cgroup.Limits {
	return cgroup.Limits{Memory: t.ProcessMemory, CPU: t.CPU, Weight: t.Weight, PIDs: t.PIDs}
}

// group makes the control group of a new process, with the default tier's
// limits: most tenants' spares need no other. It is nil without Options.Cgroups.
func (s *Supervisor) group() (*cgroup.Group, error) {
	if s.o.Cgroups == nil {
		return nil, nil
	}
	g, err := s.o.Cgroups.New("sandbox")
	if err != nil {
		return nil, err
	}
	if err := g.Limit(s.tiers()[DefaultTier].limits()); err != nil {
		_ = g.Remove()
		return nil, err
	}
	return g, nil
}

// tierOf is a tenant's tier: the default for a tenant that is not registered,
// as Run may name.
func (s *Supervisor) tierOf(tenant string) Tier {
	if t, err := s.store.Tenant(tenant); err == nil {
		return s.tier(t.Tier)
	}
	return s.tier(DefaultTier)
}

// limit gives a process the limits of its tenant's tier.
func (p *process) limit(tier Tier) error {
	p.limiting.Lock()
	defer p.limiting.Unlock()
	p.mostMemory.Store(tier.ProcessMemory)
	limits := tier.limits()
	if p.group == nil || p.limits == limits {
		return nil
	}
	p.limits = limits
	if limits.CPU == 0 {
		limits.CPU = cgroup.NoLimit
	}
	return p.group.Limit(limits)
}
