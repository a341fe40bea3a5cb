package supervisor

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"time"

	"golang.org/x/net/http/httpguts"

	"github.com/bulkhead-run/bulkhead/internal/outcome"
	"github.com/bulkhead-run/bulkhead/ipc"
	"github.com/bulkhead-run/bulkhead/value"
)

// HTTPRequest is a request for a function to answer.
type HTTPRequest struct {
	Method string
	URL    string // absolute
	Header http.Header
	// Body is what the function reads, as it asks for it; nil for none. It is
	// closed before ServeHTTP's ended is called, and Close has to end a Read that
	// is under way.
	Body io.ReadCloser
}

// HTTPResponse is what a function answers to a request.
type HTTPResponse struct {
	Status int // 200 to 599
	// Header has names and values that are fit for HTTP, whatever they mean.
	Header http.Header
	// Body is the body as the function makes it. Its end is io.EOF; any other
	// error means that the rest of it will not come. The caller closes it:
	// before its end, that is the client's leaving.
	Body io.ReadCloser
	// Size is the body's in bytes, or -1 when it is not known yet.
	Size int64
	// Invocation names the invocation; Version is the one that runs.
	Invocation, Version string
	// Result is the whole result, without the value, if the invocation has
	// ended; else nil.
	Result *Result
}

const (
	// maxHead bounds the names and values of an answer's headers, in bytes,
	// and maxHeaders their number.
	maxHead    = 64 << 10
	maxHeaders = 200
	// goneGrace is how long a function that watches its request's signal may go
	// on when the client has left.
	goneGrace = time.Second
)

// head is how the sandbox describes an answer: its body is here only when it is
// the invocation's value.
type head struct {
	Status     int         `json:"status"`
	Headers    [][2]string `json:"headers"`
	Body       string      `json:"body"`
	BodyBase64 *string     `json:"bodyBase64"`
}

// parse checks what the sandbox says.
func (h *head) parse(text []byte) (*HTTPResponse, error) {
	if err := json.Unmarshal(text, h); err != nil {
		return nil, errors.New("it is no description of a response")
	}
	if h.Status < 200 || h.Status > 599 {
		return nil, fmt.Errorf("its status is %d; it can be 200 to 599", h.Status)
	}
	if len(h.Headers) > maxHeaders {
		return nil, fmt.Errorf("it has %d headers; the most is %d", len(h.Headers), maxHeaders)
	}
	r := &HTTPResponse{Status: h.Status, Header: make(http.Header, len(h.Headers))}
	size := 0
	for _, field := range h.Headers {
		name, text := field[0], latin1(field[1])
		if size += len(name) + len(text); size > maxHead {
			return nil, fmt.Errorf("its headers are over %d bytes", maxHead)
		}
		if !httpguts.ValidHeaderFieldName(name) || !httpguts.ValidHeaderFieldValue(text) {
			return nil, fmt.Errorf("its header %q is none", ipc.Clip(name, ipc.MaxName))
		}
		r.Header.Add(name, text)
	}
	return r, nil
}

// latin1 is text as HTTP sends it: JavaScript has one character for each byte
// of a header's value.
func latin1(text string) string {
	if i := slices.IndexFunc([]byte(text), func(b byte) bool { return b >= 0x80 }); i < 0 {
		return text
	}
	out := make([]byte, 0, len(text))
	for _, r := range text {
		if r > 0xff {
			return "\x00" // no value at all
		}
		out = append(out, byte(r))
	}
	return string(out)
}

// ServeHTTP has a function answer a request. It returns when the head of the
// answer is known; the invocation goes on while the body is made, and after
// that for what the function gave to ctx.waitUntil, within its timeout. The end
// of ctx before the body's is the client's leaving, which ends the invocation.
//
// ended is called once, when the invocation has ended, with what Invoke would
// return; it may be called before ServeHTTP returns. The errors are Invoke's.
func (s *Supervisor) ServeHTTP(ctx context.Context, tenant, function string, r *HTTPRequest, ended func(Result, error)) (*HTTPResponse, error) {
	inv := s.newInvocation(tenant, function)
	x := newExchange(inv, r)
	inv.http = x
	running, end := context.WithCancel(inv.startTrace(context.WithoutCancel(ctx)))
	inv.end = end
	x.attend(ctx)
	go func() {
		defer end()
		event, err := r.event()
		var result Result
		if err == nil {
			result, err = s.invoke(running, inv, event)
		}
		if err == nil {
			err = x.finish(&result)
		}
		inv.tape.returned(result.Wire)
		result.Wire = nil
		result, err = s.conclude(inv, result, err)
		x.end(result, err)
		ended(result, err)
	}()
	<-x.known
	return x.response, x.err
}

// event describes the request to the sandbox.
func (r *HTTPRequest) event() (value.Wire, error) {
	e := struct {
		Method     string      `json:"method"`
		URL        string      `json:"url"`
		Headers    [][2]string `json:"headers"`
		BodyStream int         `json:"bodyStream,omitempty"`
	}{Method: r.Method, URL: r.URL, Headers: make([][2]string, 0, len(r.Header))}
	for name, values := range r.Header {
		lower := strings.ToLower(name)
		for _, text := range values {
			e.Headers = append(e.Headers, [2]string{lower, widen(text)})
		}
	}
	if r.Body != nil {
		e.BodyStream = requestStream
	}
	var out bytes.Buffer
	enc := json.NewEncoder(&out)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(e); err != nil {
		return nil, &outcome.Error{Outcome: outcome.Invalid, Detail: "the request cannot be described", Err: err}
	}
	return value.Wire(out.Bytes()), nil
}

// widen is the other way of latin1.
func widen(text string) string {
	for i := range len(text) {
		if text[i] < 0x80 {
			continue
		}
		wide := make([]rune, len(text))
		for i := range len(text) {
			wide[i] = rune(text[i])
		}
		return string(wide)
	}
	return text
}

// inline makes the answer of an invocation that ended with it as its value.
func inline(wire value.Wire) (*HTTPResponse, error) {
	text, err := value.ToJSON(wire)
	var h head
	var r *HTTPResponse
	if err == nil {
		r, err = h.parse(text)
	}
	body := []byte(h.Body)
	if err == nil && h.BodyBase64 != nil {
		body, err = base64.StdEncoding.DecodeString(*h.BodyBase64)
	}
	if err != nil {
		return nil, &outcome.Error{Outcome: outcome.Output, Detail: "its answer cannot be sent: " + err.Error(), Remedy: "return another Response"}
	}
	r.Body, r.Size = io.NopCloser(bytes.NewReader(body)), int64(len(body))
	return r, nil
}
