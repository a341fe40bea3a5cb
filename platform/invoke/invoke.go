package invoke

import (
	"context"
	"encoding/json"
	"errors"
	"regexp"
	"sync"
	"sync/atomic"
	"time"

	"github.com/bulkhead-run/bulkhead/internal/outcome"
	"github.com/bulkhead-run/bulkhead/platform"
	"github.com/bulkhead-run/bulkhead/policies"
	"github.com/bulkhead-run/bulkhead/value"
)

const (
	maxEvent   = 1 << 20
	maxTimeout = 15 * time.Minute
)

// Invoker runs a function with an event and returns what the function did. The
// error is an *outcome.Error. What it runs gets ctx, or a context made from
// it, for its own host calls.
type Invoker func(ctx context.Context, tenant, function string, event value.Wire) (value.Wire, error)

// Options configure API. Zero values mean the defaults.
type Options struct {
	// Invoker runs functions. Required.
	Invoker Invoker
	// MaxDepth is how many invocations deep functions may call each other.
	// Default 8.
	MaxDepth int
	// MaxCalls is how many calls may stem from one invocation that no function
	// made, directly or not. Default 100.
	MaxCalls int
}

// chain is what an invocation knows of those that it stems from.
type chain struct {
	depth int
	calls *atomic.Int64 // shared by all that stem from the same one
}

type chainKey struct{}

// api is the API with the counters of invocations that no function made, by
// invocation id, for as long as they run.
type api struct {
	Options
	roots sync.Map
}

var nameForm = regexp.MustCompile(`^[a-z0-9][a-z0-9-]{0,62}$`)

// API returns the API invoke. What it takes, returns and throws is in
// docs/platform-apis.md.
func API(o Options) platform.API {
	if o.MaxDepth <= 0 {
		o.MaxDepth = 8
	}
	if o.MaxCalls <= 0 {
		o.MaxCalls = 100
	}
	a := &api{Options: o}
	return platform.API{
		Name: "invoke",
		Doc:  "invoke(function, event, {timeout}): call another function of the same tenant",
		Attributes: func(args []json.RawMessage) (policies.Attributes, error) {
			name, err := functionName(&platform.Call{Args: args})
			return policies.Attributes{Name: name}, err
		},
		Func: a.invoke,
	}
}

func functionName(call *platform.Call) (string, error) {
	name, err := call.Text(0, "function", 63)
	if err == nil && !nameForm.MatchString(name) {
		err = platform.TypeErrorf("argument 1 (function) is no function's name")
	}
	return name, err
}

func (a *api) invoke(ctx context.Context, call *platform.Call) (any, error) {
	name, err := functionName(call)
	if err != nil {
		return nil, err
	}
	var event value.Wire // undefined
	if len(call.Args) > 1 && !isUndefined(call, 1) {
		if event, err = call.Value(1, "event", maxEvent); err != nil {
			return nil, err
		}
	}
	var options struct {
		Timeout *float64 `json:"timeout"`
	}
	if err := call.Options(2, "options", &options); err != nil {
		return nil, err
	}
	callee := ctx
	if options.Timeout != nil {
		timeout, err := platform.Seconds("timeout", *options.Timeout, time.Millisecond, maxTimeout)
		if err != nil {
			return nil, err
		}
		var cancel context.CancelFunc
		callee, cancel = context.WithTimeout(ctx, timeout)
		defer cancel()
	}
	c, err := a.descend(ctx, call)
	if err != nil {
		return nil, err
	}
	result, err := a.Invoker(context.WithValue(callee, chainKey{}, c), call.Tenant, name, event)
	if err != nil {
		if ctx.Err() == nil && errors.Is(callee.Err(), context.DeadlineExceeded) {
			err = &outcome.Error{Outcome: outcome.Deadline, Detail: "the timeout given to invoke passed", Err: err}
		}
		return nil, failure(name, err)
	}
	return result, nil
}

// isUndefined tells undefined before a later argument from null, which it is
// in JSON.
func isUndefined(call *platform.Call, i int) bool {
	if call.Wire.IsJSON() {
		return false
	}
	list, err := call.Values()
	return err == nil && i < len(list) && list[i] == value.Undefined
}

// descend returns the chain of a callee, unless it is too long.
func (a *api) descend(ctx context.Context, call *platform.Call) (chain, error) {
	c, ok := ctx.Value(chainKey{}).(chain)
	if !ok {
		calls, known := a.roots.LoadOrStore(call.Invocation, new(atomic.Int64))
		if !known {
			context.AfterFunc(call.Life, func() { a.roots.Delete(call.Invocation) })
		}
		c.calls = calls.(*atomic.Int64)
	}
	if c.depth++; c.depth > a.MaxDepth {
		return c, platform.Errorf("LimitError", "invoke: functions may call each other at most %d deep", a.MaxDepth)
	}
	if c.calls.Add(1) > int64(a.MaxCalls) {
		return c, platform.Errorf("LimitError", "invoke: at most %d calls may stem from one invocation", a.MaxCalls)
	}
	return c, nil
}

// failure is the FunctionError that the caller sees: what the callee's own
// caller would, without internals.
func failure(function string, err error) error {
	var known *outcome.Error
	if !errors.As(err, &known) {
		return err
	}
	e := &platform.Error{Name: "FunctionError", Err: err, Properties: map[string]any{
		"function": function, "outcome": known.Outcome.String(), "retryable": known.Outcome.Retryable(),
	}}
	if known.RetryAfter > 0 {
		e.Properties["retryAfter"] = known.RetryAfter.Seconds()
	}
	what := known.Outcome.Title()
	switch {
	case known.Exception != nil:
		e.Properties["thrown"] = map[string]any{"name": known.Exception.Name, "message": known.Exception.Message}
		what = known.Exception.String()
	case known.Detail != "" && known.Outcome != outcome.Internal:
		what += ": " + known.Detail
	}
	e.Message = "invoke: " + function + ": " + what
	return e
}
