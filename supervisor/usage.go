package supervisor

import (
	"sync"
	"time"

	"github.com/prometheus/procfs"
)

// sampleEvery is how long a look at the processes lasts: whoever looks more
// often sees the same.
const sampleEvery = 500 * time.Millisecond

// usage is what a process takes, as it was looked at last.
type usage struct {
	mu       sync.Mutex
	at       time.Time
	resident int64
	cpu      time.Duration // since its start
	load     float64       // processors, between the last two looks
}

func (u *usage) read() (resident int64, cpu time.Duration, load float64) {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.resident, u.cpu, u.load
}

// look reads what the kernel counts. It returns the CPU time since the last
// look.
func (u *usage) look(pid int, now time.Time) time.Duration {
	u.mu.Lock()
	defer u.mu.Unlock()
	passed := now.Sub(u.at)
	if passed < sampleEvery {
		return 0
	}
	p, err := procfs.NewProc(pid)
	if err != nil {
		return 0
	}
	stat, err := p.Stat()
	if err != nil {
		return 0
	}
	used := u.spent(time.Duration(stat.CPUTime() * float64(time.Second)))
	u.resident, u.load = int64(stat.ResidentMemory()), used.Seconds()/passed.Seconds()
	u.at = now
	return used
}

// last takes what a process that has ended used in all.
func (u *usage) last(cpu time.Duration) time.Duration {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.resident, u.load = 0, 0
	return u.spent(cpu)
}

// spent returns how much of a total is new. The kernel's two ways to count
// differ by a little.
func (u *usage) spent(total time.Duration) time.Duration {
	used := max(total-u.cpu, 0)
	u.cpu += used
	return used
}

// retired counts what a tenant's process, which has been reaped, used last.
func (s *Supervisor) retired(r *resident, why cause) {
	now := time.Now()
	s.activity.Used(r.tenant, r.usage.last(r.CPUTime()), now)
	if why.killed() {
		s.activity.Killed(r.tenant, now)
	}
}

// sample looks at every process, and adds what tenants' have used to what is
// known of the tenants.
func (s *Supervisor) sample() {
	now := time.Now()
	for _, l := range s.pool.living() {
		if used := l.usage.look(l.PID(), now); l.resident != nil {
			s.activity.Used(l.resident.tenant, used, now)
		}
	}
}
