package sandbox

import (
	"fmt"
	"strings"
	"time"

	"github.com/bulkhead-run/bulkhead/ipc"
	"github.com/bulkhead-run/bulkhead/ipc/sandboxpb"
	"github.com/bulkhead-run/bulkhead/sandbox/quickjs"
)

// hostCall makes a host call. It returns false, and has made none, for arguments
// that are not plain: those it takes packed, as a text.
func (inv *invocation) hostCall(a quickjs.Args) bool {
	index := int(a.Int(1))
	if index < 0 || index >= len(inv.apis) {
		return true
	}
	var args []byte
	var fits bool
	if list := a.At(3); list.IsObject() {
		var plain bool
		if args, plain = inv.inst.JSON(list, inv.version.bridge.prototypes, ipc.MaxArgs); !plain {
			return false
		}
		fits = len(args) <= ipc.MaxArgs
	} else {
		args, _, fits = a.Text(3, ipc.MaxArgs)
		args = append(packedMark[:1:1], args...)
	}
	call := &sandboxpb.HostCall{Invocation: inv.id, Call: uint32(a.Int(2)), Api: inv.apis[index].GetName(), Args: args}
	if inv.clock.follows() {
		call.Site = inv.site(a)
	}
	if !fits {
		inv.answerHere(call, &sandboxpb.Exception{
			Name:    "RangeError",
			Message: fmt.Sprintf("%s: the arguments are too large as JSON: the limit is %d bytes", call.Api, ipc.MaxArgs),
		})
		return true
	}
	if index/8 < len(inv.refused) && inv.refused[index/8]&(1<<(index%8)) != 0 {
		call.Refused = true
		inv.answerHere(call, ipc.NewDenial(call.Api, inv.policy))
	}
	inv.emit(&sandboxpb.FromSandbox{Frame: &sandboxpb.FromSandbox_HostCall{HostCall: call}})
	return true
}

// site is the line of the stack, in the fifth argument, that is not the
// prelude's.
func (inv *invocation) site(a quickjs.Args) string {
	stack, _, _ := a.Text(4, 64<<10)
	for line := range strings.SplitSeq(string(stack), "\n") {
		if line = strings.TrimSpace(line); line != "" && !strings.Contains(line, "<bulkhead>") {
			return ipc.Clip(strings.ToValidUTF8(unshift(line, inv.version.file, inv.version.shifted), "\uFFFD"), ipc.MaxDetail)
		}
	}
	return ""
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
	if kind < 0 || kind >= len(ipc.Controls) || ipc.Controls[kind] == ipc.HTTPRespond {
		return false
	}
	var data []byte
	if ipc.Controls[kind].HasData() {
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

// respond takes the answer to an HTTP request: the number of the call, the body's
// stream, the head, and the body as a text or as an ArrayBuffer, an offset and a
// length. Number 0 makes it the invocation's result. It returns false for what
// cannot be read, or is too large.
func (inv *invocation) respond(a quickjs.Args) bool {
	call, most := uint32(a.Int(1)), ipc.MaxPiece
	if call == 0 {
		most = ipc.MaxResult
	}
	data, _, ok := a.Text(3, most)
	var body []byte
	if ok && a.At(4).IsObject() {
		body, ok = a.Slice(4, int(a.Int(5)), int(a.Int(6)))
	} else if ok {
		body, _, ok = a.Text(4, most)
	}
	if data = append(data, body...); !ok || !inv.http || len(data) == 0 || len(data) > most {
		return false
	}
	if call == 0 {
		inv.reply = data
		return true
	}
	inv.outstanding++
	frame := ipc.NewControl(inv.id, call, ipc.HTTPRespond, uint32(a.Int(2)), data)
	inv.emit(&sandboxpb.FromSandbox{Frame: &sandboxpb.FromSandbox_HostCall{HostCall: frame}})
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
			inv.pause(time.Now(), inv.deadline)
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
