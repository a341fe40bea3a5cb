package supervisor

import (
	"context"
	"fmt"
	"os"
	"sync"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/bulkhead-run/bulkhead/internal/child"
	"github.com/bulkhead-run/bulkhead/ipc"
	"github.com/bulkhead-run/bulkhead/ipc/sandboxpb"
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

var causeNames = [causes]string{"crash", "deadline", "canceled", "violation", "stuck", "evicted", "spent", "deleted", "closed"}

func (c cause) String() string { return causeNames[c] }

// fault reports whether it was the process that went wrong, not what ran in it.
func (c cause) fault() bool { return c == causeCrash || c == causeViolation || c == causeStuck }

// process is one sandbox process, from before its start until it is reaped.
type process struct {
	*child.Process
	client *ipc.Client
	first  *ipc.Slot // opened at the start: the first invocation waits for none
	// gone is closed after the process has been reaped, its connection
	// closed, and the pool told.
	gone      chan struct{}
	born      time.Time
	footprint footprint

	sending sync.Mutex // held while a file is on its way
	files   *ipc.FileSender

	mu      sync.Mutex
	slots   map[*ipc.Slot]bool // those that are open
	opened  int                // how many there ever were
	ended   bool               // kill was called, or it has exited
	cause   cause
	culprit *invocation // whose fault it is, if an invocation's
}

// startProcess returns a process that is ready to be assigned.
func (s *Supervisor) startProcess(ctx context.Context, timeout time.Duration) (*process, error) {
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
	c := s.starter.New(child.Options{
		Path: s.o.SandboxBinary, Name: "sandbox", Dir: dir, Stdout: true,
		Files: []*os.File{theirs}, // at ipc.FilesFD
	})
	born := time.Now()
	client, err := ipc.Start(ctx, c, ipc.Config{
		Dir:     dir,
		Env:     []string{ipc.CacheDirKey + "=" + s.o.CacheDir},
		Timeout: timeout,
	})
	if err != nil {
		_ = files.Close()
		return nil, fmt.Errorf("sandbox %s does not start: %w", s.o.SandboxBinary, err)
	}
	p := &process{Process: c, files: files, client: client, gone: make(chan struct{}), born: born, slots: make(map[*ipc.Slot]bool)}
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	if p.first, err = p.openSlot(ctx); err != nil {
		p.Kill()
		<-p.Exited()
		p.release()
		return nil, fmt.Errorf("sandbox %s opens no slot: %w", s.o.SandboxBinary, err)
	}
	return p, nil
}

// openSlot opens a slot, which the process's end closes. It fails with the code
// ResourceExhausted when there are no descriptors left, here or there.
func (p *process) openSlot(ctx context.Context) (*ipc.Slot, error) {
	slot, theirs, err := ipc.NewSlot()
	if err != nil {
		return nil, status.Error(codes.ResourceExhausted, err.Error())
	}
	defer theirs.Close()
	p.mu.Lock()
	p.opened++
	p.slots[slot] = true
	name, over := fmt.Sprintf("slot %d", p.opened), p.ended
	p.mu.Unlock()
	if over { // release may have closed the others already
		err = errLost
	} else {
		err = p.sendSlot(ctx, name, theirs)
	}
	if err != nil {
		p.mu.Lock()
		delete(p.slots, slot)
		p.mu.Unlock()
		_ = slot.Close()
		return nil, err
	}
	return slot, nil
}

func (p *process) sendSlot(ctx context.Context, name string, theirs *os.File) error {
	p.sending.Lock() // until it has been taken
	defer p.sending.Unlock()
	if err := p.files.Send(name, theirs); err != nil {
		return err
	}
	_, err := p.client.OpenSlot(ctx, &sandboxpb.OpenSlotRequest{Name: name})
	return err
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
	}
	p.mu.Unlock()
	p.release()
	gone(p)
}

// release closes all that led to a process that has ended.
func (p *process) release() {
	p.client.Close()
	_ = p.files.Close()
	p.mu.Lock()
	defer p.mu.Unlock()
	for slot := range p.slots {
		_ = slot.Close()
	}
}
