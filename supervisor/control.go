package supervisor

import (
	"context"
	"errors"
	"io"
	"strconv"
	"sync"

	"github.com/bulkhead-run/bulkhead/ipc"
	"github.com/bulkhead-run/bulkhead/ipc/sandboxpb"
	"github.com/bulkhead-run/bulkhead/platform"
)

const (
	// maxMoved is how many bytes the arguments, results and stream pieces of an
	// invocation come to in all.
	maxMoved = 1 << 30
	// leastMoved is what the smallest of them counts for, so that their number
	// is bounded, too.
	leastMoved = 4 << 10
	// pieceSize is the most that a stream gives JavaScript at once: a function
	// with the smallest memory holds a few.
	pieceSize = 64 << 10
)

// count is told of everything that host calls move, in bytes: arguments and
// what is written to streams come from JavaScript, results and what is read of
// streams go to it. An error refuses it.
func (inv *invocation) count(api string, from, to int) error {
	if inv.moved.Add(int64(max(from+to, leastMoved))) > maxMoved {
		return platform.Errorf("LimitError", "%s: an invocation can move at most %d bytes in and out", api, maxMoved)
	}
	return nil
}

// control carries out a host call that acts on an earlier one. A stream moves one
// piece at a time, so that they are bounded without taking the room of others.
func (t *turn) control(op ipc.Control, number uint32, call uint32, data []byte) {
	id := platform.StreamID(number)
	switch op {
	case ipc.StreamRead:
		t.piece(call, id, false, (*turn).readPiece, nil)
	case ipc.StreamWrite:
		t.piece(call, id, true, (*turn).writePiece, data)
	case ipc.StreamOpen:
		result := &sandboxpb.HostResult{}
		err := t.counted()
		if err == nil {
			var made platform.StreamID
			made, err = t.streams.make()
			result.Value = strconv.AppendUint(nil, uint64(made), 10)
		}
		t.answer(call, string(op), result, err)
	case ipc.StreamClose, ipc.StreamCancel:
		st, err := t.streams.remove(id)
		if err != nil {
			t.refuse(call, op, err)
			return
		}
		t.spawn(func() {
			if op == ipc.StreamCancel {
				st.close(errAborted)
			} else {
				st.close(nil)
			}
			t.answer(call, string(op), nil, nil)
		})
	case ipc.CallCancel:
		t.underway.cancel(number)
		t.refuse(call, op, nil)
	case ipc.HTTPRespond:
		err := t.respond(id, data)
		t.answer(call, string(op), nil, err)
		if err == nil {
			t.inv.http.show() // which takes its time
		}
	case ipc.HTTPGone:
		if err := t.gone(call); err != nil {
			t.answer(call, string(op), nil, err)
		}
	}
}

// piece moves a piece of a stream on a goroutine of its own. A stream that ends
// or fails is closed.
func (t *turn) piece(call uint32, id platform.StreamID, write bool, move func(*turn, *stream, []byte) ([]byte, error), data []byte) {
	st, err := t.streams.take(id, write)
	if err != nil {
		t.refuse(call, ipc.StreamRead, err)
		return
	}
	t.spawn(func() {
		piece, err := move(t, st, data)
		if err != nil {
			if _, gone := t.streams.remove(id); gone != nil {
				err = errAborted // JavaScript has closed it meanwhile
			} else {
				st.close(err)
			}
		}
		if !write && errors.Is(err, io.EOF) {
			err = nil
		}
		t.streams.done(st) // before the answer, which the next piece may follow
		t.answer(call, t.streams.owner(st).api, &sandboxpb.HostResult{Data: piece}, err)
	})
}

func (t *turn) readPiece(st *stream, _ []byte) ([]byte, error) {
	buf := make([]byte, pieceSize)
	n, err := st.read(buf)
	if err == nil {
		err = t.streams.owner(st).pass(0, n)
	}
	if err != nil {
		return nil, err
	}
	return buf[:n], nil
}

func (t *turn) writePiece(st *stream, data []byte) ([]byte, error) {
	if err := st.write(data); err != nil {
		return nil, err
	}
	return nil, t.streams.owner(st).pass(len(data), 0)
}

// refuse answers a control that has nothing to act on, and counts it as a host
// call.
func (t *turn) refuse(call uint32, op ipc.Control, err error) {
	if over := t.counted(); over != nil {
		err = over
	}
	t.answer(call, string(op), nil, err)
}

// spawn runs what the invocation's end waits for.
func (t *turn) spawn(f func()) {
	t.controls.Add(1)
	t.inv.seat.wait()
	t.calls.Go(func() {
		defer t.controls.Add(-1)
		defer t.inv.seat.resume()
		f()
	})
}

// underway are the calls that have not been answered, by number, each with what
// ends it.
type underway struct {
	mu    sync.Mutex
	calls map[uint32]context.CancelFunc
}

func (u *underway) begin(call uint32, cancel context.CancelFunc) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.calls == nil {
		u.calls = make(map[uint32]context.CancelFunc)
	}
	u.calls[call] = cancel
}

func (u *underway) end(call uint32) {
	u.mu.Lock()
	defer u.mu.Unlock()
	delete(u.calls, call)
}

func (u *underway) cancel(call uint32) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if cancel, ok := u.calls[call]; ok {
		cancel()
	}
}
