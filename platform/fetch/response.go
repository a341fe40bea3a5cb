package fetch

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/bulkhead-run/bulkhead/platform"
)

// response is what JavaScript gets.
type response struct {
	URL        string      `json:"url"`
	Status     int         `json:"status"`
	StatusText string      `json:"statusText"`
	Headers    [][2]string `json:"headers"`
	Redirected bool        `json:"redirected"`
	Body       *string     `json:"body,omitempty"`
	BodyBase64 *string     `json:"bodyBase64,omitempty"`
}

// read reads the whole response and encodes it.
func (f *Fetch) read(ctx context.Context, req *request, resp *http.Response, redirected bool) (json.RawMessage, error) {
	body, err := io.ReadAll(io.LimitReader(resp.Body, f.o.MaxBody+1))
	if err != nil {
		return nil, failure(ctx, err)
	}
	if int64(len(body)) > f.o.MaxBody {
		return nil, platform.TypeErrorf("fetch failed: the response's body is over %d bytes", f.o.MaxBody)
	}
	r := response{
		URL:        req.target.url.String(),
		Status:     resp.StatusCode,
		StatusText: text(strings.TrimPrefix(strings.TrimPrefix(resp.Status, strconv.Itoa(resp.StatusCode)), " ")),
		Headers:    [][2]string{},
		Redirected: redirected,
	}
	for name, values := range resp.Header {
		for _, v := range values {
			r.Headers = append(r.Headers, [2]string{strings.ToLower(name), text(v)})
		}
	}
	slices.SortStableFunc(r.Headers, func(a, b [2]string) int { return strings.Compare(a[0], b[0]) })
	if utf8.Valid(body) && textSize(body) <= base64.StdEncoding.EncodedLen(len(body)) {
		s := string(body)
		r.Body = &s
	} else {
		s := base64.StdEncoding.EncodeToString(body)
		r.BodyBase64 = &s
	}
	var out bytes.Buffer
	enc := json.NewEncoder(&out)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(r); err != nil {
		return nil, err
	}
	return bytes.TrimSuffix(out.Bytes(), []byte("\n")), nil
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

// failure turns what went wrong on the network into what the tenant may know
// of it. The cause goes to the log.
func failure(ctx context.Context, err error) error {
	switch ctx.Err() {
	case context.DeadlineExceeded:
		return &platform.Error{Name: "TimeoutError", Message: "fetch failed: the invocation's deadline passed", Err: err}
	case context.Canceled:
		return &platform.Error{Name: "AbortError", Message: "fetch failed: the call was canceled", Err: err}
	}
	message := "fetch failed: the response could not be read"
	var dial *dialError
	switch {
	case errors.As(err, &dial):
		message = "fetch failed: " + dial.public
	case isTLS(err):
		message = "fetch failed: the server's TLS certificate or handshake is not valid"
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		message = "fetch failed: the server closed the connection early"
	}
	return &platform.Error{Name: "TypeError", Message: message, Err: err}
}
