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

// watchMemory kills processes that have more memory resident than they may, where
// the kernel does not. One that has not computed since the last look has not
// grown either, and costs no more than asking that.
func (s *Supervisor) watchMemory() {
	tick := time.NewTicker(watchPause)
	defer tick.Stop()
	type look struct {
		p    *process
		most int64
	}
	var active []look
	for {
		select {
		case <-tick.C:
		case <-s.life.Done():
			return
		}
		active = active[:0]
		s.usages.mu.Lock()
		for _, u := range s.usages.tenants {
			for p := range u.live {
				if cpu := p.CPU(); cpu != p.looked {
					p.looked = cpu
					active = append(active, look{p, p.mostMemory.Load()})
				}
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
