package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"github.com/bulkhead-run/bulkhead/internal/child"
	"github.com/bulkhead-run/bulkhead/internal/confine"
	"github.com/bulkhead-run/bulkhead/internal/handshake"
	"github.com/bulkhead-run/bulkhead/ipc"
	"github.com/bulkhead-run/bulkhead/policies/seccomp"
	"github.com/bulkhead-run/bulkhead/supervisor"
)

const (
	startsPerRun = 20
	killsPerRun  = 40
	killTimeout  = 20 * time.Millisecond
	killGrace    = 10 * time.Millisecond
)

// lockdown measures what the lock-down leaves, and what it costs a spare's
// start: locked and unlocked processes start in turn.
func lockdown(b *bench) error {
	allowed, err := confine.Allowed(seccomp.Sandbox)
	if err != nil {
		return err
	}
	b.add("system calls that a sandbox process may make", "≤ 40", len(allowed) <= 40, "%d", len(allowed))

	off := make(confine.Modes)
	for _, name := range confine.Names {
		off[name] = confine.Off
	}
	s := &starts{bench: b, starter: child.NewStarter(), cache: b.path("cache-starts")}
	defer s.starter.Close()
	if err := os.MkdirAll(s.cache, 0o700); err != nil {
		return err
	}
	if _, err := s.start(off); err != nil { // which compiles the engine
		return err
	}
	var with, without []float64
	for range b.runs * startsPerRun {
		for _, m := range []struct {
			modes confine.Modes
			took  *[]float64
		}{{nil, &with}, {off, &without}} {
			took, err := s.start(m.modes)
			if err != nil {
				return err
			}
			*m.took = append(*m.took, took.Seconds()*1000)
		}
	}
	w, o := median(with), median(without)
	b.add("start of a spare process, locked down", "", true, "%.1f ms", w)
	b.add("  what the lock-down adds", "≤ 5 ms", w-o <= 5, "%.1f ms", w-o)
	return b.kills()
}

// starts starts processes as the supervisor starts spares.
type starts struct {
	*bench
	starter *child.Starter
	cache   string
	count   int
}

// start returns how long a process took until it could be given to a tenant.
func (s *starts) start(modes confine.Modes) (took time.Duration, err error) {
	ctx, cancel := context.WithTimeout(s.ctx, time.Minute)
	defer cancel()
	dir, err := os.MkdirTemp(handshake.SocketBase(), handshake.DirPrefix)
	if err != nil {
		return 0, err
	}
	defer os.RemoveAll(dir)
	files, theirs, err := ipc.NewFileSender()
	if err != nil {
		return 0, err
	}
	defer files.Close()
	defer theirs.Close()
	config := confine.Config{Modes: modes}
	if s.count++; os.Geteuid() == 0 && modes.For("user") != confine.Off {
		config.UID = supervisor.DefaultSandboxUID + s.count
	}
	o := child.Options{Path: s.path("sandbox"), Name: "sandbox", Dir: dir, Stdout: true, Files: []*os.File{theirs}}
	if modes.For("namespaces") != confine.Off {
		o.Apart = confine.Namespaces
	}
	p := s.starter.New(o)
	begin := time.Now()
	client, err := ipc.Start(ctx, p, ipc.Config{
		Dir: dir, Timeout: time.Minute,
		Env: []string{ipc.CacheDirKey + "=" + s.cache, ipc.LockdownKey + "=" + config.String()},
	})
	if err != nil {
		return 0, err
	}
	_, err = files.Report(time.Now().Add(time.Minute), confine.MaxReport)
	took = time.Since(begin)
	p.Kill()
	<-p.Exited()
	client.Close()
	return took, err
}

// stuck is a loop in native code, in which the engine does not yield.
const stuck = `(e) => { if (!e) return 0; const a = []; a.length = 2 ** 32 - 1; return a.indexOf(1) }`

// kills measures the time from a deadline and its grace to the process's end.
func (b *bench) kills() (err error) {
	s, err := supervisor.New(b.ctx, supervisor.Options{
		SandboxBinary: b.path("sandbox"), DataDir: b.path("data-kills"), Logger: slog.New(slog.DiscardHandler),
		Grace: killGrace, Spares: 2, MaxSnapshots: -1,
	})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	if _, err := s.PutTenant(b.ctx, supervisor.Tenant{Name: "t"}); err != nil {
		return err
	}
	if _, err := s.Deploy(b.ctx, supervisor.FunctionSpec{Tenant: "t", Function: "f", Code: stuck, Timeout: killTimeout}); err != nil {
		return err
	}
	var late []float64
	for range b.runs * killsPerRun {
		took, err := b.kill(s)
		if err != nil {
			return err
		}
		late = append(late, took.Seconds()*1000)
	}
	p99 := percentile(late, 0.99)
	b.add(fmt.Sprintf("stuck process gone after deadline and grace, p99 of %d", len(late)), "≤ 50 ms", p99 <= 50, "%.1f ms", p99)
	return nil
}

// kill has one process get stuck, and returns how late it was gone.
func (b *bench) kill(s *supervisor.Supervisor) (time.Duration, error) {
	r, err := s.Invoke(b.ctx, "t", "f", []byte("0"))
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
		_, err := s.Invoke(b.ctx, "t", "f", []byte("1"))
		done <- err
	}()
	for {
		n, err := unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}, 10_000)
		if errors.Is(err, unix.EINTR) {
			continue
		}
		took := time.Since(begin) - killTimeout - killGrace
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
