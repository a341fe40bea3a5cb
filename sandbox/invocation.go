package sandbox

import (
	"errors"
	"fmt"
	"math"
	"strings"
	"sync"
	"time"

	"github.com/bulkhead-run/bulkhead/internal/outcome"
	"github.com/bulkhead-run/bulkhead/ipc"
	"github.com/bulkhead-run/bulkhead/ipc/sandboxpb"
	"github.com/bulkhead-run/bulkhead/sandbox/quickjs"
)

// invocation is one run of a function: its event loop. Everything but inbox
// and cancel belongs to the slot's goroutine.
type invocation struct {
	id      uint64
	version *version
	inst    *quickjs.Instance
	send    func(*sandboxpb.FromSandbox) error
	apis    []*sandboxpb.API
	inbox   *inbox

	start       time.Time
	deadline    time.Time
	timers      timers
	outstanding int
	waiting     []*sandboxpb.HostResult // arrived while a sync call waited for its own
	rejections  []rejection
	sendErr     error

	result *sandboxpb.Result // set when the function has ended
}

// rejection is a promise that was rejected while nothing handled it.
type rejection struct {
	promise uint32
	reason  quickjs.Value
}

// maxRejections bounds how many of an invocation are reported.
const maxRejections = 16

// errNeverSettles ends an invocation that nothing can bring to an end.
var errNeverSettles = errors.New("the function's promise can never settle: it waits, but for no host call and no timer")

// run runs the function with the event and returns how it ended. It does not
// return before JavaScript has stopped.
func (inv *invocation) run(event []byte, timeout time.Duration) *sandboxpb.Result {
	inv.start = time.Now()
	inv.deadline = inv.start.Add(timeout)
	inv.inst.Seed(newSeed())
	inv.inst.SetDeadline(inv.deadline)
	inv.inst.OnCall = inv.onCall
	inv.inst.OnRejection = inv.onRejection
	inv.inbox.attach(inv.inst)
	err := inv.loop(event)
	if inv.result == nil {
		inv.result = inv.failed(err)
	}
	inv.reportRejections()
	inv.inbox.detach()
	if inv.version.warm {
		inv.settleDown()
	}
	inv.result.Invocation = inv.id
	inv.result.PeakMemory = inv.inst.Memory()
	return inv.result
}

func (inv *invocation) loop(event []byte) error {
	v, err := inv.inst.ParseJSON(event)
	if err != nil {
		return err
	}
	if _, err := inv.inst.Call(inv.version.bridge.start, v); err != nil {
		return err
	}
	for {
		if err := inv.inst.RunJobs(inv.ended); err != nil {
			return err
		}
		if inv.ended() {
			return nil
		}
		if err := inv.wait(); err != nil {
			return err
		}
	}
}

func (inv *invocation) ended() bool { return inv.result != nil }

// wait waits for the next thing that JavaScript can be told, and tells it.
func (inv *invocation) wait() error {
	for {
		if r := inv.nextResult(); r != nil {
			return inv.settle(r)
		}
		now := time.Now()
		if id, due := inv.timers.take(now); due {
			return inv.fire(id)
		}
		if inv.inst.Expired() {
			return quickjs.ErrInterrupted
		}
		next, armed := inv.timers.next()
		if !armed && inv.outstanding == 0 {
			return errNeverSettles
		}
		if !armed || next.After(inv.deadline) {
			next = inv.deadline
		}
		inv.inbox.wait(next.Sub(now))
	}
}

func (inv *invocation) nextResult() *sandboxpb.HostResult {
	if len(inv.waiting) > 0 {
		r := inv.waiting[0]
		inv.waiting = inv.waiting[1:]
		return r
	}
	return inv.inbox.take(inv.id)
}

// settle gives an async host call its answer.
func (inv *invocation) settle(r *sandboxpb.HostResult) error {
	inv.outstanding--
	v, err := inv.parse(r)
	if err != nil {
		return err
	}
	if _, err := inv.inst.Call(inv.version.bridge.settle, quickjs.Int(int32(r.GetCall())), v); err != nil {
		return err
	}
	return inv.inst.Free(v)
}

func (inv *invocation) parse(r *sandboxpb.HostResult) (quickjs.Value, error) {
	text, err := envelope(r)
	if err != nil {
		return 0, err
	}
	return inv.inst.ParseJSON(text)
}

func (inv *invocation) fire(id int32) error {
	_, err := inv.inst.Call(inv.version.bridge.timer, quickjs.Int(id))
	if e, ok := asException(err); ok && !inv.inst.MemoryRefused() {
		// Nobody can catch what a timer's callback throws: it is reported.
		inv.log("error", "Uncaught "+inv.describe(e).text())
		return inv.inst.Free(e.Value)
	}
	return err
}

// onCall is JavaScript calling Go.
func (inv *invocation) onCall(a quickjs.Args) quickjs.Value {
	switch a.Int(0) {
	case opCall:
		inv.outstanding++
		inv.hostCall(a)
	case opCallSync:
		inv.hostCall(a)
		return inv.awaitCall(uint32(a.Int(2)))
	case opDone:
		inv.finish(a)
	case opFail:
		t := parseThrown(textOf(a, maxFailure))
		inv.result = inv.exception(t)
	case opLog:
		inv.emit(&sandboxpb.FromSandbox{Frame: &sandboxpb.FromSandbox_Log{Log: logFrame(a, inv.id)}})
	case opTimer:
		delay := time.Duration(a.Int(2)) * time.Millisecond
		return quickjs.Bool(inv.timers.add(a.Int(1), delay, a.Int(3) != 0, time.Now()))
	case opClear:
		inv.timers.remove(a.Int(1))
	case opNow:
		return quickjs.Float(milliseconds(time.Since(inv.start)))
	}
	return quickjs.Undefined
}

func textOf(a quickjs.Args, most int) ([]byte, bool) {
	text, _, ok := a.Text(1, most)
	return text, ok
}

func (inv *invocation) hostCall(a quickjs.Args) {
	index := int(a.Int(1))
	args, length, ok := a.Text(3, ipc.MaxArgs)
	if index < 0 || index >= len(inv.apis) {
		return
	}
	call := &sandboxpb.HostCall{Invocation: inv.id, Call: uint32(a.Int(2)), Api: inv.apis[index].GetName(), Args: args}
	if !ok {
		// Too large to send: the answer is made here.
		inv.waiting = append(inv.waiting, &sandboxpb.HostResult{
			Invocation: inv.id, Call: call.Call,
			Exception: &sandboxpb.Exception{
				Name:    "RangeError",
				Message: fmt.Sprintf("%s: the arguments take %d bytes as JSON; the limit is %d", call.Api, length, ipc.MaxArgs),
			},
		})
		return
	}
	inv.emit(&sandboxpb.FromSandbox{Frame: &sandboxpb.FromSandbox_HostCall{HostCall: call}})
}

// awaitCall waits for a sync host call's answer. Answers to other calls that
// come first are kept for the event loop.
func (inv *invocation) awaitCall(call uint32) quickjs.Value {
	for n, r := range inv.waiting {
		if r.GetCall() == call {
			inv.waiting = append(inv.waiting[:n:n], inv.waiting[n+1:]...)
			return inv.answer(r)
		}
	}
	for !inv.inst.Expired() {
		r := inv.inbox.take(inv.id)
		switch {
		case r == nil:
			inv.inbox.wait(time.Until(inv.deadline))
		case r.GetCall() == call:
			return inv.answer(r)
		default:
			inv.waiting = append(inv.waiting, r)
		}
	}
	inv.inst.Stop()
	return quickjs.Undefined
}

func (inv *invocation) answer(r *sandboxpb.HostResult) quickjs.Value {
	v, err := inv.parse(r)
	if err != nil {
		inv.inst.Abort(err)
	}
	return v
}

func (inv *invocation) finish(a quickjs.Args) {
	inv.result = &sandboxpb.Result{Outcome: uint32(outcome.OK)}
	if a.At(1).IsUndefined() {
		return
	}
	value, length, ok := a.Text(1, ipc.MaxResult)
	if !ok {
		inv.result.Outcome = uint32(outcome.Output)
		inv.result.Detail = fmt.Sprintf("the result takes %d bytes as JSON; the limit is %d", length, ipc.MaxResult)
		return
	}
	inv.result.Value = value
}

// failed makes the result of an invocation that ended without the function's
// own word.
func (inv *invocation) failed(err error) *sandboxpb.Result {
	result := func(o outcome.Outcome, detail string) *sandboxpb.Result {
		return &sandboxpb.Result{Outcome: uint32(o), Detail: detail}
	}
	e, isException := asException(err)
	switch {
	case inv.inbox.canceled(inv.id):
		return result(outcome.Canceled, "")
	case errors.Is(err, quickjs.ErrInterrupted):
		return result(outcome.Deadline, "")
	case inv.inst.MemoryRefused(), errors.Is(err, quickjs.ErrMemory):
		return result(outcome.Memory, "")
	case errors.Is(err, errNeverSettles):
		r := inv.exception(&thrown{Name: "Error", Message: errNeverSettles.Error()})
		return r
	case isException:
		return inv.exception(inv.describe(e))
	default:
		return result(outcome.Crashed, "the engine failed; the instance was discarded")
	}
}

// exception makes the result of a function that threw.
func (inv *invocation) exception(t *thrown) *sandboxpb.Result {
	o := outcome.Exception
	if inv.inst.MemoryRefused() && t.outOfMemory() {
		o = outcome.Memory
	}
	for c := t; c != nil; c = c.Cause {
		c.Stack = unshift(c.Stack, inv.version.file, inv.version.shifted)
	}
	return &sandboxpb.Result{Outcome: uint32(o), Exception: t.proto()}
}

func (inv *invocation) describe(e *quickjs.Exception) *thrown {
	t := describe(inv.inst, inv.version.bridge, e)
	t.Stack = unshift(t.Stack, inv.version.file, inv.version.shifted)
	return t
}

func (t *thrown) text() string {
	text := t.Name
	if t.Message != "" {
		text += ": " + t.Message
	}
	if t.Stack != "" {
		text += "\n    " + strings.ReplaceAll(t.Stack, "\n", "\n    ")
	}
	return text
}

func (inv *invocation) onRejection(promise uint32, reason quickjs.Value, handled bool) {
	if handled {
		for n, r := range inv.rejections {
			if r.promise == promise {
				inv.rejections = append(inv.rejections[:n], inv.rejections[n+1:]...)
				return
			}
		}
		return
	}
	if len(inv.rejections) < maxRejections {
		if held, err := inv.inst.Dup(reason); err == nil {
			inv.rejections = append(inv.rejections, rejection{promise, held})
		}
	}
}

// reportRejections logs the rejections that nothing handled to the end.
func (inv *invocation) reportRejections() {
	for _, r := range inv.rejections {
		if inv.inst.Condemned() {
			return
		}
		t := inv.describe(&quickjs.Exception{Value: r.reason})
		inv.log("error", "Uncaught (in promise) "+t.text())
	}
}

// settleDown ends what a function with warm isolation left running, so that
// it does not run on the next invocation's time: microtasks get a moment, and
// an instance that needs longer is condemned.
func (inv *invocation) settleDown() {
	const moment = 20 * time.Millisecond
	if inv.inst.Condemned() {
		return
	}
	inv.inst.OnCall = nil
	inv.inst.SetDeadline(time.Now().Add(moment))
	// An error condemns the instance, which is all there is to do.
	_ = inv.inst.RunJobs(func() bool { return false })
	inv.inst.SetDeadline(time.Time{})
}

func (inv *invocation) log(level, message string) {
	inv.emit(&sandboxpb.FromSandbox{Frame: &sandboxpb.FromSandbox_Log{Log: &sandboxpb.Log{
		Invocation: inv.id, Level: level, Message: strings.ToValidUTF8(message, "\uFFFD"),
	}}})
}

// emit sends a frame. When that fails the stream is gone, and with it whoever
// could be told: JavaScript is stopped.
func (inv *invocation) emit(f *sandboxpb.FromSandbox) {
	if inv.sendErr == nil {
		if inv.sendErr = inv.send(f); inv.sendErr != nil {
			inv.inst.Interrupt()
		}
	}
}

func logFrame(a quickjs.Args, invocation uint64) *sandboxpb.Log {
	level := logLevels[1]
	if n := int(a.Int(1)); n >= 0 && n < len(logLevels) {
		level = logLevels[n]
	}
	text, _, ok := a.Text(2, 4*ipc.MaxLogMessage)
	if !ok {
		text = []byte("(a line that is not text)")
	}
	return &sandboxpb.Log{Invocation: invocation, Level: level, Message: strings.ToValidUTF8(string(text), "\uFFFD")}
}

func milliseconds(d time.Duration) float64 {
	return math.Round(float64(d.Microseconds())/100) / 10
}

// inbox is where the slot's reader leaves what the running invocation waits
// for. Its methods may be called from any goroutine.
type inbox struct {
	mu         sync.Mutex
	results    []*sandboxpb.HostResult
	inst       *quickjs.Instance // running now; nil between invocations
	canceledID uint64
	gone       bool // the stream has ended
	signal     chan struct{}
}

func newInbox() *inbox { return &inbox{signal: make(chan struct{}, 1)} }

func (b *inbox) wake() {
	select {
	case b.signal <- struct{}{}:
	default:
	}
}

// attach names the instance that a cancel stops, until detach.
func (b *inbox) attach(inst *quickjs.Instance) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.inst, b.results = inst, nil
	if b.gone {
		inst.Interrupt()
	}
}

func (b *inbox) detach() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.inst, b.results = nil, nil
}

func (b *inbox) put(r *sandboxpb.HostResult) {
	b.mu.Lock()
	b.results = append(b.results, r)
	b.mu.Unlock()
	b.wake()
}

// take returns the oldest result for the invocation; others are stale.
func (b *inbox) take(id uint64) *sandboxpb.HostResult {
	b.mu.Lock()
	defer b.mu.Unlock()
	for len(b.results) > 0 {
		r := b.results[0]
		b.results = b.results[1:]
		if r.GetInvocation() == id {
			return r
		}
	}
	return nil
}

// wait returns when something has arrived or changed, or after d.
func (b *inbox) wait(d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-b.signal:
	case <-t.C:
	}
}

// cancel stops the invocation with this id, if it runs now; all is the end of
// the stream.
func (b *inbox) cancel(id uint64, all bool) {
	b.mu.Lock()
	b.gone = b.gone || all
	if !all {
		b.canceledID = id
	}
	if b.inst != nil {
		b.inst.Interrupt()
	}
	b.mu.Unlock()
	b.wake()
}

func (b *inbox) canceled(id uint64) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.gone || b.canceledID == id
}
