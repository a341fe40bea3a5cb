package child

import (
	"time"

	"golang.org/x/sys/unix"
)

// CPU is the CPU time that the process has used, as the kernel counts it, all
// of its threads together; afterwards what it had used at its end.
func (p *Process) CPU() time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case p.state != nil:
		p.cpu = max(p.cpu, p.state.UserTime()+p.state.SystemTime())
	case p.handle != nil:
		var t unix.Timespec
		// clock_getcpuclockid(3): the process's clock is named by its id. One that
		// has ended has no clock; what was read last then stands until it is reaped.
		if unix.ClockGettime(int32(^p.handle.Pid<<3|2), &t) == nil {
			p.cpu = max(p.cpu, time.Duration(t.Nano()))
		}
	}
	return p.cpu
}
