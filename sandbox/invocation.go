package sandbox

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
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
	flush   func() error // sends what send has put off
	apis    []*sandboxpb.API
	refused []byte // see Invoke.refused
	policy  string
	http    bool // see Invoke.http
	inbox   *inbox

	start       time.Time
	deadline    time.Time
	timers      timers
	outstanding int
	waiting     []*sandboxpb.HostResult // arrived while a sync call waited for its own
	rejections  rejections
	sendErr     error
	room        ipc.LogRoom
	idles       int       // how often it has said that it is
	dropped     uint32    // lines of log for which there was no room
	clock       *clock    // nil for the machine's
	random      io.Reader // nil for the machine's

	main   quickjs.Value     // what the function returned: a value or a promise
	asked  bool              // main is what came of the prelude's answer
	reply  []byte            // to the HTTP request, if it is the result
	result *sandboxpb.Result // set when the function has ended
}

// errNeverSettles ends an invocation that nothing can bring to an end.
var errNeverSettles = errors.New("the function's promise can never settle: it waits, but for no host call and no timer")

// run runs the function with the event and returns how it ended. It does not
// return before JavaScript has stopped.
func (inv *invocation) run(event []byte, timeout, cpu time.Duration) *sandboxpb.Result {
	inv.start = time.Now()
	inv.deadline = inv.start.Add(timeout)
	if inv.clock != nil {
		inv.clock.begin(inv.start)
		inv.inst.Now = inv.clock.now
	}
	inv.inst.Seed(newSeed(inv.random))
	inv.inst.SetDeadline(inv.deadline)
	inv.inst.StartCPU(cpu)
	inv.inst.OnCall, inv.inst.OnPoll = inv.onCall, inv.catchUp
	inv.inst.OnRejection = func(promise, reason quickjs.Value, handled bool) {
		inv.rejections.note(inv.inst, promise, reason, handled)
	}
	inv.inbox.attach(inv.inst)
	err := inv.loop(event)
	if inv.result == nil {
		inv.result = inv.failed(err)
	}
	isResult := func(r rejection) bool { return r.promise == inv.main }
	inv.rejections.report(inv.inst, isResult, inv.describe, func(text string) { inv.log("error", text) })
	inv.inbox.detach()
	inv.inst.Now, inv.inst.OnPoll = nil, nil
	if inv.version.warm {
		inv.settleDown()
	}
	inv.result.Invocation, inv.result.Dropped = inv.id, inv.dropped
	inv.result.PeakMemory = inv.inst.Memory()
	inv.result.CpuNs = uint64(inv.inst.StopCPU())
	if inv.clock != nil {
		inv.result.Course = inv.clock.report()
	}
	return inv.result
}

func (inv *invocation) loop(event []byte) error {
	begin := inv.begin
	if inv.http {
		begin = inv.serve
	}
	var err error
	if inv.main, err = begin(event); err != nil {
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
		case state == quickjs.Fulfilled && inv.http && !inv.asked:
			inv.asked = true
			if inv.main, err = inv.inst.Call(inv.version.bridge.answer, value); err != nil {
				return err
			}
			continue
		case state == quickjs.Fulfilled && inv.http:
			inv.result = &sandboxpb.Result{Outcome: uint32(outcome.OK), Value: inv.reply}
			return nil
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

// begin calls the function.
func (inv *invocation) begin(event []byte) (quickjs.Value, error) {
	event, packed := bytes.CutPrefix(event, packedMark)
	v, err := quickjs.Undefined, error(nil)
	if len(event) > 0 {
		if v, err = inv.inst.ParseJSON(event); err != nil {
			return 0, err
		}
	}
	return inv.inst.Call(inv.version.bridge.start, v, quickjs.Bool(packed))
}

// settled tells whether the function has come to its end.
func (inv *invocation) settled() bool {
	state, _, err := inv.inst.PromiseState(inv.main)
	return err != nil || state != quickjs.Pending
}

// wait waits for the next thing that JavaScript can be told, and tells it.
func (inv *invocation) wait() error {
	if inv.clock.follows() {
		return inv.waitAgain()
	}
	for {
		if r := inv.nextResult(); r != nil {
			inv.clock.note(wasAnswer, uint64(r.GetCall()))
			return inv.settle(r)
		}
		now := time.Now()
		if id, due := inv.timers.take(now); due {
			inv.clock.note(wasTimer, uint64(uint32(id)))
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
		inv.idle(next.Sub(now))
		inv.pause(now, next)
	}
}

// idle tells the supervisor that only timers are waited for, for that long.
func (inv *invocation) idle(wait time.Duration) {
	if inv.outstanding > 0 || wait < ipc.LeastIdle || inv.idles == ipc.MaxIdles {
		return
	}
	inv.idles++
	inv.emit(&sandboxpb.FromSandbox{Frame: &sandboxpb.FromSandbox_Idle{Idle: &sandboxpb.Idle{Invocation: inv.id, WaitNs: int64(wait)}}})
}

// pause waits in the inbox. What others compute meanwhile is not this
// invocation's.
func (inv *invocation) pause(now, until time.Time) {
	inv.catchUp()
	inv.inst.PauseCPU()
	inv.inbox.wait(now, until)
	inv.inst.ResumeCPU()
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
		made := inv.hostCall(a)
		if made {
			inv.outstanding++
		}
		return quickjs.Bool(made)
	case opControl:
		return quickjs.Bool(inv.control(a))
	case opCallSync:
		if !inv.hostCall(a) {
			return quickjs.Bool(false)
		}
		return inv.awaitCall(uint32(a.Int(2)))
	case opLog:
		if inv.room.Full() {
			inv.dropped++
			break
		}
		inv.log(logLine(a))
	case opTimer:
		delay := time.Duration(a.Int(2)) * time.Millisecond
		return quickjs.Bool(inv.timers.add(a.Int(1), delay, a.Int(3) != 0, inv.clock.timerNow()))
	case opClear:
		inv.timers.remove(a.Int(1))
	case opNow:
		if inv.clock != nil {
			return quickjs.Float(milliseconds(inv.clock.now().Sub(inv.clock.start)))
		}
		return quickjs.Float(milliseconds(time.Since(inv.start)))
	case opText:
		return inv.decode(a)
	case opJSON, opClass, opBase64, opBytes:
		return valueCall(inv.inst, inv.version.bridge, a)
	case opRespond:
		return quickjs.Bool(inv.respond(a))
	case opWebAPI, opPart, opPlainURL, opQueryGet, opHeader, opURLPart:
		return webAPI(inv.inst, a, inv.random)
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

// finish makes the result of a function that returned. Describing a value that
// is not plain may run JavaScript, and fail.
func (inv *invocation) finish(value quickjs.Value) error {
	var described []byte
	fits := true
	if !value.IsUndefined() {
		text, plain := inv.inst.JSON(value, inv.version.bridge.prototypes, ipc.MaxResult)
		described, fits = text, len(text) <= ipc.MaxResult
		if !plain {
			packed, err := inv.inst.Call(inv.version.bridge.pack, value)
			if err != nil {
				return err
			}
			text, _, fits = inv.inst.Text(packed, ipc.MaxResult)
			described = append(packedMark[:1:1], text...)
		}
	}
	inv.result = &sandboxpb.Result{Outcome: uint32(outcome.OK), Value: described}
	if !fits {
		inv.result = &sandboxpb.Result{Outcome: uint32(outcome.Output), Detail: fmt.Sprintf("the result is too large as JSON: the limit is %d bytes", ipc.MaxResult)}
	}
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
	case errors.Is(err, quickjs.ErrInterrupted) && inv.inst.OverCPU():
		return result(outcome.CPU, "")
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

// log sends a line of the invocation's log, if there is room for it.
func (inv *invocation) log(level, message string) {
	message = ipc.Clip(strings.ToValidUTF8(message, "\uFFFD"), ipc.MaxLogMessage)
	if !inv.room.Take(message) {
		inv.dropped++
		return
	}
	inv.emit(&sandboxpb.FromSandbox{Frame: &sandboxpb.FromSandbox_Log{Log: &sandboxpb.Log{Invocation: inv.id, Level: level, Message: message}}})
}

// emit sends a frame.
func (inv *invocation) emit(f *sandboxpb.FromSandbox) {
	if inv.sendErr == nil {
		inv.sent(inv.send(f))
		inv.inst.ResumeCPU() // it may have waited
	}
}

// catchUp sends what waits to be sent.
func (inv *invocation) catchUp() {
	if inv.flush != nil && inv.sendErr == nil {
		inv.sent(inv.flush())
	}
}

// sent takes note of how sending went. When it failed the stream is gone, and
// with it whoever could be told: JavaScript is stopped.
func (inv *invocation) sent(err error) {
	if inv.sendErr = err; err != nil {
		inv.inst.Interrupt()
	}
}

// logLine reads the arguments of opLog.
func logLine(a quickjs.Args) (level, message string) {
	level = logLevels[1]
	if n := int(a.Int(1)); n >= 0 && n < len(logLevels) {
		level = logLevels[n]
	}
	text, _, ok := a.Text(2, 4*ipc.MaxLogMessage)
	if !ok {
		text = []byte("(a line that is not text)")
	}
	return level, strings.ToValidUTF8(string(text), "\uFFFD")
}

func milliseconds(d time.Duration) float64 {
	return math.Round(float64(d.Microseconds())/100) / 10
}
