package sandbox

import (
	"errors"
	"strings"
	"time"

	"github.com/bulkhead-run/bulkhead/internal/outcome"
	"github.com/bulkhead-run/bulkhead/ipc/sandboxpb"
	"github.com/bulkhead-run/bulkhead/sandbox/quickjs"
)

const (
	minStack = 128 << 10
	maxStack = 2 << 20
	// maxHeadroom is the free heap that a snapshot includes, so that most
	// invocations need not grow the memory: a grown instance cannot be
	// restored. Memory that is not touched costs nothing.
	maxHeadroom = 512 << 10
	maxLoadLogs = 1000
)

// stackFor returns the size of JavaScript's stack in an instance with this
// much memory: 1 MiB, good for 3,700 plain frames, at the default of 5 MiB.
func stackFor(memory uint64) uint32 {
	return uint32(min(max(memory/5&^(quickjs.PageSize-1), minStack), maxStack))
}

// loaded is what became of a function's source.
type loaded struct {
	snapshot *quickjs.Snapshot
	bridge   bridge
	shape    sandboxpb.Shape
	shifted  bool // line 1 of the source was evaluated one column to the right
	// first is the instance that was snapshotted: as good as one made of it.
	first *quickjs.Instance
}

// loader takes one function's source to a snapshot.
type loader struct {
	base *base
	apis []*sandboxpb.API
	inst *quickjs.Instance
	req  *sandboxpb.LoadRequest
	file string
	logs []*sandboxpb.Log
	done loaded

	rejections rejections
}

// load evaluates a function's top level in an instance of the base, which it
// takes over. A fault of the code is a *loadError. The console output of the
// top level is returned either way.
func load(inst *quickjs.Instance, b *base, apis []*sandboxpb.API, req *sandboxpb.LoadRequest) (*loaded, []*sandboxpb.Log, error) {
	keep := false
	defer func() {
		if !keep {
			inst.Close()
		}
	}()
	l := &loader{base: b, apis: apis, inst: inst, req: req, file: req.GetFunction() + ".js", done: loaded{bridge: b.bridge}}
	start := time.Now()
	timeout := time.Duration(req.GetTimeoutNs())
	inst.SetDeadline(start.Add(timeout))
	inst.OnCall = func(a quickjs.Args) quickjs.Value { return l.onCall(a, start) }
	inst.OnRejection = func(promise, reason quickjs.Value, handled bool) { l.rejections.note(inst, promise, reason, handled) }
	err := l.run()
	if err != nil {
		l.reportRejections(err)
	}
	switch _, isException := asException(err); {
	case err == nil:
		keep, l.done.first = true, inst
		inst.OnCall, inst.OnRejection = nil, nil
		return &l.done, l.logs, nil
	case errors.Is(err, quickjs.ErrInterrupted):
		err = codeProblem(outcome.Deadline, "the top level ran longer than %s", timeout)
	case inst.MemoryRefused(), errors.Is(err, quickjs.ErrMemory):
		err = codeProblem(outcome.Memory, "the top level needs more memory than the function's limit of %d bytes; raise the limit, or import less", req.GetMemory())
	case errors.Is(err, quickjs.ErrTrap):
		err = codeProblem(outcome.Crashed, "the engine failed while it evaluated the top level")
	case isException:
		err = l.exception(err)
	}
	return nil, l.logs, err
}

func (l *loader) run() error {
	if err := l.prepare(); err != nil {
		return err
	}
	value, isModule, err := l.evaluate()
	if err != nil {
		return err
	}
	if err := l.adopt(value, isModule); err != nil {
		return err
	}
	if err := l.inst.RunJobs(func() bool { return false }); err != nil {
		return err
	}
	l.reportRejections(nil)
	l.inst.SetDeadline(time.Time{})
	l.done.snapshot, err = l.inst.Snapshot()
	return err
}

// prepare makes of an instance of the base what a top level runs in.
func (l *loader) prepare() error {
	l.inst.Seed(newSeed(nil))
	memory := l.req.GetMemory()
	if err := l.inst.SetStack(stackFor(memory)); err != nil {
		return err
	}
	if err := l.inst.Reserve(min(maxHeadroom, (memory-min(memory, l.inst.Memory()))/4)); err != nil {
		return err
	}
	if err := defineAPIs(l.inst, l.base.bridge, l.apis); err != nil {
		return err
	}
	return preload(l.inst, l.req.GetSource())
}

// evaluate finds out what the source is and evaluates it, once. Each form is
// told by the grammar alone: text with an export is a module, and nothing else;
// text that parses in parentheses is an expression; text that parses as a
// script is one; the rest is a module without exports, or wrong.
func (l *loader) evaluate() (value quickjs.Value, isModule bool, err error) {
	module, err := l.exporting()
	switch {
	case err != nil:
		return 0, true, err
	case module != 0:
		value, err := l.runModule(module)
		return value, true, err
	}
	source := l.req.GetSource()
	for _, form := range []string{"(" + source + "\n)", source} {
		code, err := l.compile(form, quickjs.EvalScript)
		if err != nil {
			return 0, false, err
		}
		if code == 0 {
			continue
		}
		l.done.shifted = len(form) != len(source)
		value, err := l.inst.Run(code)
		return value, false, err
	}
	module, err = l.inst.Compile(source, l.file, quickjs.EvalModule)
	if err != nil {
		return 0, true, err
	}
	value, err = l.runModule(module)
	return value, true, err
}

// exporting compiles the source as a module, and returns it when it exports
// something; 0 means that the source has to be taken for something else. Most
// large sources are modules that a bundler made: they are parsed once.
func (l *loader) exporting() (quickjs.Value, error) {
	if !strings.Contains(l.req.GetSource(), "export") {
		return 0, nil
	}
	module, err := l.compile(l.req.GetSource(), quickjs.EvalModule)
	if err != nil || module == 0 {
		return 0, err
	}
	exports, err := l.inst.Exports(module)
	if err != nil || exports > 0 {
		return module, err
	}
	// A script that only mentions the word. QuickJS keeps every module that
	// it has compiled, so all is begun anew.
	if err := l.inst.Restore(l.base.snapshot); err != nil {
		return 0, err
	}
	return 0, l.prepare()
}

// compile returns 0 for text that does not parse as what it is taken for.
func (l *loader) compile(text string, mode int) (quickjs.Value, error) {
	code, err := l.inst.Compile(text, l.file, mode)
	if e, ok := asException(err); ok && !l.inst.MemoryRefused() {
		return 0, l.inst.Free(e.Value)
	}
	return code, err
}

func (l *loader) runModule(module quickjs.Value) (quickjs.Value, error) {
	promise, err := l.inst.Run(module)
	if err != nil {
		return 0, err
	}
	if err := l.await(promise); err != nil {
		return 0, err
	}
	namespace, err := l.inst.Namespace(module)
	if err != nil {
		return 0, err
	}
	return l.inst.Get(namespace, "default")
}

// reportRejections logs the rejections that nothing has handled when the top
// level has run, but for err, which is why it failed.
func (l *loader) reportRejections(err error) {
	cause, failed := asException(err)
	isCause := func(r rejection) bool { return failed && r.reason == cause.Value }
	l.rejections.report(l.inst, isCause, func(e *quickjs.Exception) *thrown {
		t := describe(l.inst, l.base.bridge, e)
		t.unshift(l.file, l.done.shifted)
		return t
	}, l.log)
}

// await waits for a module's evaluation. At top level nothing can be waited
// for but promises that settle by themselves.
func (l *loader) await(promise quickjs.Value) error {
	if err := l.inst.RunJobs(func() bool { return false }); err != nil {
		return err
	}
	state, result, err := l.inst.PromiseState(promise)
	switch {
	case err != nil:
		return err
	case state == quickjs.Rejected:
		return &quickjs.Exception{Value: result}
	case state == quickjs.Pending:
		return codeProblem(outcome.Exception, "the top level awaits a promise that can never settle")
	}
	return nil
}

func (l *loader) adopt(value quickjs.Value, isModule bool) error {
	answer, err := l.inst.Call(l.base.bridge.adopt, value, quickjs.Bool(isModule))
	if err != nil {
		return err
	}
	if reason, _, ok := l.inst.Text(answer, 1<<10); ok {
		return codeProblem(outcome.Invalid, "%s", reason)
	}
	l.done.shape = sandboxpb.Shape(int32(answer))
	return nil
}

func (l *loader) log(message string) {
	if len(l.logs) < maxLoadLogs {
		l.logs = append(l.logs, &sandboxpb.Log{Level: "error", Message: strings.ToValidUTF8(message, "\uFFFD")})
	}
}

// onCall serves what the prelude asks for at top level: output, and the time.
func (l *loader) onCall(a quickjs.Args, start time.Time) quickjs.Value {
	switch a.Int(0) {
	case opLog:
		if len(l.logs) < maxLoadLogs {
			level, message := logLine(a)
			l.logs = append(l.logs, &sandboxpb.Log{Level: level, Message: message})
		}
	case opNow:
		return quickjs.Float(milliseconds(time.Since(start)))
	case opWebAPI, opPart, opPlainURL, opQueryGet, opHeader, opURLPart:
		return webAPI(l.inst, a, nil)
	case opJSON, opClass, opBase64, opBytes:
		return valueCall(l.inst, l.base.bridge, a)
	}
	return quickjs.Undefined
}
