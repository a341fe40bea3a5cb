package supervisor

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"sync"
	"sync/atomic"
	"time"

	"github.com/bulkhead-run/bulkhead/internal/outcome"
	"github.com/bulkhead-run/bulkhead/platform"
)

// requestStream is the number of the request body's stream: the first.
const requestStream = 1

// exchange is an HTTP request and its answer, for the invocation that makes it.
type exchange struct {
	inv     *invocation
	request *HTTPRequest

	show     func() // lets ServeHTTP return, with what is there
	response *HTTPResponse
	err      error

	gone    chan struct{} // closed when the client has left before the answer's end
	watched atomic.Bool   // the function waits for that
	read    atomic.Bool   // some of the request's body has been asked for
	ignore  func() bool   // stops minding the client's context

	mu     sync.Mutex
	begun  bool // the answer is known, or there will be none
	left   bool
	over   bool  // the invocation has ended
	failed error // how, if not well
}

func newExchange(inv *invocation, r *HTTPRequest) *exchange {
	return &exchange{inv: inv, request: r, gone: make(chan struct{})}
}

// attend minds the client's leaving, until the answer has been read.
func (x *exchange) attend(ctx context.Context) { x.ignore = context.AfterFunc(ctx, x.leave) }

// leave is told that the client has left.
func (x *exchange) leave() {
	x.mu.Lock()
	if x.left || x.over {
		x.mu.Unlock()
		return
	}
	x.left = true
	x.mu.Unlock()
	close(x.gone)
	if x.watched.Load() {
		time.AfterFunc(goneGrace, x.inv.end)
	} else {
		x.inv.end()
	}
}

var errAnswered = platform.TypeErrorf("the request has been answered already")

// begin sets the answer. Only the first is one.
func (x *exchange) begin(r *HTTPResponse, err error) error {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.begun {
		return errAnswered
	}
	x.begun, x.response, x.err = true, r, err
	if r != nil {
		r.Invocation = x.inv.id
		if v := x.inv.runs.Load(); v != nil {
			r.Version = v.Version
		}
	}
	return nil
}

// finish takes the result of an invocation that ended well: it is the answer,
// unless there has been one.
func (x *exchange) finish(result *Result) error {
	x.mu.Lock()
	begun := x.begun
	x.mu.Unlock()
	if begun {
		return nil
	}
	r, err := whole(result.Wire)
	if err == nil {
		x.mu.Lock()
		x.response = r // which end completes
		x.mu.Unlock()
	}
	return err
}

// end is told how the invocation ended.
func (x *exchange) end(result Result, err error) {
	x.mu.Lock()
	x.over, x.failed = true, err
	begun, r := x.begun, x.response
	x.mu.Unlock()
	if x.request.Body != nil {
		_ = x.request.Body.Close()
	}
	if begun {
		return
	}
	x.ignore()
	if err != nil {
		_ = x.begin(nil, err)
		return
	}
	r.Result = &result
	_ = x.begin(r, nil)
}

// respond begins the answer, with a body that the sandbox writes to a stream, or
// with all of it where that is 0.
func (t *turn) respond(id platform.StreamID, text []byte) error {
	if err := t.counted(); err != nil {
		return err
	}
	x := t.inv.http
	if x == nil {
		return platform.TypeErrorf("there is no HTTP request to answer")
	}
	r, body, err := parseAnswer(text)
	switch {
	case err != nil:
		return platform.TypeErrorf("the answer cannot be sent: %w", err)
	case id == 0:
		r.Size, r.Body = int64(len(body)), io.NopCloser(bytes.NewReader(body))
		if err = x.begin(r, nil); err == nil {
			x.ignore() // what goes on now is no business of the client's
		}
		return err
	case len(body) > 0:
		return platform.TypeErrorf("the answer has a body beside its stream")
	}
	r.Size = -1
	source, err := (&callStreams{all: &t.streams, call: t.inv.hear("http", nil)}).Receive(id)
	if err != nil {
		return err
	}
	r.Body = &answerBody{x: x, source: source}
	if err = x.begin(r, nil); err != nil {
		_ = source.Close()
	}
	return err
}

// gone answers a call when the client has left. That is nothing that the
// function waits for while it computes.
func (t *turn) gone(call uint32) error {
	if err := t.counted(); err != nil {
		return err
	}
	x := t.inv.http
	if x == nil || x.watched.Swap(true) {
		return platform.TypeErrorf("there is no HTTP request to watch")
	}
	t.controls.Add(1)
	t.calls.Go(func() {
		defer t.controls.Add(-1)
		select {
		case <-x.gone:
			t.answer(call, "http", nil, nil)
		case <-t.ctx.Done():
		}
	})
	return nil
}

// open gives the request's body its stream.
func (x *exchange) open(s *streams) {
	if x.request.Body == nil {
		return
	}
	st := &stream{call: x.inv.hear("http", nil), source: &requestBody{x}}
	if _, err := s.add(st); err != nil {
		st.close(nil)
	}
}

// touched tells whether the invocation has had an effect on the request.
func (x *exchange) touched() bool { return x != nil && x.read.Load() }

// requestBody is the request's body as the sandbox reads it.
type requestBody struct{ x *exchange }

func (b *requestBody) Read(p []byte) (int, error) {
	b.x.read.Store(true)
	n, err := b.x.request.Body.Read(p)
	if err != nil && err != io.EOF {
		err = platform.Errorf("NetworkError", "the request's body broke off: %w", err)
	}
	return n, err
}

// Close leaves a body that nobody has read to whoever runs the invocation again.
func (b *requestBody) Close() error {
	if !b.x.read.Load() {
		return nil
	}
	return b.x.request.Body.Close()
}

// answerBody is the answer's body as the client's side reads it.
type answerBody struct {
	x      *exchange
	source io.ReadCloser
	ended  atomic.Bool // with io.EOF
}

func (b *answerBody) Read(p []byte) (int, error) {
	n, err := b.source.Read(p)
	if err == io.EOF {
		b.ended.Store(true)
		b.x.ignore() // what goes on now is no business of the client's
	} else if err != nil {
		err = b.x.why(err)
	}
	return n, err
}

func (b *answerBody) Close() error {
	if !b.ended.Load() {
		b.x.leave()
	}
	return b.source.Close()
}

// why says why an answer that has begun ends early.
func (x *exchange) why(err error) error {
	return &outcome.Error{Outcome: outcome.Exception, Tenant: x.inv.tenant, Function: x.inv.function, Detail: fmt.Sprintf("its answer broke off: %v", err), Err: err}
}
