package invoke_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/bulkhead-run/bulkhead/internal/outcome"
	"github.com/bulkhead-run/bulkhead/platform"
	"github.com/bulkhead-run/bulkhead/platform/invoke"
	"github.com/bulkhead-run/bulkhead/platform/platformtest"
	"github.com/bulkhead-run/bulkhead/value"
)

type object = map[string]any

func caller(t testing.TB, o invoke.Options) *platformtest.Caller {
	return &platformtest.Caller{T: t, APIs: []platform.API{invoke.API(o)}, Tenant: "acme", Function: "f", Invocation: "root"}
}

func TestInvoke(t *testing.T) {
	c := caller(t, invoke.Options{Invoker: func(_ context.Context, tenant, function string, event value.Wire) (value.Wire, error) {
		if tenant != "acme" || function != "double" {
			t.Errorf("%s/%s was invoked", tenant, function)
		}
		v, err := value.Decode(event)
		if err != nil {
			return nil, err
		}
		if v == value.Undefined {
			return nil, nil
		}
		return value.Encode([]any{v, v})
	}})
	if got := fmt.Sprint(c.Must("invoke", "double", math.Inf(1))); got != "[+Inf +Inf]" {
		t.Errorf("got %s", got)
	}
	for _, args := range [][]any{{"double"}, {"double", value.Undefined, object{"timeout": 1}}} {
		if got := c.Must("invoke", args...); got != value.Undefined {
			t.Errorf("got %v", got)
		}
	}
	if got := fmt.Sprint(c.Must("invoke", "double", nil)); got != "[<nil> <nil>]" {
		t.Errorf("got %s", got)
	}
	if c.Seen.Name != "double" {
		t.Errorf("attributes %+v", c.Seen)
	}
}

// itself is an invoker whose functions do what do does, with invoke to call.
func itself(t *testing.T, o invoke.Options, do func(ctx context.Context, c *platformtest.Caller) error) *platformtest.Caller {
	var c *platformtest.Caller
	var ids atomic.Int64
	o.Invoker = func(ctx context.Context, tenant, function string, _ value.Wire) (value.Wire, error) {
		callee := *c
		callee.Tenant, callee.Function, callee.Invocation = tenant, function, fmt.Sprint("callee", ids.Add(1))
		err := do(ctx, &callee)
		var known *platform.Error
		if errors.As(err, &known) {
			err = &outcome.Error{Outcome: outcome.Exception, Exception: &outcome.Thrown{Name: known.Name, Message: known.Message}}
		}
		return value.Wire("1"), err
	}
	c = caller(t, o)
	return c
}

func TestDepth(t *testing.T) {
	var calls atomic.Int64
	c := itself(t, invoke.Options{MaxDepth: 3}, func(ctx context.Context, c *platformtest.Caller) error {
		calls.Add(1)
		_, err := c.CallContext(ctx, "invoke", "f")
		return err
	})
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	_, err := c.CallContext(ctx, "invoke", "f")
	var known *platform.Error
	if !errors.As(err, &known) || known.Name != "FunctionError" || !strings.Contains(known.Message, "at most 3 deep") {
		t.Errorf("got %v", err)
	}
	if calls.Load() != 3 {
		t.Errorf("%d calls", calls.Load())
	}
}

// However the calls are spread over the callees, they are counted together.
func TestFanOut(t *testing.T) {
	var calls, refused atomic.Int64
	c := itself(t, invoke.Options{MaxCalls: 10, MaxDepth: 4}, func(ctx context.Context, c *platformtest.Caller) error {
		calls.Add(1)
		for range 3 {
			_, _ = c.CallContext(ctx, "invoke", "f")
		}
		return nil
	})
	for range 2 { // two invocations, each with its own count
		calls.Store(0)
		ctx, cancel := context.WithCancel(t.Context())
		for range 20 {
			_, err := c.CallContext(ctx, "invoke", "f")
			var known *platform.Error
			if errors.As(err, &known) && known.Name == "LimitError" {
				refused.Add(1)
			}
		}
		cancel()
		if calls.Load() != 10 || refused.Load() == 0 {
			t.Errorf("%d calls, %d refused", calls.Load(), refused.Load())
		}
		c.Invocation += "2"
	}
}

// A function that calls itself while all of its places are taken ends as
// overloaded or at its deadline, and holds nothing up for ever.
func TestNoDeadlock(t *testing.T) {
	const places = 2
	free := make(chan bool, places)
	for range places {
		free <- true
	}
	var c *platformtest.Caller
	c = caller(t, invoke.Options{Invoker: func(ctx context.Context, _, function string, _ value.Wire) (value.Wire, error) {
		select {
		case <-free:
		case <-ctx.Done():
			return nil, &outcome.Error{Outcome: outcome.Deadline, Err: ctx.Err()}
		case <-time.After(50 * time.Millisecond):
			return nil, &outcome.Error{Outcome: outcome.Overloaded, RetryAfter: time.Second}
		}
		defer func() { free <- true }()
		callee := *c
		_, err := callee.CallContext(ctx, "invoke", function)
		var known *platform.Error
		if !errors.As(err, &known) {
			return nil, err
		}
		return nil, &outcome.Error{Outcome: outcome.Exception, Exception: &outcome.Thrown{Name: known.Name, Message: known.Message}}
	}})
	var wg sync.WaitGroup
	for range 2 * places {
		wg.Go(func() {
			caller := *c
			_, err := caller.Call("invoke", "f")
			var known *platform.Error
			if !errors.As(err, &known) || known.Name != "FunctionError" {
				t.Errorf("got %v", err)
			}
		})
	}
	wg.Wait()
}

func TestDeadlineIsInherited(t *testing.T) {
	var got []time.Duration
	c := caller(t, invoke.Options{Invoker: func(ctx context.Context, _, _ string, _ value.Wire) (value.Wire, error) {
		at, _ := ctx.Deadline()
		got = append(got, time.Until(at).Round(time.Second))
		return nil, nil
	}})
	ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
	defer cancel()
	for _, timeout := range []any{60, 840} {
		if _, err := c.CallContext(ctx, "invoke", "f", nil, object{"timeout": timeout}); err != nil {
			t.Fatal(err)
		}
	}
	short, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	if _, err := c.CallContext(short, "invoke", "f", nil, object{"timeout": 600}); err != nil {
		t.Fatal(err)
	}
	if fmt.Sprint(got) != "[1m0s 14m0s 30s]" {
		t.Errorf("got %v", got)
	}
}

func TestFailures(t *testing.T) {
	for _, w := range []struct {
		err  error
		want map[string]any
		says string
	}{
		{&outcome.Error{Outcome: outcome.Exception, Exception: &outcome.Thrown{Name: "RangeError", Message: "no", Stack: "at secret"}},
			object{"outcome": "exception", "retryable": false}, "RangeError: no"},
		{&outcome.Error{Outcome: outcome.Overloaded, RetryAfter: 2 * time.Second, Detail: "4 run"},
			object{"outcome": "overloaded", "retryable": true, "retryAfter": 2.0}, "4 run"},
		{&outcome.Error{Outcome: outcome.NotFound}, object{"outcome": "not_found"}, "Not found"},
		{&outcome.Error{Outcome: outcome.Internal, Detail: "of /var/lib", Err: errors.New("deep inside")}, object{"outcome": "internal"}, "Internal error"},
	} {
		c := caller(t, invoke.Options{Invoker: func(context.Context, string, string, value.Wire) (value.Wire, error) { return nil, w.err }})
		e := c.Fails("FunctionError", "invoke", "g")
		for k, v := range w.want {
			if e.Properties[k] != v {
				t.Errorf("%v: %s is %v", w.err, k, e.Properties[k])
			}
		}
		text := fmt.Sprint(e.Message, e.Properties)
		if !strings.Contains(text, w.says) || strings.Contains(text, "deep inside") || strings.Contains(text, "/var/lib") || strings.Contains(text, "secret") {
			t.Errorf("%v becomes %s", w.err, text)
		}
	}
	slow := caller(t, invoke.Options{Invoker: func(ctx context.Context, _, _ string, _ value.Wire) (value.Wire, error) {
		<-ctx.Done()
		return nil, &outcome.Error{Outcome: outcome.Canceled, Err: ctx.Err()}
	}})
	if e := slow.Fails("FunctionError", "invoke", "g", nil, object{"timeout": 0.001}); e.Properties["outcome"] != "deadline" {
		t.Errorf("got %v", e.Properties)
	}
}

func TestWrongArguments(t *testing.T) {
	c := caller(t, invoke.Options{Invoker: func(context.Context, string, string, value.Wire) (value.Wire, error) {
		t.Error("it was invoked")
		return nil, nil
	}})
	for _, w := range []struct {
		names string
		args  []any
	}{
		{"function", nil}, {"function", []any{1}}, {"function", []any{"../x"}}, {"function", []any{"other/f"}}, {"function", []any{"F"}},
		{"event", []any{"f", strings.Repeat("x", 1<<20)}},
		{"timeout", []any{"f", 1, object{"timeout": 0}}}, {"timeout", []any{"f", 1, object{"timeout": "1"}}},
		{"tenant", []any{"f", 1, object{"tenant": "other"}}},
	} {
		if e := c.Fails("TypeError", "invoke", w.args...); !strings.Contains(e.Message, w.names) {
			t.Errorf("%.80v: %q does not name %s", w.args, e.Message, w.names)
		}
	}
}
