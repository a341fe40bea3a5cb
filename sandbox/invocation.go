package sandbox

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strings"
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
	refused []byte // see Invoke.refused
	policy  string
	inbox   *inbox

	start       time.Time
	deadline    time.Time
	timers      timers
	outstanding int
	waiting     []*sandboxpb.HostResult // arrived while a sync call waited for its own
	rejections  []rejection
	unkept      int // rejections beyond maxRejections
	sendErr     error

	main   quickjs.Value     // what the function returned: a value or a promise
	result *sandboxpb.Result // set when the function has ended
}

// rejection is a promise that was rejected while nothing handled it.
type rejection struct {
	promise quickjs.Value
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
	event, packed := bytes.CutPrefix(event, packedMark)
	v, err := quickjs.Undefined, error(nil)
	if len(event) > 0 {
		if v, err = inv.inst.ParseJSON(event); err != nil {
			return err
		}
	}
	if inv.main, err = inv.inst.Call(inv.version.bridge.start, v, quickjs.Bool(packed)); err != nil {
		return err
	}
	if inv.main.IsObject() && !inv.inst.IsPromise(inv.main) {
		if inv.main, err = inv.inst.Call(inv.version.bridge.follow, inv.main); err != nil {
			return err
		}
	}
	for {
		if err := inv.inst.RunJobs(inv.settled); err != nil {
			return err
		}
		state, value, err := inv.inst.PromiseState(inv.main)
		switch {
		case err != nil:
			return err
		case inv.inst.Expired():
			return quickjs.ErrInterrupted // it came to its end too late
		case state == quickjs.Fulfilled:
			return inv.finish(value)
		case state == quickjs.Rejected:
			return &quickjs.Exception{Value: value}
		}
		if err := inv.wait(); err != nil {
			return err
		}
	}
}

// settled tells whether the function has come to its end.
func (inv *invocation) settled() bool {
	state, _, err := inv.inst.PromiseState(inv.main)
	return err != nil || state != quickjs.Pending
}

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
		inv.inbox.wait(now, next)
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
	if _, err := inv.inst.Call(inv.version.bridge.settle, quickjs.Int(int32(r.GetCall())), v, quickjs.Bool(len(r.GetData()) > 0)); err != nil {
		return err
	}
	return inv.inst.Free(v)
}

// parse makes what settle in hostcalls.js takes of an answer.
func (inv *invocation) parse(r *sandboxpb.HostResult) (quickjs.Value, error) {
	if len(r.GetData()) > 0 {
		return inv.inst.NewArrayBuffer(r.GetData())
	}
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
	case opControl:
		return quickjs.Bool(inv.control(a))
	case opCallSync:
		inv.hostCall(a)
		return inv.awaitCall(uint32(a.Int(2)))
	case opLog:
		inv.emit(&sandboxpb.FromSandbox{Frame: &sandboxpb.FromSandbox_Log{Log: logFrame(a, inv.id)}})
	case opTimer:
		delay := time.Duration(a.Int(2)) * time.Millisecond
		return quickjs.Bool(inv.timers.add(a.Int(1), delay, a.Int(3) != 0, time.Now()))
	case opClear:
		inv.timers.remove(a.Int(1))
	case opNow:
		return quickjs.Float(milliseconds(time.Since(inv.start)))
	case opText:
		return inv.decode(a)
	case opPlain, opClass, opBase64, opBytes:
		return valueCall(inv.inst, inv.version.bridge, a)
	case opWebAPI, opPart:
		return webAPI(inv.inst, a)
	}
	return quickjs.Undefined
}

// decode turns base64 into the text that its bytes are in UTF-8.
func (inv *invocation) decode(a quickjs.Args) quickjs.Value {
	encoded, _, ok := a.Text(1, ipc.MaxHostValue)
	if !ok {
		return quickjs.Undefined
	}
	raw := make([]byte, base64.StdEncoding.DecodedLen(len(encoded)))
	n, err := base64.StdEncoding.Decode(raw, encoded)
	if err != nil {
		return quickjs.Undefined
	}
	text, err := json.Marshal(strings.ToValidUTF8(string(raw[:n]), "\uFFFD"))
	if err != nil {
		return raise(inv.inst, err)
	}
	v, err := inv.inst.ParseJSON(text)
	if err != nil {
		return raise(inv.inst, err)
	}
	return v
}

func (inv *invocation) hostCall(a quickjs.Args) {
	index := int(a.Int(1))
	args, length, ok := a.Text(3, ipc.MaxArgs)
	if index < 0 || index >= len(inv.apis) {
		return
	}
	call := &sandboxpb.HostCall{Invocation: inv.id, Call: uint32(a.Int(2)), Api: inv.apis[index].GetName(), Args: args}
	if !ok {
		// Too large to send.
		inv.answerHere(call, &sandboxpb.Exception{
			Name:    "RangeError",
			Message: fmt.Sprintf("%s: the arguments take %d bytes as JSON; the limit is %d", call.Api, length, ipc.MaxArgs),
		})
		return
	}
	if index/8 < len(inv.refused) && inv.refused[index/8]&(1<<(index%8)) != 0 {
		call.Refused = true
		inv.answerHere(call, ipc.NewDenial(call.Api, inv.policy))
	}
	inv.emit(&sandboxpb.FromSandbox{Frame: &sandboxpb.FromSandbox_HostCall{HostCall: call}})
}

// answerHere gives a host call an answer that need not come from the
// supervisor.
func (inv *invocation) answerHere(call *sandboxpb.HostCall, e *sandboxpb.Exception) {
	inv.waiting = append(inv.waiting, &sandboxpb.HostResult{Invocation: inv.id, Call: call.GetCall(), Exception: e})
}

// control makes a host call that acts on an earlier one. It returns false when
// its bytes cannot be read.
func (inv *invocation) control(a quickjs.Args) bool {
	kind := int(a.Int(1))
	if kind < 0 || kind >= len(ipc.Controls) {
		return false
	}
	var data []byte
	if ipc.Controls[kind] == ipc.StreamWrite {
		var ok bool
		if data, ok = a.Slice(4, int(a.Int(5)), int(a.Int(6))); !ok || len(data) == 0 || len(data) > ipc.MaxPiece {
			return false
		}
	}
	inv.outstanding++
	call := ipc.NewControl(inv.id, uint32(a.Int(2)), ipc.Controls[kind], uint32(a.Int(3)), data)
	inv.emit(&sandboxpb.FromSandbox{Frame: &sandboxpb.FromSandbox_HostCall{HostCall: call}})
	return true
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
			inv.inbox.wait(time.Now(), inv.deadline)
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
		return raise(inv.inst, err)
	}
	return v
}

// finish makes the result of a function that returned. Describing the value
// may run JavaScript, and fail.
func (inv *invocation) finish(value quickjs.Value) error {
	var text quickjs.Value
	var err error
	packed := false
	switch {
	case value.IsUndefined():
		text = value
	case inv.inst.Plain(value, inv.version.bridge.prototypes):
		text, err = inv.inst.Stringify(value)
	default:
		packed = true
		text, err = inv.inst.Call(inv.version.bridge.pack, value)
	}
	if err != nil {
		return err
	}
	inv.result = &sandboxpb.Result{Outcome: uint32(outcome.OK)}
	if text.IsUndefined() {
		return nil
	}
	described, length, ok := inv.inst.Text(text, ipc.MaxResult)
	if !ok {
		inv.result.Outcome = uint32(outcome.Output)
		inv.result.Detail = fmt.Sprintf("the result takes %d bytes as JSON; the limit is %d", length, ipc.MaxResult)
		return nil
	}
	if packed {
		described = append(packedMark[:1:1], described...)
	}
	inv.result.Value = described
	return nil
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
	return &sandboxpb.Result{Outcome: uint32(o), Exception: t.proto()}
}

func (inv *invocation) describe(e *quickjs.Exception) *thrown {
	t := describe(inv.inst, inv.version.bridge, e)
	t.unshift(inv.version.file, inv.version.shifted)
	return t
}

// text shows t, its causes and its errors as they go into the log.
func (t *thrown) text() string {
	text := t.Name
	if t.Message != "" {
		text += ": " + t.Message
	}
	if t.Stack != "" {
		text += "\n    " + strings.ReplaceAll(t.Stack, "\n", "\n    ")
	}
	inner := func(label string, e *thrown) {
		text += "\n  " + label + ": " + strings.ReplaceAll(e.text(), "\n", "\n  ")
	}
	if t.Cause != nil {
		inner("[cause]", t.Cause)
	}
	for n, e := range t.Errors {
		inner(fmt.Sprintf("[errors][%d]", n), e)
	}
	return text
}

func (inv *invocation) onRejection(promise quickjs.Value, reason quickjs.Value, handled bool) {
	if handled {
		for n, r := range inv.rejections {
			if r.promise == promise {
				inv.rejections = append(inv.rejections[:n], inv.rejections[n+1:]...)
				inv.drop(r)
				return
			}
		}
		inv.unkept = max(inv.unkept-1, 0)
		return
	}
	if len(inv.rejections) == maxRejections {
		inv.unkept++
		return
	}
	// Both are held: another promise must not get this one's address.
	r := rejection{promise, reason}
	for _, v := range []quickjs.Value{promise, reason} {
		if _, err := inv.inst.Dup(v); err != nil {
			return
		}
	}
	inv.rejections = append(inv.rejections, r)
}

// drop lets a rejection go that has been handled or reported.
func (inv *invocation) drop(r rejection) {
	if !inv.version.warm || inv.inst.Condemned() {
		return // the instance's memory goes, or is restored
	}
	// An error condemns the instance, which is all there is to do.
	_ = inv.inst.Free(r.promise)
	_ = inv.inst.Free(r.reason)
}

// reportRejections logs the rejections that nothing handled to the end.
func (inv *invocation) reportRejections() {
	for _, r := range inv.rejections {
		if inv.inst.Condemned() {
			return
		}
		if r.promise != inv.main { // which is the result
			t := inv.describe(&quickjs.Exception{Value: r.reason})
			inv.log("error", "Uncaught (in promise) "+t.text())
		}
		inv.drop(r)
	}
	if inv.unkept > 0 {
		inv.log("error", fmt.Sprintf("Uncaught (in promise): %d more rejections", inv.unkept))
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
