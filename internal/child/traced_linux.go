package child

import (
	"os"
	"path/filepath"
	"strconv"
	"time"

	"golang.org/x/sys/unix"
)

// A process may make itself traced by this one with PTRACE_TRACEME, which seccomp
// refuses, but that may be off. A thread of such a process that has ended stays
// until its tracer has waited for it, and with it the process, however it was
// killed. And its stops are told to whoever waits for its end.

// slowest is the longest between two looks at a process that does not end.
const slowest = time.Second

// await returns when the process has ended. It is still to be reaped, so that
// its id is nobody else's.
func (p *Process) await(pid int) {
	for {
		switch info, err := wait(pid, unix.WEXITED|unix.WNOWAIT); {
		case err == unix.EINTR:
		case err != nil || ended(info):
			return
		default:
			p.Kill() // it is traced, so it has done what seccomp would have refused
			_, _ = wait(pid, unix.WSTOPPED|unix.WNOHANG)
		}
	}
}

// hasEnded reports whether a child has ended that is still to be reaped.
func hasEnded(pid int) bool {
	info, err := wait(pid, unix.WEXITED|unix.WNOHANG|unix.WNOWAIT)
	return err == nil && ended(info)
}

func wait(pid, options int) (info unix.Siginfo, err error) {
	err = unix.Waitid(unix.P_PID, pid, &info, options, nil)
	return info, err
}

// ended reports whether what was told of a child is its end, by the codes of
// waitid(2).
func ended(info unix.Siginfo) bool {
	const exited, dumped = 1, 3
	return info.Signo != 0 && info.Code >= exited && info.Code <= dumped
}

// reapThreads reaps threads that have ended and are traced, until the process has
// ended as a whole.
func (p *Process) reapThreads(pid int) {
	for pause := time.Millisecond; ; pause = min(2*pause, slowest) {
		p.mu.Lock()
		over := p.over
		if !over {
			reapTraced(pid)
		}
		p.mu.Unlock()
		if over {
			return
		}
		time.Sleep(pause)
	}
}

func reapTraced(pid int) {
	tasks, _ := os.ReadDir(filepath.Join("/proc", strconv.Itoa(pid), "task"))
	for _, task := range tasks {
		if id, err := strconv.Atoi(task.Name()); err == nil && id != pid {
			// Of what is not traced, this is about no thread and none of our children.
			_, _ = unix.Wait4(id, nil, unix.WNOHANG|unix.WCLONE, nil)
		}
	}
}
