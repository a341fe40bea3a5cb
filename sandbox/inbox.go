package sandbox

import (
	"sync"
	"time"

	"github.com/bulkhead-run/bulkhead/ipc/sandboxpb"
	"github.com/bulkhead-run/bulkhead/sandbox/quickjs"
)

// inbox is where the slot's reader leaves what the running invocation waits
// for. Its methods may be called from any goroutine.
type inbox struct {
	mu         sync.Mutex
	results    []*sandboxpb.HostResult
	inst       *quickjs.Instance // running now; nil between invocations
	canceledID uint64
	gone       bool // the stream has ended
	signal     chan struct{}

	// Of the goroutine that waits.
	alarm *time.Timer // signals
	due   time.Time   // when it does
}

func newInbox() *inbox {
	b := &inbox{signal: make(chan struct{}, 1)}
	b.alarm = time.AfterFunc(time.Hour, b.wake)
	b.alarm.Stop()
	return b
}

// close is called when nothing will wait any more.
func (b *inbox) close() { b.alarm.Stop() }

func (b *inbox) wake() {
	select {
	case b.signal <- struct{}{}:
	default:
	}
}

// attach names the instance that a cancel stops, until detach.
func (b *inbox) attach(inst *quickjs.Instance) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.inst, b.results = inst, nil
	if b.gone {
		inst.Interrupt()
	}
}

func (b *inbox) detach() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.inst, b.results = nil, nil
}

func (b *inbox) put(r *sandboxpb.HostResult) {
	b.mu.Lock()
	b.results = append(b.results, r)
	b.mu.Unlock()
	b.wake()
}

// take returns the oldest result for the invocation; others are stale.
func (b *inbox) take(id uint64) *sandboxpb.HostResult {
	b.mu.Lock()
	defer b.mu.Unlock()
	for len(b.results) > 0 {
		r := b.results[0]
		b.results = b.results[1:]
		if r.GetInvocation() == id {
			return r
		}
	}
	return nil
}

// wait returns when something has arrived or changed, or at a time; it may
// return early. An alarm that goes off sooner is left as it is, since setting a
// timer can cost a thread's wake-up: for host calls one after the other it is
// set once.
func (b *inbox) wait(now, until time.Time) {
	if !b.due.After(now) || b.due.After(until) {
		b.due = until
		b.alarm.Reset(until.Sub(now))
	}
	<-b.signal
}

// cancel stops the invocation with this id, if it runs now; all is the end of
// the stream.
func (b *inbox) cancel(id uint64, all bool) {
	b.mu.Lock()
	b.gone = b.gone || all
	if !all {
		b.canceledID = id
	}
	if b.inst != nil {
		b.inst.Interrupt()
	}
	b.mu.Unlock()
	b.wake()
}

func (b *inbox) canceled(id uint64) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.gone || b.canceledID == id
}
