package supervisor

import (
	"encoding/json"
	"errors"
	"fmt"
	"runtime/debug"

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
)

// hostCall checks a host call and starts it. An error means that no sandbox of
// ours would have made it.
func (t *turn) hostCall(c *sandboxpb.HostCall) error {
	if c.GetCall() <= t.latest {
		return &ipc.Violation{Frame: "HostCall", Reason: fmt.Sprintf("call %d comes after call %d", c.GetCall(), t.latest)}
	}
	t.latest = c.GetCall()
	args, refusal, err := ipc.CheckHostCall(c)
	if err != nil {
		return err
	}
	api := t.r.s.apis[c.GetApi()]
	if api == nil {
		return &ipc.Violation{Frame: "HostCall", Reason: fmt.Sprintf("there is no API %q", ipc.Clip(c.GetApi(), ipc.MaxName))}
	}
	t.inv.calls++
	over := t.inv.calls > maxHostCalls
	select {
	case t.room <- struct{}{}:
	case <-t.ctx.Done():
		return nil // nobody waits for the answer any more
	}
	t.calls.Go(func() {
		defer func() { <-t.room }()
		result := &sandboxpb.HostResult{Invocation: t.number, Call: c.GetCall()}
		var answer value.Wire
		var err error
		switch {
		case over:
			err = platform.Errorf("LimitError", "an invocation can make at most %d host calls", maxHostCalls)
		case refusal == nil:
			answer, err = t.perform(api, args, c.GetArgs())
		}
		if t.ctx.Err() != nil {
			return // it ends for its deadline or its caller, not for what came of that
		}
		switch {
		case err != nil:
			result.Exception = t.exception(api, err)
		case refusal != nil:
			result.Exception = refusal
		default:
			result.Value = answer
		}
		t.put(&sandboxpb.ToSandbox{Frame: &sandboxpb.ToSandbox_HostResult{HostResult: result}})
	})
	return nil
}

// perform asks the policy and does the work. An API that panics fails like one
// that returns an error that is not for the tenant.
func (t *turn) perform(api *platform.API, args []json.RawMessage, wire value.Wire) (answer value.Wire, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic: %v\n%s", p, debug.Stack())
		}
	}()
	h := t.inv.hear(api.Name, args)
	defer func() { h.close(err) }()
	verdict, err := t.judge(api, h)
	if err != nil {
		return nil, err
	}
	if err := h.pass(len(wire), 0); err != nil {
		return nil, err
	}
	if err := api.Schema.CheckArguments(args); err != nil {
		return nil, err
	}
	result, err := api.Func(t.ctx, &platform.Call{
		Tenant:     t.inv.tenant,
		Function:   t.inv.function,
		Invocation: t.inv.id,
		Args:       args,
		Wire:       wire,
		Verdict:    verdict,
		Check:      h.ask,
		Emit:       t.inv.emit,
	})
	if api.ChecksItself && err == nil && !h.heard() {
		return nil, fmt.Errorf("%s did not ask the policy; its result is not delivered", api.Name)
	}
	if err != nil || result == nil {
		return nil, err
	}
	answer, err = value.Encode(result)
	if errors.Is(err, value.ErrLimit) || len(answer) > ipc.MaxHostValue {
		err = platform.Errorf("RangeError", "the result of %s is over %d bytes", api.Name, ipc.MaxHostValue)
	}
	if err == nil {
		err = h.pass(0, len(answer))
	}
	if err != nil {
		return nil, err
	}
	return answer, nil
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
func (t *turn) exception(api *platform.API, err error) *sandboxpb.Exception {
	var known *platform.Error
	if errors.As(err, &known) {
		return ipc.NewException(known.Name, known.Message, known.Properties)
	}
	t.r.s.log.Info("a platform API failed", "api", api.Name, "tenant", t.inv.tenant, "function", t.inv.function, "invocation", t.inv.id, "error", err)
	return ipc.NewException("Error", api.Name+" failed: internal error", nil)
}
