package supervisor

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/bulkhead-run/bulkhead/internal/recordings"
	"github.com/bulkhead-run/bulkhead/ipc"
	"github.com/bulkhead-run/bulkhead/ipc/sandboxpb"
	"github.com/bulkhead-run/bulkhead/value"
)

// hidden is what stands in a recording for the value of a header that lets
// somebody in.
const hidden = "[redacted]"

// secretHeaders are those, in lower case.
var secretHeaders = []string{"authorization", "cookie", "proxy-authorization", "set-cookie", "x-api-key", "x-auth-token", "x-csrf-token"}

// shownCall is a host call as a recording may hold it.
func (inv *invocation) shownCall(c *sandboxpb.HostCall) recordings.Call {
	call := recordings.Call{Number: c.GetCall(), API: c.GetApi(), Args: inv.shownArgs(c), Data: c.GetData(), Refused: c.GetRefused()}
	switch call.API {
	case "fetch":
		call.Args = withoutSecrets(call.Args)
	case string(ipc.HTTPRespond):
		call.Data = answerWithoutSecrets(call.Data)
	}
	return call
}

// shownRequest is the request of an invocation as a recording holds it.
type shownRequest struct {
	Method     string      `json:"method"`
	URL        string      `json:"url"`
	Headers    [][2]string `json:"headers"`
	BodyStream int         `json:"bodyStream,omitempty"`
}

// shownEvent makes it of what HTTPRequest.event makes.
func shownEvent(event []byte) []byte {
	var r shownRequest
	var plain bool
	var headers string
	if err := json.Unmarshal(event, &[]any{&r.Method, &r.URL, &plain, &r.BodyStream, &headers}); err != nil {
		return []byte(`"[not kept]"`)
	}
	r.Headers = [][2]string{}
	for lines := strings.Split(headers, "\n"); len(lines) > 1; lines = lines[2:] {
		r.Headers = append(r.Headers, [2]string{lines[0], lines[1]})
	}
	text, err := json.Marshal(r)
	if err != nil {
		return []byte(`"[not kept]"`)
	}
	return withoutSecrets(text)
}

// eventOf is the other way of shownEvent.
func eventOf(shown []byte) (value.Wire, error) {
	var r shownRequest
	if err := json.Unmarshal(shown, &r); err != nil {
		return nil, fmt.Errorf("the recorded request cannot be read: %w", err)
	}
	return describe(r.Method, r.URL, r.BodyStream, func(yield func(name, text string) bool) {
		for _, h := range r.Headers {
			if !yield(h[0], h[1]) {
				return
			}
		}
	}), nil
}

// answerWithoutSecrets is an answer, or its head, without the values of secret
// headers.
func answerWithoutSecrets(text []byte) []byte {
	status, rest, ok := bytes.Cut(text, newline)
	out := append(bytes.Clone(status), '\n')
	for ok {
		var name, raw []byte
		if name, raw, rest, ok = nextField(rest); !ok {
			break
		}
		if len(name) == 0 {
			return append(append(out, '\n'), rest...)
		}
		if isSecretHeader(string(name)) {
			raw = []byte(hidden)
		}
		out = append(append(append(append(out, name...), '\n'), raw...), '\n')
	}
	return []byte("[not kept]")
}

// shownAnswer is the answer that an invocation ended with as a recording holds it,
// in JSON; nothing for one that had begun it by then.
func shownAnswer(text []byte) []byte {
	status, rest, ok := bytes.Cut(answerWithoutSecrets(text), newline)
	if !ok {
		return nil
	}
	a := struct {
		Status     json.Number `json:"status"`
		Headers    [][2]string `json:"headers"`
		Body       string      `json:"body"`
		BodyBase64 []byte      `json:"bodyBase64,omitempty"`
	}{Status: json.Number(status), Headers: [][2]string{}}
	for {
		var name, raw []byte
		name, raw, rest, _ = nextField(rest)
		if len(name) == 0 {
			break
		}
		a.Headers = append(a.Headers, [2]string{string(name), string(raw)})
	}
	if utf8.Valid(rest) {
		a.Body = string(rest)
	} else {
		a.BodyBase64 = rest
	}
	out, err := json.Marshal(a)
	if err != nil {
		return nil
	}
	return out
}

// withoutSecrets replaces the values of secret headers in a JSON text: in pairs
// of a name and a value, and in objects. A text without any stays as it is.
func withoutSecrets(text []byte) []byte {
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	var v any
	if err := d.Decode(&v); err != nil {
		return []byte(`"[not kept]"`)
	}
	if !hideHeaders(v) {
		return text
	}
	var out bytes.Buffer
	enc := json.NewEncoder(&out)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return []byte(`"[not kept]"`)
	}
	return bytes.TrimSuffix(out.Bytes(), []byte("\n"))
}

func hideHeaders(v any) (found bool) {
	switch v := v.(type) {
	case []any:
		if name, ok := first(v).(string); ok && len(v) == 2 && isSecretHeader(name) {
			v[1] = hidden
			return true
		}
		for _, inner := range v {
			found = hideHeaders(inner) || found
		}
	case map[string]any:
		for name, inner := range v {
			if isSecretHeader(name) {
				v[name] = hidden
				found = true
			} else {
				found = hideHeaders(inner) || found
			}
		}
	}
	return found
}

func first(v []any) any {
	if len(v) == 0 {
		return nil
	}
	return v[0]
}

func isSecretHeader(name string) bool { return slices.Contains(secretHeaders, strings.ToLower(name)) }
