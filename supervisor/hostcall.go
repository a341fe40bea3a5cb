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

// permissionError is the name of the exception that a denied host call ends
// with.
const permissionError = "PermissionError"

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
	var attributes policies.Attributes
	if api.Attributes != nil {
		if attributes, err = api.Attributes(args); err != nil {
			var known *platform.Error
			if !errors.As(err, &known) {
				err = platform.TypeErrorf("%w", err)
			}
			return nil, err
		}
	}
	verdict, err := t.inv.ask(api.Name, attributes)
	if err != nil {
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
		Check:      func(a policies.Attributes) (policies.Verdict, error) { return t.inv.ask(api.Name, a) },
		Emit:       t.inv.emit,
	})
	if err != nil || result == nil {
		return nil, err
	}
	answer, err = value.Encode(result)
	if errors.Is(err, value.ErrLimit) || len(answer) > ipc.MaxHostValue {
		err = platform.Errorf("RangeError", "the result of %s is over %d bytes", api.Name, ipc.MaxHostValue)
	}
	return answer, err
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

// ask evaluates the tenant's policy of this moment. A denial is counted, and
// returned as the exception that the host call is to end with.
func (inv *invocation) ask(api string, a policies.Attributes) (policies.Verdict, error) {
	verdict := policies.Verdict{Rule: "no policy"}
	if policy := inv.policy(); policy != nil {
		verdict = policy.Evaluate(api, a)
	}
	inv.s.stats.verdict(verdict.Allowed)
	if verdict.Allowed {
		return verdict, nil
	}
	if inv.denied.Add(1) == 1 {
		inv.s.log.Info("a host call was denied", "tenant", inv.tenant, "function", inv.function, "invocation", inv.id,
			"api", api, "policy", verdict.Policy, "rule", verdict.Rule)
	}
	return verdict, &platform.Error{
		Name:       permissionError,
		Message:    fmt.Sprintf("%s is denied by policy %q (%s)", api, verdict.Policy, verdict.Rule),
		Properties: map[string]any{"api": api, "policy": verdict.Policy},
	}
}
