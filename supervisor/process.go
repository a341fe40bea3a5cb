package supervisor

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/bulkhead-run/bulkhead/internal/cgroup"
	"github.com/bulkhead-run/bulkhead/internal/child"
	"github.com/bulkhead-run/bulkhead/internal/confine"
	"github.com/bulkhead-run/bulkhead/ipc"
)

// cause says why a process came to its end.
type cause uint8

const (
	// causeCrash: it ended without our doing.
	causeCrash cause = iota
	// causeDeadline: an invocation went past its deadline and the grace.
	causeDeadline
	// causeCanceled: an invocation did not heed a cancel within the grace.
	causeCanceled
	// causeViolation: it sent what no sandbox of ours would send.
	causeViolation
	// causeStuck: it did not answer a call within the call's deadline.
	causeStuck
	// causeCPU: an invocation used up its CPU time and did not stop.
	causeCPU
	// causeMemory: it took more memory than a process may.
	causeMemory
	// causeEvicted: it was idle for too long, or had to make room.
	causeEvicted
	// causeSpent: it had been started for one deploy check or one run.
	causeSpent
	// causeDeleted: its tenant was deleted.
	causeDeleted
	// causeClosed: the supervisor closes.
	causeClosed

	causes
)

var causeNames = [causes]string{"crash", "deadline", "canceled", "violation", "stuck", "cpu", "memory", "evicted", "spent", "deleted", "closed"}

func (c cause) String() string { return causeNames[c] }

// fault reports whether it was the process that went wrong, not what ran in it.
func (c cause) fault() bool { return c == causeCrash || c == causeViolation || c == causeStuck }

// process is one sandbox process, from before its start until it is reaped.
type process struct {
	*child.Process
	client *ipc.Client
	layers []Layer
	first  *ipc.Slot // opened at the start: the first invocation waits for none
	// release gives back what the process had beside its descriptors.
	release func()
	// gone is closed after the process has been reaped, its connection
	// closed, and the pool told.
	gone      chan struct{}
	born      time.Time
	footprint footprint
	// lacksThread is set when the process says that it dies for want of a thread.
	lacksThread atomic.Bool

	sending    sync.Mutex // held while a file is on its way
	files      *ipc.FileSender
	group      *cgroup.Group // nil without Options.Cgroups
	limiting   sync.Mutex    // held while limits are set
	limits     cgroup.Limits // those that the group has; guarded by limiting
	mostMemory atomic.Int64  // bytes
	book       *usage        // of its tenant; guarded by usages, as looked is
	looked     time.Duration // its CPU time when it was looked at last

	mu      sync.Mutex
	slots   map[*ipc.Slot]bool // those that are open
	opened  int                // how many there ever were
	ended   bool               // kill was called, or it has exited
	cause   cause
	culprit *invocation // whose fault it is, if an invocation's
	left    error       // why the group could not be removed; set before gone
}

// startProcess returns a process that is ready to be assigned, with all layers
// that are required.
func (s *Supervisor) startProcess(ctx context.Context, timeout time.Duration) (*process, error) {
	p, err := s.launch(ctx, timeout)
	if err != nil {
		return nil, err
	}
	s.layers.set(p.layers)
	if err := confine.Check(p.layers); err != nil {
		p.kill(causeCrash, nil)
		p.watch(func(*process) {})
		return nil, missing(err)
	}
	return p, nil
}

// noThread is what a process of Go's says that dies for want of a thread: the
// machine, or its user, has as many as there may be.
const noThread = "failed to create new OS thread"

// launch starts a process, connects to it and hears what became of its
// lock-down.
func (s *Supervisor) launch(ctx context.Context, timeout time.Duration) (_ *process, err error) {
	deadline := time.Now().Add(timeout)
	files, theirs, err := ipc.NewFileSender()
	if err != nil {
		return nil, err
	}
	defer theirs.Close()
	dir, err := s.runtime.child()
	if err != nil {
		_ = files.Close()
		return nil, err
	}
	group, err := s.group()
	if err != nil {
		_ = files.Close()
		return nil, err
	}
	config := s.lockdown()
	o := child.Options{
		Path: s.o.SandboxBinary, Name: "sandbox", Dir: dir, Stdout: true,
		Files: []*os.File{theirs}, // at ipc.FilesFD
	}
	if group != nil {
		o.Cgroup = group.Dir()
	}
	if config.Modes.For("namespaces") != confine.Off {
		o.Apart = confine.Namespaces
	}
	p := &process{files: files, gone: make(chan struct{}), born: time.Now(), slots: make(map[*ipc.Slot]bool), group: group, limits: s.tiers()[DefaultTier].limits()}
	o.Line = func(line string) {
		if strings.Contains(line, noThread) {
			p.lacksThread.Store(true)
		}
	}
	p.Process = s.starter.New(o)
	p.mostMemory.Store(s.tiers()[DefaultTier].ProcessMemory)
	defer func() {
		if err != nil && p.lacksThread.Load() {
			err = fmt.Errorf("%w: %w", syscall.EAGAIN, err)
		}
	}()
	p.release = func() { s.layers.returnUID(config.UID) }
	p.client, err = ipc.Start(ctx, p.Process, ipc.Config{
		Dir:     dir,
		Env:     []string{ipc.CacheDirKey + "=" + s.o.CacheDir, ipc.LockdownKey + "=" + config.String()},
		Timeout: timeout,
	})
	if err != nil {
		_ = files.Close()
		if group != nil {
			err = errors.Join(err, group.Remove())
		}
		p.release()
		return nil, fmt.Errorf("sandbox %s does not start: %w", s.o.SandboxBinary, err)
	}
	if group != nil {
		group.Started()
	}
	if p.layers, err = s.report(p.Process, files, config, deadline); err != nil {
		p.kill(causeCrash, nil)
		p.watch(func(*process) {})
		return nil, fmt.Errorf("sandbox %s does not start: %w", s.o.SandboxBinary, err)
	}
	ctx, cancel := context.WithDeadline(ctx, deadline)
	defer cancel()
	if p.first, err = p.openSlot(ctx); err != nil {
		p.kill(causeCrash, nil)
		p.watch(func(*process) {})
		return nil, fmt.Errorf("sandbox %s opens no slot: %w", s.o.SandboxBinary, err)
	}
	return p, nil
}

// kill ends the process at once. Only the first call's reason counts, and only
// it returns true.
func (p *process) kill(why cause, culprit *invocation) (first bool) {
	p.mu.Lock()
	if !p.ended {
		p.ended, p.cause, p.culprit, first = true, why, culprit, true
	}
	p.mu.Unlock()
	p.Kill()
	if p.group != nil {
		_ = p.group.Kill() // with whatever it may have started; it is gone if it has ended
	}
	return first
}

// dead reports whether the process has ended or is being killed.
func (p *process) dead() bool {
	select {
	case <-p.Exited():
		return true
	default:
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.ended
}

// why returns the reason of the process's end.
func (p *process) why() (cause, *invocation) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.cause, p.culprit
}

// coldAfter is why an invocation needs a new process in place of one.
func coldAfter(p *process) string {
	why, _ := p.why()
	return ColdEnded + why.String()
}

// killed reports whether such an end is one that somebody has to look into: the
// process went wrong, or what ran in it did not stop.
func (c cause) killed() bool {
	return c.fault() || c == causeDeadline || c == causeCanceled
}

// watch waits for the process's end and cleans up after it; gone closes
// p.gone.
func (p *process) watch(gone func(*process)) {
	<-p.Exited()
	p.mu.Lock()
	if !p.ended {
		p.ended, p.cause = true, causeCrash
		if p.group != nil && p.group.OOMKilled() {
			p.cause = causeMemory
		}
	}
	p.mu.Unlock()
	p.hangUp()
	if p.group != nil {
		if err := p.group.Remove(); err != nil {
			p.left = err
		}
	}
	p.release()
	gone(p)
}
