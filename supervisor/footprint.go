package supervisor

import (
	"sync"
	"time"

	"github.com/prometheus/procfs"
)

// sampleEvery is how long a look at the processes lasts: whoever looks more
// often sees the same.
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

// look reads what the kernel counts. It returns the CPU time since the last
// look.
func (f *footprint) look(pid int, now time.Time) time.Duration {
	f.mu.Lock()
	defer f.mu.Unlock()
	passed := now.Sub(f.at)
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
	used := f.spent(time.Duration(stat.CPUTime() * float64(time.Second)))
	f.resident, f.load = int64(stat.ResidentMemory()), used.Seconds()/passed.Seconds()
	f.at = now
	return used
}

// last takes what a process that has ended used in all.
func (f *footprint) last(cpu time.Duration) time.Duration {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.resident, f.load = 0, 0
	return f.spent(cpu)
}

// spent returns how much of a total is new. The kernel's two ways to count
// differ by a little.
func (f *footprint) spent(total time.Duration) time.Duration {
	used := max(total-f.cpu, 0)
	f.cpu += used
	return used
}

// retired counts what a tenant's process, which has been reaped, used last.
func (s *Supervisor) retired(r *resident, why cause) {
	now := time.Now()
	s.activity.Used(r.tenant, r.footprint.last(r.CPUTime()), now)
	if why.killed() {
		s.activity.Killed(r.tenant, now)
	}
}

// sample looks at every process, and adds what tenants' have used to what is
// known of the tenants.
func (s *Supervisor) sample() {
	now := time.Now()
	for _, l := range s.pool.living() {
		if used := l.footprint.look(l.PID(), now); l.resident != nil {
			s.activity.Used(l.resident.tenant, used, now)
		}
	}
}
