package child

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"time"

	"golang.org/x/sys/unix"
)

const (
	// behind is how far a child stands behind us, as nice levels: of a processor
	// that both want it gets a ninth of what we get. We serve every tenant, and
	// have something to do only as long as children ask for it; with equal shares
	// four children that compute leave us too little, and all the others wait.
	behind = 10
	// again is when the kernel, which takes ten of them a second of whoever is not
	// root, may take another level of a session.
	again = 100 * time.Millisecond
)

// stepBack has the kernel prefer us to a child when both want a processor: its
// threads, and its session, which is what Linux shares processors among where
// kernel.sched_autogroup_enabled is on. Where that cannot be, they share alike.
func (p *Process) stepBack(pid int) {
	_ = unix.Setpriority(unix.PRIO_PGRP, pid, behind)
	// Once the child has locked itself down its files are root's: this stays open.
	session, err := os.OpenFile(fmt.Sprintf("/proc/%d/autogroup", pid), os.O_WRONLY, 0)
	if err != nil {
		return
	}
	level := strconv.Itoa(behind)
	if _, err := session.WriteString(level); !errors.Is(err, unix.EAGAIN) {
		_ = session.Close()
		return
	}
	go func() {
		defer session.Close()
		tick := time.NewTicker(again)
		defer tick.Stop()
		for {
			select {
			case <-p.exited:
				return
			case <-tick.C:
				if _, err := session.WriteString(level); !errors.Is(err, unix.EAGAIN) {
					return
				}
			}
		}
	}()
}
