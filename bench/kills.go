package main

import (
	"errors"
	"fmt"
	"log/slog"
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
	for range b.runs * killsOfEach {
		for _, a := range stuck {
			for i, l := range limits {
				took, err := b.kill(s, l.name+"-"+a.name)
				if err != nil {
					return fmt.Errorf("%s-%s: %w", l.name, a.name, err)
				}
				late[i] = append(late[i], took.Seconds()*1000)
			}
		}
	}
	for i, what := range []string{
		fmt.Sprintf("stuck process gone after deadline and grace, p99 of %d, %d attacks", len(late[0]), len(stuck)),
		"  after its limit of CPU time and grace",
	} {
		p50, p99 := percentile(late[i], 0.5), percentile(late[i], 0.99)
		b.add(what, "≤ 50 ms", p99 <= 50, "%.1f ms (p50 %.1f ms)", p99, p50)
	}
	return nil
}

// kill has one process get stuck, and returns how late it was gone.
func (b *bench) kill(s *supervisor.Supervisor, function string) (time.Duration, error) {
	r, err := s.Invoke(b.ctx, "t", function, []byte("0"))
	if err != nil {
		return 0, err
	}
	fd, err := unix.PidfdOpen(r.PID, 0)
	if err != nil {
		return 0, fmt.Errorf("a handle of process %d: %w", r.PID, err)
	}
	defer unix.Close(fd)
	begin := time.Now()
	done := make(chan error, 1)
	go func() {
		_, err := s.Invoke(b.ctx, "t", function, []byte("1"))
		done <- err
	}()
	for {
		n, err := unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}, 10_000)
		if errors.Is(err, unix.EINTR) {
			continue
		}
		took := time.Since(begin) - killLimit - killGrace
		if err == nil && n == 0 {
			err = errors.New("a process that is stuck was not killed")
		}
		if err != nil {
			return 0, err
		}
		if err := <-done; err == nil {
			return 0, errors.New("a function that never ends has returned")
		}
		return took, nil
	}
}
