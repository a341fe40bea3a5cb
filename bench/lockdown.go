package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/bulkhead-run/bulkhead/internal/child"
	"github.com/bulkhead-run/bulkhead/internal/confine"
	"github.com/bulkhead-run/bulkhead/internal/handshake"
	"github.com/bulkhead-run/bulkhead/ipc"
	"github.com/bulkhead-run/bulkhead/policies/seccomp"
	"github.com/bulkhead-run/bulkhead/supervisor"
)

const (
	startsPerRun = 20
	coldPerRun   = 60
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
	return b.lockedColdStarts()
}

// lockedColdStarts measures what the lock-down adds to a tenant's first
// invocation when there is a spare: locked and unlocked ones in turn.
func (b *bench) lockedColdStarts() (err error) {
	off := make([]string, len(confine.Names))
	for i, name := range confine.Names {
		off[i] = name + ": off"
	}
	locked, err := b.serve("data-locked", 2)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, locked.stop()) }()
	unlocked, err := b.serve("data-unlocked", 2, "layers: {"+strings.Join(off, ", ")+"}")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, unlocked.stop()) }()
	var with, without []float64
	for n := range b.runs * coldPerRun {
		tenant := fmt.Sprintf("cold-%d", n)
		for _, s := range []*server{locked, unlocked} {
			if err := s.deploy(tenant, small); err != nil {
				return err
			}
		}
		for _, s := range []*server{locked, unlocked} {
			if err := s.awaitSpares(); err != nil {
				return err
			}
		}
		arms := []struct {
			s    *server
			took *[]float64
		}{{locked, &with}, {unlocked, &without}}
		if n%2 == 1 {
			slices.Reverse(arms) // the first finds a processor that has slept
		}
		for _, arm := range arms {
			took, _, err := arm.s.invoke(tenant, small.event)
			if err != nil {
				return err
			}
			*arm.took = append(*arm.took, took.Seconds()*1000)
		}
		for _, s := range []*server{locked, unlocked} {
			if _, _, err := s.do("DELETE", "/v1/tenants/"+tenant, "", ""); err != nil {
				return err
			}
		}
	}
	w, o := median(with), median(without)
	b.add("  what it adds to a cold start with a spare", "0 (≤ 10 %)", w <= 1.1*o, "%+.2f ms (%.1f ms beside %.1f ms)", w-o, w, o)
	return nil
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
