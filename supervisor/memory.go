package supervisor

import (
	"bytes"
	"fmt"
	"os"
	"strconv"
	"time"
)

// watchPause is how often processes are looked at that no control group keeps
// to their memory.
const watchPause = 100 * time.Millisecond

// A process that had more than computing of a processor since the last look yields
// to others, until it has less than resting or no other tenant's computes: one
// that answers now and then, or waits for host calls, need not wait behind those,
// nor does the supervisor, which serves all.
const (
	computing = 0.2
	resting   = 0.05
)

// watchProcesses kills processes that have more memory resident than they may, and
// has those yield that compute for long, where the kernel does not see to it. One
// that has not computed since the last look has not grown either, and costs no
// more than asking that.
func (s *Supervisor) watchProcesses() {
	tick := time.NewTicker(watchPause)
	defer tick.Stop()
	type look struct {
		p    *process
		most int64
	}
	var active []look
	last, tenants := time.Now(), 0
	for {
		select {
		case <-tick.C:
		case <-s.life.Done():
			return
		}
		passed, alone := time.Since(last), tenants < 2
		last, tenants, active = time.Now(), 0, active[:0]
		s.usages.mu.Lock()
		for _, u := range s.usages.tenants {
			before := len(active)
			for p := range u.live {
				cpu := p.CPU()
				switch load := float64(cpu-p.looked) / float64(passed); {
				case alone || load < resting:
					p.Yield(false)
				case load > computing:
					p.Yield(true)
				}
				if cpu != p.looked {
					p.looked = cpu
					active = append(active, look{p, p.mostMemory.Load()})
				}
			}
			if len(active) > before {
				tenants++
			}
		}
		s.usages.mu.Unlock()
		for _, l := range active {
			if l.p.resident() > l.most {
				l.p.kill(causeMemory, nil)
			}
		}
	}
}

// resident is how much memory the process has resident, in bytes; 0 when it has
// ended.
func (p *process) resident() int64 {
	if p.dead() {
		return 0
	}
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/statm", p.PID()))
	if err != nil {
		return 0
	}
	fields := bytes.Fields(data)
	if len(fields) < 2 {
		return 0
	}
	pages, err := strconv.ParseInt(string(fields[1]), 10, 64)
	if err != nil {
		return 0
	}
	return pages * int64(os.Getpagesize())
}
