package supervisor

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"runtime/debug"
	"time"

	"github.com/bulkhead-run/bulkhead/internal/store"
	"github.com/bulkhead-run/bulkhead/ipc"
	"github.com/bulkhead-run/bulkhead/ipc/sandboxpb"
	"github.com/bulkhead-run/bulkhead/platform"
	"github.com/bulkhead-run/bulkhead/policies"
	"github.com/bulkhead-run/bulkhead/value"
)

const (
	// maxOutstanding is how many host calls of one invocation run at once.
	// While so many do, no further frame of it is read.
	maxOutstanding = 64
	// maxHostCalls is how many an invocation may make in all. A further one
	// ends in a LimitError.
	maxHostCalls = 10_000
	// maxRefused is how many of these further ones there may be: code that
	// does not stop is ended.
	maxRefused = 10_000
)

var errTooManyCalls = platform.Errorf("LimitError", "an invocation can make at most %d host calls", maxHostCalls)

// counted counts a host call.
func (t *turn) counted() error {
	t.inv.calls++
	if t.inv.calls > maxHostCalls+maxRefused {
		t.inv.condemn(fmt.Sprintf("it went on making host calls after %d of them; an invocation can make %d", maxHostCalls+maxRefused, maxHostCalls),
			"make fewer host calls, or stop at the first LimitError")
	}
	if t.inv.calls > maxHostCalls {
		return errTooManyCalls
	}
	return nil
}

// hostCall checks a host call and starts it. An error means that no sandbox of
// ours would have made it.
func (t *turn) hostCall(c *sandboxpb.HostCall) error {
	if c.GetCall() <= t.latest {
		return &ipc.Violation{Frame: "HostCall", Reason: fmt.Sprintf("call %d comes after call %d", c.GetCall(), t.latest)}
	}
	t.latest = c.GetCall()
	if t.ctx.Err() != nil {
		return nil // it is over; what still arrives was under way
	}
	if op, number, ok, err := ipc.CheckControl(c); ok || err != nil {
		if err == nil {
			t.control(op, number, c.GetCall(), c.GetData())
		}
		return err
	}
	args, refusal, err := ipc.CheckHostCall(c)
	if err != nil {
		return err
	}
	api := t.r.s.apis[c.GetApi()]
	if api == nil {
		return &ipc.Violation{Frame: "HostCall", Reason: fmt.Sprintf("there is no API %q", ipc.Clip(c.GetApi(), ipc.MaxName))}
	}
	over := t.counted()
	if c.GetRefused() {
		t.refused(api, args)
		return nil
	}
	h := t.inv.hear(api.Name, args)
	w := &work{turn: t, api: api, h: h, wire: c.GetArgs(), streams: &callStreams{all: &t.streams, call: h}}
	if api.AtOnce != nil && over == nil && refusal == nil {
		if value, done, err := w.atOnce(); done {
			h.close(err)
			t.answer(c.GetCall(), api.Name, &sandboxpb.HostResult{Value: value}, err)
			return nil
		}
	}
	if t.room == nil {
		t.room = make(chan struct{}, maxOutstanding)
	}
	select {
	case t.room <- struct{}{}:
	case <-t.ctx.Done():
		if h.begun {
			h.close(t.ctx.Err())
		}
		return nil // nobody waits for the answer any more
	}
	ctx, cancel := context.WithCancel(t.ctx)
	t.underway.begin(c.GetCall(), cancel)
	ctx = h.begin().traceCall(ctx)
	t.inv.seat.wait()
	t.calls.Go(func() {
		growStack()
		defer func() { <-t.room }()
		result, err := &sandboxpb.HostResult{Exception: refusal}, over
		if over == nil && refusal == nil {
			result.Value, err = w.perform(ctx)
		}
		h.close(err)
		if err != nil && ctx.Err() != nil && errors.Is(err, context.Canceled) {
			err = errCanceled
		}
		t.underway.end(c.GetCall())
		if !w.streams.wasUsed() {
			cancel()
		}
		t.inv.seat.resume()
		t.answer(c.GetCall(), api.Name, result, err)
	})
	return nil
}

// growStack makes the room that a host call needs on the stack of a goroutine
// that has just begun. Left to itself it grows in steps, and the later ones have
// more to copy: they took a tenth of the supervisor's time.
//
//go:noinline
func growStack() {
	var room [8 << 10]byte
	runtime.KeepAlive(&room)
}

// errCanceled is the answer to a call that JavaScript has cancelled.
var errCanceled = platform.Errorf("AbortError", "the call was canceled")

// answer sends what a call came to: result or, when there is an error, that.
func (t *turn) answer(call uint32, api string, result *sandboxpb.HostResult, err error) {
	if t.ctx.Err() != nil {
		return // it ends for its deadline or its caller, not for what came of that
	}
	if result == nil || err != nil {
		result = &sandboxpb.HostResult{}
	}
	result.Invocation, result.Call = t.number, call
	if err != nil {
		result.Exception = t.exception(api, err)
	}
	t.inv.tape.answered(result)
	t.put(&sandboxpb.ToSandbox{Frame: &sandboxpb.ToSandbox_HostResult{HostResult: result}})
}

// work is a host call that is carried out.
type work struct {
	*turn
	api     *platform.API
	h       *hearing
	wire    value.Wire // its arguments
	streams *callStreams

	permitted bool
	verdict   policies.Verdict
}

// permit asks the policy and checks the arguments, once.
func (w *work) permit() (err error) {
	if w.permitted {
		return nil
	}
	w.permitted = true
	if w.verdict, err = w.judge(w.api, w.h); err != nil {
		return err
	}
	if err := w.h.pass(len(w.wire), 0); err != nil {
		return err
	}
	return w.api.Schema.CheckArguments(w.h.args)
}

// perform asks the policy and does the work. An API that panics fails like one
// that returns an error that is not for the tenant.
func (w *work) perform(ctx context.Context) (answer value.Wire, err error) {
	defer recovered(&err)
	if err := w.permit(); err != nil {
		return nil, err
	}
	result, err := w.api.Func(ctx, w.call())
	if err != nil {
		return nil, err
	}
	return w.deliver(result)
}

// atOnce does the same where nothing has to be waited for. When it cannot it is
// not done, and perform goes on.
func (w *work) atOnce() (answer value.Wire, done bool, err error) {
	done = true
	defer recovered(&err)
	_ = w.h.begin().traceCall(w.ctx)
	if err = w.permit(); err != nil {
		return nil, true, err
	}
	result, ok := w.api.AtOnce(w.call())
	if !ok {
		return nil, false, nil
	}
	answer, err = w.deliver(result)
	return answer, true, err
}

// recovered makes an error of a panic.
func recovered(err *error) {
	if p := recover(); p != nil {
		*err = fmt.Errorf("panic: %v\n%s", p, debug.Stack())
	}
}

func (w *work) call() *platform.Call {
	return &platform.Call{
		Tenant:     w.inv.tenant,
		Function:   w.inv.function,
		Invocation: w.inv.id,
		Life:       w.ctx,
		Args:       w.h.args,
		Wire:       w.wire,
		Verdict:    w.verdict,
		Check:      w.h.ask,
		Streams:    w.streams,
		Emit:       w.inv.emit,

		Environment: w.inv,
	}
}

// deliver makes the answer of a result, within what one may be.
func (w *work) deliver(result any) (value.Wire, error) {
	if w.api.ChecksItself && !w.h.heard() {
		return nil, fmt.Errorf("%s did not ask the policy; its result is not delivered", w.api.Name)
	}
	if result == nil {
		return nil, nil
	}
	answer, err := value.Encode(result)
	if errors.Is(err, value.ErrLimit) || len(answer) > ipc.MaxHostValue {
		err = platform.Errorf("RangeError", "the result of %s is over %d bytes", w.api.Name, ipc.MaxHostValue)
	}
	if err == nil {
		err = w.h.pass(0, len(answer))
	}
	if err != nil {
		return nil, err
	}
	return answer, nil
}

// refused records a call that the sandbox has refused by itself. Where it was
// told to by a policy that has been replaced meanwhile, there is nothing to
// record.
func (t *turn) refused(api *platform.API, args []json.RawMessage) {
	h := t.inv.hear(api.Name, args).begin()
	defer func() { t.inv.tally.end(api.Name, true) }()
	if r := t.inv.ruling(); r != nil && r.policy.MayAllow(api.Name) {
		return
	}
	var attributes policies.Attributes
	if api.Attributes != nil && args != nil {
		attributes, _ = api.Attributes(args) // wrong arguments are denied, too
	}
	// The denial is counted; its exception has been thrown already.
	_, _ = h.ask(attributes)
}

// judge asks the policy about a call, or leaves that to an API that does it
// itself, save where the answer cannot but be no.
func (t *turn) judge(api *platform.API, h *hearing) (policies.Verdict, error) {
	var attributes policies.Attributes
	if api.ChecksItself {
		if r := t.inv.ruling(); r != nil && r.policy.MayAllow(api.Name) {
			return policies.Verdict{}, nil
		}
		return h.ask(attributes)
	}
	if api.Attributes != nil {
		var err error
		if attributes, err = api.Attributes(h.args); err != nil {
			var known *platform.Error
			if !errors.As(err, &known) {
				err = platform.TypeErrorf("%w", err)
			}
			return policies.Verdict{}, err
		}
	}
	return h.ask(attributes)
}

// exception makes what the tenant sees of a failed host call.
func (t *turn) exception(api string, err error) *sandboxpb.Exception {
	var known *platform.Error
	if errors.As(err, &known) {
		return ipc.NewException(known.Name, known.Message, known.Properties)
	}
	unavailable := func(why string, retry time.Duration) *sandboxpb.Exception {
		t.r.s.log.LogAttrs(context.Background(), slog.LevelInfo, "a platform API has to be left for later",
			append(t.inv.where(), slog.String("api", api), slog.Any("error", err))...)
		t.inv.retry.Store(int64(retry))
		return ipc.NewException(ipc.UnavailableError, api+": "+why+"; try again later", nil)
	}
	switch {
	case store.Unwritable(err):
		return unavailable("nothing can be written at the moment", unwritableRetry)
	case store.Exhausted(err):
		return unavailable("the machine has no descriptors or memory for it at the moment", retryAfter)
	}
	t.r.s.log.LogAttrs(context.Background(), slog.LevelInfo, "a platform API failed",
		append(t.inv.where(), slog.String("api", api), slog.Any("error", err))...)
	return ipc.NewException("Error", api+" failed: internal error", nil)
}
