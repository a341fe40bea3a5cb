package platform

import "io"

// StreamID names a byte stream of one invocation. In arguments and results it
// is a plain number.
type StreamID uint32

// Streams are the byte streams of one invocation: how a body of any size
// passes between JavaScript and an API, in pieces, without being held in memory
// whole. They are bounded in number, and end with the invocation. A call's
// context outlives the call as long as the invocation lasts, if the call sent or
// received a stream, so that a stream may depend on it.
type Streams interface {
	// Send gives JavaScript r to read and returns the number for the call's
	// result. r is closed when it has been read to its end or has failed, when
	// JavaScript cancels it, or at the latest with the invocation; Close may be
	// called while a Read is under way, and has to end it. What Read fails with
	// reaches JavaScript as a call's error does. An *Error named LimitError
	// means that there are too many; r is closed then, too.
	Send(r io.ReadCloser) (StreamID, error)
	// Receive returns what JavaScript writes to the stream that it named in an
	// argument. Read fails when JavaScript aborts it or the invocation ends.
	// The caller closes it, which makes further writes fail. An *Error named
	// TypeError means that there is no such stream.
	Receive(id StreamID) (io.ReadCloser, error)
}
