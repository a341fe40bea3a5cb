package fetch

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/bulkhead-run/bulkhead/platform"
	"github.com/bulkhead-run/bulkhead/policies"
)

const (
	// maxInline is the largest body that comes with the call's result; it has to
	// be there within inlineWait after the header.
	maxInline  = 64 << 10
	inlineWait = 2 * time.Millisecond
)

// response is what JavaScript gets.
type response struct {
	URL        string             `json:"url"`
	Status     int                `json:"status"`
	StatusText string             `json:"statusText"`
	Headers    [][2]string        `json:"headers"`
	Redirected bool               `json:"redirected"`
	Body       *string            `json:"body,omitempty"`
	BodyBase64 *string            `json:"bodyBase64,omitempty"`
	BodyStream *platform.StreamID `json:"bodyStream,omitempty"`
}

// respond makes the call's result. The exchange ends with the body.
func (x *exchange) respond(req *request, resp *http.Response, v policies.Verdict, redirected bool) (json.RawMessage, error) {
	limit := x.f.o.MaxBody
	if v.MaxResponse > 0 {
		limit = min(limit, v.MaxResponse)
	}
	r := response{
		URL:        req.target.url.String(),
		Status:     resp.StatusCode,
		StatusText: text(strings.TrimPrefix(strings.TrimPrefix(resp.Status, strconv.Itoa(resp.StatusCode)), " ")),
		Redirected: redirected,
	}
	b, err := newBody(x, resp, limit)
	if err != nil {
		resp.Body.Close()
		return nil, err
	}
	r.Headers = headers(resp.Header)
	early := readAhead(b, maxInline)
	if whole, done, err := early.wait(inlineWait); err != nil {
		b.Close()
		return nil, err
	} else if done {
		r.setBody(whole)
		x.end(nil)
	} else if id, err := x.call.Streams.Send(early); err != nil {
		return nil, err
	} else {
		r.BodyStream = &id
	}
	var out bytes.Buffer
	enc := json.NewEncoder(&out)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(r); err != nil {
		return nil, err
	}
	return bytes.TrimSuffix(out.Bytes(), []byte("\n")), nil
}

func headers(from http.Header) [][2]string {
	pairs := [][2]string{}
	for name, values := range from {
		for _, v := range values {
			pairs = append(pairs, [2]string{strings.ToLower(name), text(v)})
		}
	}
	slices.SortStableFunc(pairs, func(a, b [2]string) int { return strings.Compare(a[0], b[0]) })
	return pairs
}

func (r *response) setBody(body []byte) {
	if utf8.Valid(body) && textSize(body) <= base64.StdEncoding.EncodedLen(len(body)) {
		s := string(body)
		r.Body = &s
		return
	}
	s := base64.StdEncoding.EncodeToString(body)
	r.BodyBase64 = &s
}

// textSize is how long body becomes as a JSON string: control characters take
// six bytes each, so that a body of them would swell.
func textSize(body []byte) int {
	size := len(body)
	for _, c := range body {
		switch {
		case c == '"' || c == '\\' || c == '\n' || c == '\r' || c == '\t':
			size++
		case c < ' ':
			size += 5
		}
	}
	return size
}

// text returns a header's value, whose bytes stand for the code points of
// Latin-1 when they are not UTF-8.
func text(s string) string {
	if utf8.ValidString(s) {
		return s
	}
	runes := make([]rune, len(s))
	for i := range len(s) {
		runes[i] = rune(s[i])
	}
	return string(runes)
}
