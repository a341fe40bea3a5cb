package child

import (
	"fmt"
	"os"
	"strconv"
)

// behind is how far a process that yields stands behind others, as nice levels:
// of a processor that both want it gets a seventieth of what they get. With less,
// ten say, each such process would soon be owed some milliseconds, which Linux
// then gives it in one piece, while others wait.
const behind = 19

// openSession opens what Yield needs, nil if the kernel does not share between
// sessions: once a process has locked itself down its files are root's.
func openSession(pid int) *os.File {
	session, err := os.OpenFile(fmt.Sprintf("/proc/%d/autogroup", pid), os.O_WRONLY, 0)
	if err != nil {
		return nil
	}
	return session
}

// Yield has the kernel prefer others to the process where both want a processor,
// or no longer. It is about sessions, of which every process of ours is one, and
// which Linux shares processors among where kernel.sched_autogroup_enabled is on;
// elsewhere it does nothing. Of whoever is not root the kernel takes ten of them a
// second: what it refuses is left as it was.
func (p *Process) Yield(yield bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.session == nil || p.yields == yield {
		return
	}
	level := 0
	if yield {
		level = behind
	}
	if _, err := p.session.WriteString(strconv.Itoa(level)); err == nil {
		p.yields = yield
	}
}
