package quickjs

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"

	"github.com/tetratelabs/wazero/api"
)

// Exception is a thrown JavaScript value that nothing caught. Value is owned
// by whoever got the error.
type Exception struct{ Value Value }

func (e *Exception) Error() string { return "quickjs: uncaught JavaScript exception" }

// Call calls a JavaScript function with this undefined. The result belongs to
// the caller; the arguments stay the caller's.
func (i *Instance) Call(fn Value, args ...Value) (Value, error) {
	if len(args) > maxArgs {
		panic("BUG: quickjs: too many arguments")
	}
	argv := i.scratch + scratchArgs
	for n, a := range args {
		binary.LittleEndian.PutUint64(i.linear.bytes[argv+uint32(n)*8:], uint64(a))
	}
	v, err := i.kept(fnCall, uint64(i.jsctx), uint64(fn), uint64(Undefined), uint64(len(args)), uint64(argv))
	if err != nil {
		return 0, err
	}
	return i.check(Value(v))
}

// How Eval takes source text: JS_EVAL_TYPE_* and JS_EVAL_FLAG_* of QuickJS.
const (
	EvalScript  = 0
	EvalModule  = 1
	compileOnly = 1 << 5
)

// Eval evaluates source and returns a script's completion value, or for a
// module the promise of its evaluation. file is what stack traces say.
func (i *Instance) Eval(source, file string, mode int) (Value, error) {
	v, err := i.Compile(source, file, mode)
	if err != nil {
		return 0, err
	}
	return i.Run(v)
}

// Compile parses source without running any of it. A syntax error is an
// *Exception.
func (i *Instance) Compile(source, file string, mode int) (Value, error) {
	// Both at once: the name follows the source's NUL.
	src, err := i.write(slices.Concat([]byte(source), []byte{0}, []byte(file)))
	if err != nil {
		return 0, err
	}
	name := src + uint32(len(source)) + 1
	v, err := i.once("JS_Eval", uint64(i.jsctx), uint64(src), uint64(len(source)), uint64(name), uint64(mode|compileOnly))
	if err != nil {
		return 0, err
	}
	if err := i.release(src); err != nil {
		return 0, err
	}
	return i.check(Value(v))
}

// Run runs what Compile made, and consumes it.
func (i *Instance) Run(code Value) (Value, error) {
	if code.tag() == tagModule {
		failed, err := i.once("JS_ResolveModule", uint64(i.jsctx), uint64(code))
		if err != nil {
			return 0, err
		}
		if int32(failed) != 0 {
			return i.check(Value(tagException << 32))
		}
	}
	v, err := i.once("JS_EvalFunction", uint64(i.jsctx), uint64(code))
	if err != nil {
		return 0, err
	}
	return i.check(Value(v))
}

// Flags of JS_WriteObject and JS_ReadObject.
const (
	objectBytecode = 1 << 0
	stripSource    = 1 << 4
)

// Bytecode compiles a script for LoadBytecode of another instance. Parsing
// leaves the heap much larger than the code is; that other instance is spared
// it, and the source text.
func (i *Instance) Bytecode(source, file string) ([]byte, error) {
	code, err := i.Compile(source, file, EvalScript)
	if err != nil {
		return nil, err
	}
	out := i.scratch + scratchOut
	p, err := i.once("JS_WriteObject", uint64(i.jsctx), uint64(out), uint64(code), objectBytecode|stripSource)
	if err != nil {
		return nil, err
	}
	n, err := i.load32(out)
	if err != nil {
		return nil, err
	}
	if uint32(p) == 0 || uint64(uint32(p))+uint64(n) > uint64(len(i.linear.bytes)) {
		return nil, fmt.Errorf("%w: no bytecode", ErrTrap)
	}
	return bytes.Clone(i.linear.bytes[uint32(p):][:n]), nil
}

// LoadBytecode runs what Bytecode made in this process. Bytecode from anywhere
// else is not to be trusted: it is as good as native code to QuickJS.
func (i *Instance) LoadBytecode(code []byte) (Value, error) {
	p, err := i.write(code)
	if err != nil {
		return 0, err
	}
	v, err := i.once("JS_ReadObject", uint64(i.jsctx), uint64(p), uint64(len(code)), objectBytecode)
	if err != nil {
		return 0, err
	}
	if err := i.release(p); err != nil {
		return 0, err
	}
	script, err := i.check(Value(v))
	if err != nil {
		return 0, err
	}
	return i.Run(script)
}

// Namespace returns the namespace object of a module that Compile made and
// Run ran.
func (i *Instance) Namespace(module Value) (Value, error) {
	if module.tag() != tagModule {
		return 0, errors.New("quickjs: not a module")
	}
	v, err := i.once("JS_GetModuleNamespace", uint64(i.jsctx), uint64(uint32(module)))
	if err != nil {
		return 0, err
	}
	return i.check(Value(v))
}

// moduleExports is JSModuleDef.export_entries_count, in the binary named by
// moduleSHA256.
const moduleExports = 32

// Exports returns how many names a module that Compile made exports.
func (i *Instance) Exports(module Value) (uint32, error) {
	if module.tag() != tagModule {
		return 0, errors.New("quickjs: not a module")
	}
	return i.load32(uint32(module) + moduleExports)
}

// Get reads a property of an object; a getter runs.
func (i *Instance) Get(object Value, name string) (Value, error) {
	p, err := i.write([]byte(name))
	if err != nil {
		return 0, err
	}
	v, err := i.once("JS_GetPropertyStr", uint64(i.jsctx), uint64(object), uint64(p))
	if err != nil {
		return 0, err
	}
	if err := i.release(p); err != nil {
		return 0, err
	}
	return i.check(Value(v))
}

// HostFunction makes a JavaScript function that calls OnCall.
func (i *Instance) HostFunction() (Value, error) {
	name, err := i.write([]byte("host"))
	if err != nil {
		return 0, err
	}
	v, err := i.once("JS_NewCFunction", uint64(i.jsctx), uint64(tableBase+slotHost), uint64(name), 0, 0)
	if err != nil {
		return 0, err
	}
	if err := i.release(name); err != nil {
		return 0, err
	}
	return i.check(Value(v))
}

// RunJobs runs the microtask queue until it is empty, or stop says to stop
// between two jobs. A job's own exception is the job's loss, as everywhere.
func (i *Instance) RunJobs(stop func() bool) error {
	for !stop() {
		n, err := i.kept(fnPendingJob, uint64(i.rt), uint64(i.scratch+scratchOut))
		if err != nil {
			return err
		}
		switch {
		case i.interrupted:
			return ErrInterrupted
		case int32(n) == 0:
			return nil
		case int32(n) < 0:
			if err := i.dropException(); err != nil {
				return err
			}
		}
	}
	return nil
}

// check turns a C function's exception into an error.
func (i *Instance) check(v Value) (Value, error) {
	if i.interrupted {
		return 0, ErrInterrupted
	}
	if !v.IsException() {
		return v, nil
	}
	e, err := i.once("JS_GetException", uint64(i.jsctx))
	if err != nil {
		return 0, err
	}
	return 0, &Exception{Value(e)}
}

func (i *Instance) dropException() error {
	e, err := i.once("JS_GetException", uint64(i.jsctx))
	if err != nil {
		return err
	}
	return i.Free(Value(e))
}

func (i *Instance) evalString(source string) (string, error) {
	v, err := i.Eval(source, "<proof>", EvalScript)
	if err != nil {
		return "", err
	}
	text, _, ok := i.Text(v, 1<<10)
	if !ok {
		return "", errNotString
	}
	return string(text), nil
}

// hostImport is env.jsFunctionProxy: a call from JavaScript, or one of the
// hooks that link added, told apart by argc.
func hostImport(ctx context.Context, _ api.Module, stack []uint64) {
	i := ctx.Value(instanceKey{}).(*Instance)
	switch argc := int32(stack[2]); {
	case argc == argcInterrupt:
		stack[0] = 0
		if i.interrupt() {
			stack[0] = 1
		}
	case argc == argcRejection:
		if i.OnRejection != nil {
			p := uint32(stack[3])
			i.OnRejection(object(p&^1), Value(stack[1]), p&1 != 0)
		}
		stack[0] = 0
	case argc < 0 || i.OnCall == nil:
		stack[0] = uint64(Undefined)
	default:
		stack[0] = uint64(i.OnCall(Args{i, uint32(stack[3]), argc}))
	}
}

// Stop ends the running JavaScript from inside OnCall, at once and for good:
// it does not return. The call that entered JavaScript gets ErrInterrupted.
func (i *Instance) Stop() {
	i.interrupted = true
	panic(ErrInterrupted)
}

// Abort is Stop for a reason of the caller's own: the call that entered
// JavaScript gets ErrTrap and the reason.
func (i *Instance) Abort(reason error) {
	i.trapped = true
	panic(reason)
}

// Throw makes e what the host call throws in JavaScript: OnCall returns the
// value that it returns. It takes e over.
func (i *Instance) Throw(e *Exception) Value {
	v, err := i.once("JS_Throw", uint64(i.jsctx), uint64(e.Value))
	if err != nil {
		i.Abort(err)
	}
	return Value(v)
}

// PromiseState is what has become of a promise.
type PromiseState int32

const (
	Pending PromiseState = iota
	Fulfilled
	Rejected
)

// Where JSObject and JSPromiseData keep what PromiseState reads, in the binary
// named by moduleSHA256.
const (
	objectClass  = 6  // JSObject.class_id, 16 bits
	classPromise = 50 // JS_CLASS_PROMISE
	objectData   = 32 // JSObject.u
	promiseState = 0  // JSPromiseData.promise_state
	promiseValue = 24 // JSPromiseData.promise_result
)

// object returns the value that is the object at an address.
func object(address uint32) Value { return Value(0xffffffff<<32 | uint64(address)) }

// IsPromise tells whether v is a promise of the language, not just an object
// with a then method.
func (i *Instance) IsPromise(v Value) bool {
	if !v.IsObject() {
		return false
	}
	head, err := i.load32(uint32(v) + objectClass - 2)
	return err == nil && head>>16 == classPromise
}

// PromiseState reads a promise's state, and its result once it has one; the
// result stays the promise's. A value that is no promise is Fulfilled with
// itself.
func (i *Instance) PromiseState(v Value) (PromiseState, Value, error) {
	if !i.IsPromise(v) {
		return Fulfilled, v, nil
	}
	data, err := i.load32(uint32(v) + objectData)
	if err != nil {
		return 0, 0, err
	}
	state, err := i.load32(data + promiseState)
	if err != nil {
		return 0, 0, err
	}
	low, err := i.load32(data + promiseValue)
	if err != nil {
		return 0, 0, err
	}
	high, err := i.load32(data + promiseValue + 4)
	return PromiseState(state), Value(uint64(high)<<32 | uint64(low)), err
}

// Reserve makes free heap of about n bytes part of linear memory, so that as
// much can be allocated later without growing it.
func (i *Instance) Reserve(n uint64) error {
	p, err := i.malloc(uint32(n))
	if errors.Is(err, ErrMemory) {
		return nil
	}
	if err != nil {
		return err
	}
	return i.free(p)
}
