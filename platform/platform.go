package platform

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"

	"github.com/bulkhead-run/bulkhead/policies"
	"github.com/bulkhead-run/bulkhead/value"
)

// API is one platform API.
type API struct {
	// Name is what JavaScript calls: "fetch", or "kv.get" for the member get
	// of the global object kv.
	Name string
	// Sync makes the JavaScript function return its value instead of a
	// promise; the function's whole instance waits meanwhile.
	Sync bool
	// Doc is one line for listings.
	Doc string
	// Schema, if not nil, describes the arguments and the result. Arguments
	// that do not fit it are refused with a TypeError before Func runs.
	Schema *Schema
	// Attributes, if not nil, extracts from the arguments what policy rules
	// may set conditions on. An error refuses the call with a TypeError.
	Attributes func(args []json.RawMessage) (policies.Attributes, error)
	// ChecksItself means that Func learns only on its way what rules may set
	// conditions on, and asks Call.Check before it has any effect. The
	// supervisor then refuses beforehand only what no rule could allow, and
	// discards the result of a Func that did not ask.
	ChecksItself bool
	// DeleteTenant, if not nil, deletes what the API keeps for a tenant. It is
	// called when the tenant is deleted, after the last of its invocations. Of
	// APIs that share what they keep, one has it.
	DeleteTenant func(ctx context.Context, tenant string) error
	// AtOnce, if not nil, answers a call from what is in memory; ok is false when
	// Func has to, which is asked then. It must not wait for anything: meanwhile
	// nothing else of the invocation is read.
	AtOnce func(call *Call) (result any, ok bool)
	// Func does the work. It runs on a goroutine of its own, many at once.
	// Its result is whatever [value.Encode] takes: json.RawMessage passes as
	// it is; nil and value.Undefined are undefined. An *Error reaches
	// JavaScript with its name and message; any other error as a plain Error
	// with a general message, and goes to the log.
	Func func(ctx context.Context, call *Call) (any, error)
}

// Call is one host call: it has passed the policy.
type Call struct {
	Tenant, Function string
	// Invocation is the id that callers see.
	Invocation string
	// Args are the call's arguments, each in its JSON form. What JavaScript
	// left out, or gave as undefined at the end, is absent.
	Args []json.RawMessage
	// Wire is the array of the arguments without loss: see Values.
	Wire value.Wire
	// Verdict is what let the call through, with the rule's settings.
	Verdict policies.Verdict
	// Check asks the policy again, for an API that learns more on its way
	// (a redirect's target, for one). A denial is returned as the error that
	// the call should end with, and is counted.
	Check func(policies.Attributes) (policies.Verdict, error)
	// Streams are the invocation's byte streams.
	Streams Streams
	// Life ends with the invocation. Func's own context may end before, with
	// the call: what an API keeps between calls goes by this one.
	Life context.Context
	// Emit hands a line to the invocation's log.
	Emit func(level slog.Level, message string)
	// Environment has the variables of the version that runs; nil when nothing
	// was deployed.
	Environment Environment
}

// Environment is what a version was deployed with.
type Environment interface {
	// Variables returns the variables, which are not to be changed. recorded is
	// false when the version has none of its own: then those hold that are set
	// now.
	Variables(ctx context.Context) (vars map[string]string, recorded bool, err error)
}

// Values returns the arguments without loss, as [value.Decode] makes them.
func (c *Call) Values() ([]any, error) {
	v, err := value.Decode(c.Wire)
	if err != nil {
		return nil, err
	}
	list, _ := v.([]any)
	return list, nil
}

// Arg decodes argument i into v. A missing argument leaves v as it is and
// returns false. A wrong one returns a TypeError that names it.
func (c *Call) Arg(i int, name string, v any) (bool, error) {
	if i >= len(c.Args) || string(c.Args[i]) == "null" {
		return false, nil
	}
	if err := json.Unmarshal(c.Args[i], v); err != nil {
		return false, TypeErrorf("argument %d (%s) has the wrong type", i+1, name)
	}
	return true, nil
}

// Error is a failure that JavaScript sees: an exception with this name and
// message. Neither may hold what the tenant should not know.
type Error struct {
	// Name is the exception's name: "TypeError", "NetworkError".
	Name    string
	Message string
	// Properties become own properties of the exception; values must be
	// encodable as JSON.
	Properties map[string]any
	// Err is the cause, for the log.
	Err error
}

func (e *Error) Error() string { return e.Name + ": " + e.Message }
func (e *Error) Unwrap() error { return e.Err }

// Errorf makes an *Error with the given name. A %w verb sets its cause.
func Errorf(name, format string, args ...any) *Error {
	err := fmt.Errorf(format, args...)
	u, _ := err.(interface{ Unwrap() error })
	e := &Error{Name: name, Message: err.Error()}
	if u != nil {
		e.Err = u.Unwrap()
	}
	return e
}

// TypeErrorf makes an *Error named TypeError, for wrong arguments.
func TypeErrorf(format string, args ...any) *Error { return Errorf("TypeError", format, args...) }
