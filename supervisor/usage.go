package supervisor

import (
	"sync"
	"time"
)

// Usage is what a tenant's sandbox processes have used, as the kernel counts it.
type Usage struct {
	// CPU is the CPU time since the supervisor's start, of processes that have
	// ended, too: invocations, loading, deploy checks, and the engine's own work.
	CPU time.Duration
	// Memory is what the processes have resident now, in bytes.
	Memory int64
}

// usages keep the tenants' account books.
type usages struct {
	mu      sync.Mutex
	tenants map[string]*usage
}

// usage is one tenant's. The lock of usages guards it.
type usage struct {
	ended time.Duration              // of processes that are gone
	live  map[*process]time.Duration // what each had used before it was the tenant's
	told  time.Duration              // how much of it the activity knows
	// Of the quota: the bucket's debt is what was used beyond it.
	bucket  bucket
	charged time.Duration
}

func newUsages() *usages { return &usages{tenants: make(map[string]*usage)} }

func (u *usage) cpu() time.Duration {
	sum := u.ended
	for p, before := range u.live {
		sum += p.CPU() - before
	}
	return sum
}

// begin counts a process's time as a tenant's from now on.
func (us *usages) begin(tenant string, p *process) {
	us.mu.Lock()
	defer us.mu.Unlock()
	u := us.tenants[tenant]
	if u == nil {
		u = &usage{live: make(map[*process]time.Duration)}
		us.tenants[tenant] = u
	}
	u.live[p] = p.CPU()
	p.book = u
}

// end takes note of a process that has been reaped.
func (us *usages) end(p *process) {
	us.mu.Lock()
	defer us.mu.Unlock()
	if u := p.book; u != nil {
		u.ended += p.CPU() - u.live[p]
		delete(u.live, p)
	}
}

// forget drops the books of a tenant that is gone.
func (us *usages) forget(tenant string) {
	us.mu.Lock()
	defer us.mu.Unlock()
	delete(us.tenants, tenant)
}

// quotaBurst is how many seconds' worth of a tenant's CPU time can be saved up.
const quotaBurst = 5

// admit tells whether a tenant that may use so many processors has CPU time
// left, or when it has some again.
func (us *usages) admit(tenant string, cpus float64, now time.Time) (wait time.Duration, ok bool) {
	us.mu.Lock()
	defer us.mu.Unlock()
	u := us.tenants[tenant]
	if u == nil {
		return 0, true
	}
	total, b := u.cpu(), &u.bucket
	if b.at.IsZero() {
		*b = bucket{tokens: cpus * quotaBurst, at: now}
		u.charged = total
	}
	b.capacity, b.second = cpus*quotaBurst, cpus
	b.refill(now)
	b.tokens = min(b.tokens, b.capacity) - (total - u.charged).Seconds()
	u.charged = total
	if b.tokens > 0 {
		return 0, true
	}
	return time.Duration(-b.tokens / cpus * float64(time.Second)), false
}

// Usage returns what each tenant has used. One that has had no process since
// the supervisor's start is not in it.
func (s *Supervisor) Usage() map[string]Usage {
	s.usages.mu.Lock()
	defer s.usages.mu.Unlock()
	all := make(map[string]Usage, len(s.usages.tenants))
	for tenant, u := range s.usages.tenants {
		n := Usage{CPU: u.cpu()}
		for p := range u.live {
			n.Memory += p.resident()
		}
		all[tenant] = n
	}
	return all
}

// sample looks at every process, and tells the activity what tenants have used
// since it was told last.
func (s *Supervisor) sample() {
	now := time.Now()
	for _, l := range s.pool.living() {
		l.footprint.look(l.process, now)
	}
	s.usages.mu.Lock()
	defer s.usages.mu.Unlock()
	for tenant, u := range s.usages.tenants {
		cpu := u.cpu()
		s.activity.Used(tenant, cpu-u.told, now)
		u.told = cpu
	}
}
