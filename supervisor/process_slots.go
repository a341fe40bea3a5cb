package supervisor

import (
	"context"
	"fmt"
	"os"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/bulkhead-run/bulkhead/ipc"
	"github.com/bulkhead-run/bulkhead/ipc/sandboxpb"
)

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
	if over { // hangUp may have closed the others already
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

// sendSlot sends the process its end, and has it opened.
func (p *process) sendSlot(ctx context.Context, name string, theirs *os.File) error {
	p.sending.Lock() // until it has been taken
	defer p.sending.Unlock()
	if err := p.files.Send(name, theirs); err != nil {
		return err
	}
	_, err := p.client.OpenSlot(ctx, &sandboxpb.OpenSlotRequest{Name: name})
	return err
}

// hangUp closes all that led to a process that has ended.
func (p *process) hangUp() {
	p.client.Close()
	_ = p.files.Close()
	p.mu.Lock()
	defer p.mu.Unlock()
	for slot := range p.slots {
		_ = slot.Close()
	}
}
