package supervisor

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"net/http"
	"strconv"
	"time"
	"unicode/utf8"

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

// parseAnswer checks what the sandbox says of an answer: the status, a name and a
// value for each header and an empty line, each on a line of its own, and then the
// body.
func parseAnswer(text []byte) (r *HTTPResponse, body []byte, err error) {
	if len(text) < 4 || text[3] != '\n' {
		return nil, nil, errNoAnswer
	}
	status, err := strconv.ParseUint(string(text[:3]), 10, 16)
	if err != nil {
		return nil, nil, errNoAnswer
	}
	if status < 200 || status > 599 {
		return nil, nil, fmt.Errorf("its status is %d; it can be 200 to 599", status)
	}
	r = &HTTPResponse{Status: int(status), Header: make(http.Header)}
	rest, size := text[4:], 0
	for n := 0; ; n++ {
		name, raw, after, ok := nextField(rest)
		switch {
		case !ok:
			return nil, nil, errNoAnswer
		case len(name) == 0:
			return r, after, nil
		}
		if n == maxHeaders {
			return nil, nil, fmt.Errorf("it has over %d headers", maxHeaders)
		}
		if size += len(name) + len(raw); size > maxHead {
			return nil, nil, fmt.Errorf("its headers are over %d bytes", maxHead)
		}
		value := latin1(string(raw))
		if !httpguts.ValidHeaderFieldName(string(name)) || !httpguts.ValidHeaderFieldValue(value) {
			return nil, nil, fmt.Errorf("its header %q is none", ipc.Clip(string(name), ipc.MaxName))
		}
		r.Header.Add(string(name), value)
		rest = after
	}
}

// nextField reads a header of an answer; no name is the head's end.
func nextField(text []byte) (name, raw, rest []byte, ok bool) {
	if name, rest, ok = bytes.Cut(text, newline); ok && len(name) > 0 {
		raw, rest, ok = bytes.Cut(rest, newline)
	}
	return name, raw, rest, ok
}

var (
	errNoAnswer = errors.New("it is no description of a response")
	newline     = []byte("\n")
)

// latin1 is text as HTTP sends it: JavaScript has one character for each byte
// of a header's value.
func latin1(text string) string {
	if isASCII(text) {
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
	s.coroutines.run(func(goOn func()) {
		defer end()
		x.show = goOn
		result, err := s.invoke(running, inv, r.event())
		if err == nil {
			err = x.finish(&result)
		}
		inv.tape.returned(result.Wire)
		result.Wire = nil
		result, err = s.conclude(inv, result, err)
		x.end(result, err)
		ended(result, err)
	})
	return x.response, x.err
}

// event describes the request to the sandbox.
func (r *HTTPRequest) event() value.Wire {
	stream := 0
	if r.Body != nil {
		stream = requestStream
	}
	return describe(r.Method, r.URL, stream, func(yield func(name, text string) bool) {
		for name, values := range r.Header {
			if !httpguts.ValidHeaderFieldName(name) {
				continue
			}
			for _, text := range values {
				if httpguts.ValidHeaderFieldValue(text) && !yield(name, widen(text)) {
					return
				}
			}
		}
	})
}

// describe makes the event of a request: its method, its URL and whether that is an
// ipc.PlainURL, the number of the body's stream or 0, and the names, in lower case,
// and values of its headers, as lines of one text.
func describe(method, url string, stream int, headers iter.Seq2[string, string]) value.Wire {
	out := append(make([]byte, 0, 512), '[', '"')
	out = appendText(out, method)
	out = appendText(append(out, `","`...), url)
	out = strconv.AppendBool(append(out, `",`...), ipc.PlainURL(url))
	out = strconv.AppendInt(append(out, ','), int64(stream), 10)
	out = append(out, `,"`...)
	begin := len(out)
	for name, text := range headers {
		if len(out) > begin {
			out = append(out, `\n`...)
		}
		for i := range len(name) {
			c := name[i]
			if 'A' <= c && c <= 'Z' {
				c += 'a' - 'A'
			}
			out = append(out, c)
		}
		out = appendText(append(out, `\n`...), text)
	}
	return append(out, `"]`...)
}

// appendText appends text as it stands in a JSON string.
func appendText(out []byte, text string) []byte {
	for i := range len(text) {
		if c := text[i]; c < ' ' || c == '"' || c == '\\' || c >= utf8.RuneSelf {
			quoted, _ := json.Marshal(text) // of a string there is no error
			return append(out, quoted[1:len(quoted)-1]...)
		}
	}
	return append(out, text...)
}

// widen is the other way of latin1.
func widen(text string) string {
	if isASCII(text) {
		return text
	}
	wide := make([]rune, len(text))
	for i := range len(text) {
		wide[i] = rune(text[i])
	}
	return string(wide)
}

func isASCII(text string) bool {
	for i := range len(text) {
		if text[i] >= utf8.RuneSelf {
			return false
		}
	}
	return true
}

// whole makes the answer of what is all of it.
func whole(text []byte) (*HTTPResponse, error) {
	r, body, err := parseAnswer(text)
	if err != nil {
		return nil, &outcome.Error{Outcome: outcome.Output, Detail: "its answer cannot be sent: " + err.Error(), Remedy: "return another Response"}
	}
	r.Body, r.Size = io.NopCloser(bytes.NewReader(body)), int64(len(body))
	return r, nil
}
