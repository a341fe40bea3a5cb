package main

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/bulkhead-run/bulkhead/supervisor"
)

const (
	killLimit = 20 * time.Millisecond
	killGrace = 10 * time.Millisecond
	// killsOfEach is how often each attack is ended in a run, for each limit.
	killsOfEach = 2
)

// stuck are the loops of the hostile corpus in which the engine does not yield,
// so that only the end of the process ends them.
var stuck = []struct{ name, call string }{
	{"indexof", "indexOf.call({ length: 2 ** 53 - 1 }, 1)"},
	{"includes", "includes.call({ length: 2 ** 53 - 1 }, 1)"},
	{"lastindexof", "lastIndexOf.call({ length: 2 ** 53 - 1 }, 1)"},
	{"every", "every.call({ length: 2 ** 53 - 1 }, () => true)"},
	{"reverse", "reverse.call({ length: 2 ** 53 - 1 })"},
	{"copywithin", "copyWithin.call({ length: 2 ** 53 - 1 }, 0, 1)"},
	{"splice", "splice.call({ length: 2 ** 53 - 1 }, 0, 1)"},
	{"unshift", "unshift.call({ length: 2 ** 53 - 2 }, 1)"},
	{"shift", "shift.call({ length: 2 ** 53 - 1 })"},
	{"join", "join.call(new Array(2 ** 32 - 1), '')"},
}

// kills measures the time from a limit and its grace to the end of a process
// whose engine does not yield: of its deadline, and of its CPU time.
func kills(b *bench) (err error) {
	s, err := supervisor.New(b.ctx, supervisor.Options{
		SandboxBinary: b.path("sandbox"), DataDir: b.path("data-kills"), Logger: slog.New(slog.DiscardHandler),
		Grace: killGrace, Spares: 2,
	})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	if _, err := s.PutTenant(b.ctx, supervisor.Tenant{Name: "t"}); err != nil {
		return err
	}
	limits := []struct {
		name string
		spec supervisor.FunctionSpec
	}{
		{"deadline", supervisor.FunctionSpec{Timeout: killLimit}},
		{"cpu", supervisor.FunctionSpec{Timeout: 10 * time.Second, CPU: killLimit}},
	}
	for _, l := range limits {
		for _, a := range stuck {
			spec := l.spec
			spec.Tenant, spec.Function = "t", l.name+"-"+a.name
			spec.Code = "(event) => event ? Array.prototype." + a.call + " : 0"
			if _, err := s.Deploy(b.ctx, spec); err != nil {
				return fmt.Errorf("%s: %w", a.name, err)
			}
		}
	}
	late := make([][]float64, len(limits))
	var busy []float64
	for range b.runs * killsOfEach {
		for _, a := range stuck {
			for i, l := range limits {
				took, err := b.kill(s, l.name+"-"+a.name, l.spec.CPU)
				if err != nil {
					return fmt.Errorf("%s-%s: %w", l.name, a.name, err)
				}
				late[i] = append(late[i], took.Seconds()*1000)
			}
			took, err := b.killBusy()
			if err != nil {
				return err
			}
			busy = append(busy, took.Seconds()*1000)
		}
	}
	for i, what := range []string{
		"stuck process gone after deadline and grace, p99",
		"  after its limit of CPU time and grace",
	} {
		p50, p99 := percentile(late[i], 0.5), percentile(late[i], 0.99)
		b.add(what, "≤ 50 ms", p99 <= 50, "%.1f ms (p50 %.1f ms)", p99, p50)
	}
	b.add("  any busy process gone after kill -9, for scale", "", true, "%.1f ms (p50 %.1f ms)", percentile(busy, 0.99), percentile(busy, 0.5))
	return nil
}

// kill has one process get stuck, and returns how late it was gone: after a time,
// or after it has used so much CPU time.
func (b *bench) kill(s *supervisor.Supervisor, function string, cpu time.Duration) (time.Duration, error) {
	r, err := s.Invoke(b.ctx, "t", function, []byte("0"))
	if err != nil {
		return 0, err
	}
	fd, err := unix.PidfdOpen(r.PID, 0)
	if err != nil {
		return 0, fmt.Errorf("a handle of process %d: %w", r.PID, err)
	}
	defer unix.Close(fd)
	before, _ := usedCPU(r.PID)
	due := time.Now().Add(killLimit + killGrace)
	done := make(chan error, 1)
	go func() {
		_, err := s.Invoke(b.ctx, "t", function, []byte("1"))
		done <- err
	}()
	if cpu > 0 {
		for {
			used, alive := usedCPU(r.PID)
			if due = time.Now(); !alive || used-before >= cpu+killGrace {
				break
			}
			time.Sleep(time.Millisecond)
		}
	}
	ended, err := awaitExit(fd)
	if err != nil {
		return 0, err
	}
	if err := <-done; err == nil {
		return 0, errors.New("a function that never ends has returned")
	}
	return ended.Sub(due), nil
}

// usedCPU returns the CPU time of a process, and whether it is there.
func usedCPU(pid int) (time.Duration, bool) {
	var t unix.Timespec
	if unix.ClockGettime(int32(^pid<<3|2), &t) != nil { // clock_getcpuclockid(3)
		return 0, false
	}
	return time.Duration(t.Nano()), true
}

// awaitExit returns when a process has ended.
func awaitExit(pidfd int) (time.Time, error) {
	for {
		n, err := unix.Poll([]unix.PollFd{{Fd: int32(pidfd), Events: unix.POLLIN}}, 10_000)
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if err == nil && n == 0 {
			err = errors.New("a process that is stuck was not killed")
		}
		return time.Now(), err
	}
}

// killBusy returns how long a process that computes takes to be gone after a
// kill -9: the kernel's part, with what else this machine does.
func (b *bench) killBusy() (time.Duration, error) {
	self, err := os.Executable()
	if err != nil {
		return 0, err
	}
	cmd := exec.CommandContext(b.ctx, self, "-spin")
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true} // as sandboxes are
	if err := cmd.Start(); err != nil {
		return 0, err
	}
	fd, err := unix.PidfdOpen(cmd.Process.Pid, 0)
	if err != nil {
		return 0, errors.Join(err, cmd.Process.Kill(), cmd.Wait())
	}
	defer unix.Close(fd)
	time.Sleep(killLimit + killGrace)
	due := time.Now()
	if err := cmd.Process.Kill(); err != nil {
		return 0, err
	}
	ended, err := awaitExit(fd)
	_ = cmd.Wait() // it was killed
	return ended.Sub(due), err
}
