package sandbox

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/bulkhead-run/bulkhead/ipc/sandboxpb"
	"github.com/bulkhead-run/bulkhead/sandbox/prelude"
	"github.com/bulkhead-run/bulkhead/sandbox/quickjs"
)

// What JavaScript asks of Go: the first argument of host (see primordials.js).
const (
	opCall = iota
	opCallSync
	opLog
	opTimer
	opClear
	opNow
	opText
	opJSON
	opClass
	opBase64
	opBytes
	opControl
	opRespond
)

var logLevels = [...]string{"debug", "info", "warn", "error"}

const (
	// baseStack is JavaScript's stack while the prelude runs.
	baseStack = 128 << 10
	// baseMemory caps the instance that the prelude runs in. What it really
	// takes is Snapshot.Size of the base.
	baseMemory = 4 << 20
)

// bridge is the functions that the prelude returned: the same values in every
// instance that comes from the base snapshot.
type bridge struct {
	define, adopt, start, serve, follow, settle, timer, report, pack, answer quickjs.Value

	prototypes quickjs.Prototypes
}

// functions are those of the bridge, in the order of prelude.Bridge.
func (b *bridge) functions() []*quickjs.Value {
	return []*quickjs.Value{&b.define, &b.adopt, &b.start, &b.serve, &b.follow, &b.settle, &b.timer, &b.report, &b.pack, &b.answer}
}

// base is an instance state with the prelude in it, from which every function
// version starts.
type base struct {
	snapshot *quickjs.Snapshot
	bridge   bridge
}

func newBase(e *quickjs.Engine) (*base, error) {
	code, err := compilePrelude(e)
	if err != nil {
		return nil, fmt.Errorf("sandbox: compiling the prelude: %w", err)
	}
	i, err := e.NewInstance(baseMemory, baseStack)
	if err != nil {
		return nil, fmt.Errorf("sandbox: the base instance: %w", err)
	}
	defer i.Close()
	b, err := evalPrelude(i, code)
	if err != nil {
		return nil, fmt.Errorf("sandbox: evaluating the prelude: %w", err)
	}
	snapshot, err := i.Snapshot()
	if err != nil {
		return nil, fmt.Errorf("sandbox: the base snapshot: %w", err)
	}
	return &base{snapshot, b}, nil
}

func compilePrelude(e *quickjs.Engine) ([]byte, error) {
	i, err := e.NewInstance(baseMemory, baseStack)
	if err != nil {
		return nil, err
	}
	defer i.Close()
	return i.Bytecode(prelude.Source, prelude.File)
}

func evalPrelude(i *quickjs.Instance, code []byte) (b bridge, err error) {
	host, err := i.HostFunction()
	if err != nil {
		return b, err
	}
	i.OnCall = func(a quickjs.Args) quickjs.Value { return valueCall(i, bridge{}, a) }
	defer func() { i.OnCall = nil }()
	main, err := i.LoadBytecode(code)
	if err != nil {
		return b, err
	}
	made, err := i.Call(main, host)
	if err != nil {
		return b, err
	}
	for n, v := range b.functions() {
		if *v, err = i.Get(made, fmt.Sprint(n)); err != nil {
			return b, err
		}
	}
	b.prototypes, err = i.Prototypes()
	return b, err
}

// defineAPIs makes the platform APIs globals of an instance.
func defineAPIs(i *quickjs.Instance, b bridge, apis []*sandboxpb.API) error {
	list := make([][2]any, len(apis))
	for n, a := range apis {
		list[n] = [2]any{a.GetName(), a.GetSync()}
	}
	text, err := json.Marshal(list)
	if err != nil {
		return err
	}
	v, err := i.ParseJSON(text)
	if err != nil {
		return err
	}
	if _, err := i.Call(b.define, v); err != nil {
		return err
	}
	return i.Free(v)
}

// thrown is a JavaScript exception as failure() in errors.js describes it.
type thrown struct {
	Name       string          `json:"name"`
	Message    string          `json:"message"`
	Stack      string          `json:"stack"`
	Cause      *thrown         `json:"cause,omitempty"`
	Errors     []*thrown       `json:"errors,omitempty"`
	Properties json.RawMessage `json:"properties,omitempty"`
}

func (t *thrown) proto() *sandboxpb.Exception {
	if t == nil {
		return nil
	}
	e := &sandboxpb.Exception{
		Name:       strings.ToValidUTF8(t.Name, "\uFFFD"),
		Message:    strings.ToValidUTF8(t.Message, "\uFFFD"),
		Stack:      strings.ToValidUTF8(t.Stack, "\uFFFD"),
		Cause:      t.Cause.proto(),
		Properties: t.Properties,
	}
	for _, inner := range t.Errors {
		e.Errors = append(e.Errors, inner.proto())
	}
	return e
}

// unshift corrects the stacks of t and of the errors in it.
func (t *thrown) unshift(file string, shifted bool) {
	if t == nil || !shifted {
		return
	}
	t.Stack = unshift(t.Stack, file, shifted)
	t.Cause.unshift(file, shifted)
	for _, inner := range t.Errors {
		inner.unshift(file, shifted)
	}
}

// outOfMemory tells whether this is how QuickJS says that memory ran out: an
// InternalError, or null when there was no memory for even that.
func (t *thrown) outOfMemory() bool {
	return t.Name == "InternalError" && t.Message == "out of memory" || t.Name == "Thrown" && t.Message == "null"
}

// maxFailure holds what failure() writes, if every character is escaped.
const maxFailure = 512 << 10

// parseThrown reads what failure() in errors.js wrote.
func parseThrown(text []byte, ok bool) *thrown {
	t := &thrown{}
	if !ok || json.Unmarshal(text, t) != nil {
		return &thrown{Name: "Error", Message: "the function threw a value that could not be described"}
	}
	t.prune(maxCauses)
	return t
}

// maxCauses is how deep causes and inner errors go: deeper than failure()
// writes, for a script that writes in its place.
const maxCauses = 16

// prune takes out of t what failure() would not have written.
func (t *thrown) prune(depth int) {
	if depth == 0 {
		t.Cause, t.Errors = nil, nil
		return
	}
	if t.Cause != nil {
		t.Cause.prune(depth - 1)
	}
	t.Errors = slices.DeleteFunc(t.Errors, func(e *thrown) bool { return e == nil })
	for _, e := range t.Errors {
		e.prune(depth - 1)
	}
}

// describe asks the prelude about an exception that reached Go.
func describe(i *quickjs.Instance, b bridge, e *quickjs.Exception) *thrown {
	v, err := i.Call(b.report, e.Value)
	if err != nil {
		// There was no room to describe it: it is told apart by the caller,
		// who knows whether memory was refused.
		return &thrown{Name: "Thrown", Message: "null"}
	}
	text, _, ok := i.Text(v, maxFailure)
	return parseThrown(text, ok)
}

// envelope encodes a host call's answer as settle and open in hostcalls.js take
// it: [0, value], [0] for undefined, [2, packed value] or [1, failure].
func envelope(r *sandboxpb.HostResult) ([]byte, error) {
	e := r.GetException()
	if e == nil {
		if len(r.GetValue()) == 0 {
			return []byte("[0]"), nil
		}
		if packed, ok := bytes.CutPrefix(r.GetValue(), packedMark); ok {
			return append(append([]byte("[2,"), packed...), ']'), nil
		}
		return append(append([]byte("[0,"), r.GetValue()...), ']'), nil
	}
	t := thrown{Name: e.GetName(), Message: e.GetMessage(), Properties: e.GetProperties()}
	failure, err := json.Marshal(&t)
	if err != nil {
		return nil, fmt.Errorf("sandbox: a host call's exception: %w", err)
	}
	return append(append([]byte("[1,"), failure...), ']'), nil
}

// asException returns the JavaScript exception in err, if that is what it is.
func asException(err error) (*quickjs.Exception, bool) {
	var e *quickjs.Exception
	return e, errors.As(err, &e)
}

// raise is what a host function returns that could not make its result. With
// the stack or the memory all but used up that is JavaScript's to catch;
// anything else ends the instance.
func raise(i *quickjs.Instance, err error) quickjs.Value {
	if e, ok := asException(err); ok {
		return i.Throw(e)
	}
	i.Abort(err)
	return quickjs.Undefined
}
