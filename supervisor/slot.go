package supervisor

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/bulkhead-run/bulkhead/internal/outcome"
	"github.com/bulkhead-run/bulkhead/ipc"
	"github.com/bulkhead-run/bulkhead/ipc/sandboxpb"
)

// slot runs one invocation at a time, and lives as long as its process.
type slot struct {
	r    *resident
	conn *ipc.Slot
	last uint64 // the number of the last invocation
}

// errLost means that the process ended before its answer; why it did is the
// process's to say.
var errLost = errors.New("the sandbox process is gone")

var errHungUp = &ipc.Violation{Frame: "Slot", Reason: "the connection ended while the process went on"}

// slot returns an idle slot, or a new one. How many there are is bounded by the
// gates of the tenant's functions.
func (r *resident) slot(inv *invocation) (*slot, error) {
	r.mu.Lock()
	if n := len(r.idle); n > 0 {
		sl := r.idle[n-1]
		r.idle = r.idle[:n-1]
		r.mu.Unlock()
		return sl, nil
	}
	r.mu.Unlock()
	ctx, cancel := context.WithTimeout(r.s.life, r.s.o.StartTimeout)
	defer cancel()
	conn, err := r.openSlot(ctx)
	switch {
	case err == nil:
		return &slot{r: r, conn: conn}, nil
	case status.Code(err) == codes.ResourceExhausted:
		e := overloaded(inv.tenant, inv.function, "no descriptor is left for another invocation beside those that run", retryAfter)
		e.Err = err
		return nil, e
	case ctx.Err() == context.DeadlineExceeded:
		r.kill(causeStuck, inv)
	}
	r.awaitEnd(inv)
	return nil, errLost
}

func (sl *slot) free() {
	sl.r.mu.Lock()
	defer sl.r.mu.Unlock()
	sl.r.idle = append(sl.r.idle, sl)
}

// turn is one invocation's time on a slot.
type turn struct {
	*slot
	inv    *invocation
	runner *runner
	number uint64

	// ctx ends with the invocation; host calls run under it.
	ctx    context.Context
	cancel context.CancelFunc
	caller context.Context // ends when nobody wants the result any more
	ending sync.WaitGroup  // of interrupt, until it has run or cannot any more
	last   *time.Timer     // what hangs here or there ends with this
	calls  sync.WaitGroup
	room   chan struct{} // bounds the host calls that run; nil until there is one
	latest uint32        // the id of the latest host call
	logs   ipc.LogRoom

	streams  streams
	controls atomic.Int32 // those of calls that act on streams
	underway underway
	idle     idle

	send  sync.Mutex // one frame at a time
	ended bool       // guarded by send: nothing more is to be sent
}

// run runs an invocation and returns its checked result. Afterwards the slot
// is free again, or its process is dead.
func (sl *slot) run(ctx context.Context, inv *invocation, key string, event []byte, rn *runner) (*sandboxpb.Result, outcome.Outcome, error) {
	sl.last++
	t := &turn{slot: sl, inv: inv, runner: rn, number: sl.last, caller: ctx, streams: streams{inv: inv}}
	t.ctx, t.cancel = context.WithTimeout(ctx, inv.timeout)
	if inv.http != nil {
		inv.http.open(&t.streams)
	}
	t.ending.Add(1)
	stop := context.AfterFunc(t.ctx, t.interrupt)

	sl.r.turns.Add(1)
	result, o, err := t.converse(key, event)
	inTime := stop()
	if inTime {
		t.ending.Done()
	}
	t.cancel()
	var violation *ipc.Violation
	if errors.As(err, &violation) {
		sl.r.s.violation(sl.r.process, inv, violation)
		err = errLost
	}

	free := err == nil
	if len(t.room) == 0 && t.controls.Load() == 0 && t.streams.empty() && ctx.Err() == nil {
		t.finish(free)
	} else {
		if inTime {
			deadline, _ := t.ctx.Deadline()
			t.backstop(time.Until(deadline)+sl.r.s.o.Grace, causeDeadline)
		}
		// A platform API that is slow to heed its context, or to close a
		// stream, is not the caller's to wait for.
		sl.r.s.background.Go(func() { t.finish(free) })
	}
	if err != nil {
		sl.r.awaitEnd(inv)
		return nil, 0, errLost
	}
	return result, o, nil
}

// interrupt ends the invocation at its deadline, or when its caller has left.
func (t *turn) interrupt() {
	defer t.ending.Done()
	t.streams.end()
	if t.caller.Err() == nil {
		t.backstop(t.r.s.o.Grace, causeDeadline)
		return
	}
	t.backstop(t.r.s.o.Grace, causeCanceled)
	t.put(&sandboxpb.ToSandbox{Frame: &sandboxpb.ToSandbox_Cancel{Cancel: &sandboxpb.Cancel{Invocation: t.number}}})
}

// backstop kills the process, unless the turn is finished before.
func (t *turn) backstop(after time.Duration, why cause) {
	t.last = time.AfterFunc(after, func() { t.r.kill(why, t.inv) })
}

// finish waits for all that the invocation has begun, and frees the slot of a
// process that goes on.
func (t *turn) finish(free bool) {
	t.streams.end()
	t.ending.Wait()
	t.send.Lock() // a frame on its way holds this, up to the backstop
	t.ended = true
	t.send.Unlock()
	if t.last != nil {
		t.last.Stop()
	}
	t.calls.Wait()
	t.r.turns.Done()
	if free {
		t.free()
	}
}

// converse speaks the invocation's part of the protocol up to its Result.
func (t *turn) converse(key string, event []byte) (*sandboxpb.Result, outcome.Outcome, error) {
	invoke := &sandboxpb.Invoke{Invocation: t.number, Version: key, Event: event, TimeoutNs: int64(t.inv.timeout), CpuNs: int64(t.inv.cpu), Http: t.inv.http != nil}
	if r := t.inv.ruling(); r != nil {
		invoke.Refused, invoke.Policy = r.refused, r.policy.Name()
	}
	t.inv.tape.begin(invoke)
	t.inv.player.begin(invoke)
	t.put(&sandboxpb.ToSandbox{Frame: &sandboxpb.ToSandbox_Invoke{Invoke: invoke}})
	for {
		frame, err := t.conn.Recv()
		t.runner.frames.Add(1)
		t.wake()
		var violation *ipc.Violation
		if errors.As(err, &violation) {
			return nil, 0, err
		} else if err != nil {
			return nil, 0, errLost
		}
		switch f := frame.GetFrame().(type) {
		case *sandboxpb.FromSandbox_HostCall:
			if err := t.check("HostCall", f.HostCall.GetInvocation()); err != nil {
				return nil, 0, err
			}
			call := t.hostCall
			if t.inv.player != nil {
				call = t.play
			}
			t.inv.tape.called(t.inv, f.HostCall)
			if err := call(f.HostCall); err != nil {
				return nil, 0, err
			}
		case *sandboxpb.FromSandbox_Log:
			if err := t.check("Log", f.Log.GetInvocation()); err != nil {
				return nil, 0, err
			}
			level, message, err := ipc.CheckLog(f.Log)
			if err != nil {
				return nil, 0, err
			}
			if !t.logs.Take(message) {
				return nil, 0, &ipc.Violation{Frame: "Log", Reason: "there is no room for it: the sandbox keeps such lines to itself"}
			}
			t.inv.emit(parseLevel(level), message)
		case *sandboxpb.FromSandbox_Idle:
			if err := t.check("Idle", f.Idle.GetInvocation()); err != nil {
				return nil, 0, err
			}
			if err := t.rest(f.Idle); err != nil {
				return nil, 0, err
			}
		case *sandboxpb.FromSandbox_Result:
			if err := t.check("Result", f.Result.GetInvocation()); err != nil {
				return nil, 0, err
			}
			check := ipc.CheckResult
			if invoke.GetHttp() {
				check = ipc.CheckAnswer
			}
			o, err := check(f.Result, ipc.MaxResult)
			if err != nil {
				return nil, 0, err
			}
			t.inv.book.drop(f.Result.GetDropped())
			t.inv.tape.finished(f.Result)
			return f.Result, o, nil
		default:
			return nil, 0, &ipc.Violation{Frame: "FromSandbox", Reason: "it is empty, or of an unknown kind"}
		}
	}
}

func (t *turn) check(frame string, number uint64) error {
	if number != t.number {
		return &ipc.Violation{Frame: frame, Reason: fmt.Sprintf("it is of invocation %d; %d is running", number, t.number)}
	}
	return nil
}

// put sends a frame, unless the invocation is over. A failure to send shows
// itself to the receiver.
func (t *turn) put(frame *sandboxpb.ToSandbox) {
	t.send.Lock()
	defer t.send.Unlock()
	if !t.ended {
		t.runner.frames.Add(1)
		_ = t.conn.Send(frame)
	}
}
