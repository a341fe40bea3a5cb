package ipc

import (
	"strconv"

	"github.com/bulkhead-run/bulkhead/ipc/sandboxpb"
)

// Control is a name that a host call has when it acts on what an earlier call
// began. No platform API can have it, and no policy governs it: what it acts
// on, an allowed call opened.
type Control string

// The controls. Their one argument is a number: the stream's, or the call's.
const (
	// StreamOpen makes a stream that JavaScript will write; its number is the
	// result. The argument is 0.
	StreamOpen Control = "stream:open"
	// StreamRead waits for the next piece of a stream, which is the result's
	// data. No data is the stream's end, which also closes it.
	StreamRead Control = "stream:read"
	// StreamWrite gives a stream the call's data, and is answered when it has
	// been taken.
	StreamWrite Control = "stream:write"
	// StreamClose ends what is written to a stream, or stops reading it.
	StreamClose Control = "stream:close"
	// StreamCancel ends a stream before its time: who reads what is written to
	// it sees a failure.
	StreamCancel Control = "stream:cancel"
	// CallCancel ends a call that has not been answered.
	CallCancel Control = "call:cancel"
	// HTTPRespond begins the answer to the HTTP request that the invocation is
	// for. The call's data is the answer, in the form of CheckAnswer; the
	// argument is the stream of its body, 0 if the data is all of it.
	HTTPRespond Control = "http:respond"
	// HTTPGone is answered when the client has left. The argument is 0.
	HTTPGone Control = "http:gone"
)

// Controls are all of them, in the order of the numbers that the sandbox's
// JavaScript has for them.
var Controls = [...]Control{StreamOpen, StreamRead, StreamWrite, StreamClose, StreamCancel, CallCancel, HTTPRespond, HTTPGone}

// MaxPiece is the most bytes that one StreamRead or StreamWrite moves, and that
// the data of an HTTPRespond has.
const MaxPiece = 256 << 10

// HasData tells whether the control's host call carries data.
func (c Control) HasData() bool { return c == StreamWrite || c == HTTPRespond }

// NewControl makes a control's host call.
func NewControl(invocation uint64, call uint32, op Control, number uint32, data []byte) *sandboxpb.HostCall {
	args := append(strconv.AppendUint([]byte{'['}, uint64(number), 10), ']')
	return &sandboxpb.HostCall{Invocation: invocation, Call: call, Api: string(op), Args: args, Data: data}
}

// CheckControl tells whether a host call is a control, and checks its form.
func CheckControl(c *sandboxpb.HostCall) (op Control, number uint32, ok bool, err error) {
	for _, op = range Controls {
		if ok = string(op) == c.GetApi(); ok {
			break
		}
	}
	if !ok {
		if len(c.GetData()) > 0 {
			err = violationf("HostCall", "data of %d bytes with an API that takes none", len(c.GetData()))
		}
		return "", 0, false, err
	}
	args := string(c.GetArgs())
	if len(args) < 3 || args[0] != '[' || args[len(args)-1] != ']' {
		return "", 0, true, violationf("HostCall", "the argument of %s is not a number", op)
	}
	n, err := strconv.ParseUint(args[1:len(args)-1], 10, 32)
	switch size := len(c.GetData()); {
	case err != nil:
		return "", 0, true, violationf("HostCall", "the argument of %s is not a number", op)
	case op.HasData() && (size == 0 || size > MaxPiece), !op.HasData() && size > 0:
		return "", 0, true, violationf("HostCall", "%s with data of %d bytes", op, size)
	}
	return op, uint32(n), true, nil
}
