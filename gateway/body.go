package gateway

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"mime"
	"net/http"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/bulkhead-run/bulkhead/internal/outcome"
)

// readBody reads a whole body of at most limit bytes. Afterwards the
// connection has no read deadline any more, so that a caller who goes away
// ends the request's context, and a slow function does not.
func readBody(w http.ResponseWriter, r *http.Request, what string, limit int64) ([]byte, *problem) {
	tooLarge := func() *problem {
		return requestProblem(http.StatusRequestEntityTooLarge,
			fmt.Sprintf("the %s is larger than %s", what, FormatSize(limit)), "send less")
	}
	if r.Header.Get("Content-Encoding") != "" {
		return nil, requestProblem(http.StatusUnsupportedMediaType, "compressed bodies are not taken", "send it without Content-Encoding")
	}
	if r.ContentLength > limit {
		w.Header().Set("Connection", "close")
		return nil, tooLarge()
	}
	var buf bytes.Buffer
	if r.ContentLength > 0 {
		buf.Grow(int(r.ContentLength) + bytes.MinRead)
	}
	_, err := buf.ReadFrom(roomReader{http.MaxBytesReader(w, r.Body, limit), shareOf(r)})
	var over *http.MaxBytesError
	switch {
	case err == nil:
	case errors.As(err, &over):
		return nil, tooLarge()
	case errors.Is(err, errNoRoom):
		w.Header().Set("Connection", "close")
		p := plainProblem(outcome.Overloaded, "the requests under way have as much in their bodies as there is room for", "send it again later")
		p.retryAfter = time.Second
		return nil, p
	case errors.Is(err, os.ErrDeadlineExceeded):
		w.Header().Set("Connection", "close")
		return nil, requestProblem(http.StatusRequestTimeout, "the body took too long to arrive", "send it again")
	default:
		return nil, requestProblem(http.StatusBadRequest, "the body ended early", "send it again")
	}
	_ = http.NewResponseController(w).SetReadDeadline(time.Time{})
	return buf.Bytes(), nil
}

// mediaType returns the request's media type, "" when it names none. A text in
// another character set than UTF-8 is refused.
func mediaType(r *http.Request) (string, *problem) {
	value := r.Header.Get("Content-Type")
	if value == "" {
		return "", nil
	}
	media, params, err := mime.ParseMediaType(value)
	if err != nil {
		return "", requestProblem(http.StatusUnsupportedMediaType, fmt.Sprintf("Content-Type %q cannot be read", value), "")
	}
	if cs := params["charset"]; cs != "" && !strings.EqualFold(cs, "utf-8") && !strings.EqualFold(cs, "us-ascii") {
		return "", requestProblem(http.StatusUnsupportedMediaType, fmt.Sprintf("charset %q is not taken", cs), "send UTF-8")
	}
	return media, nil
}

// A field decodes one member of a JSON object or one query parameter.
type field func(raw json.RawMessage) error

// decodeObject decodes a JSON object strictly: every fault is found, not only
// the first. What the body leaves out, or gives as null, stays as it is.
func decodeObject(body []byte, fields map[string]field) []outcome.Problem {
	var members map[string]json.RawMessage
	if err := json.Unmarshal(body, &members); err != nil {
		return []outcome.Problem{jsonProblem("body", body, err)}
	}
	if members == nil {
		return []outcome.Problem{{Field: "body", Reason: "must be a JSON object"}}
	}
	problems := twice(body)
	for _, name := range slices.Sorted(maps.Keys(members)) {
		if len(problems) >= maxProblems {
			break // whoever sends so many reads no more of them
		}
		decode, known := fields[name]
		switch raw := members[name]; {
		case !known:
			problems = append(problems, unknown(name, fields))
		case string(raw) == "null":
		default:
			if err := decode(raw); err != nil {
				problems = append(problems, outcome.Problem{Field: name, Reason: err.Error()})
			}
		}
	}
	return problems
}

// Of what a body is told to be wrong with: how many faults, and how much of a
// name that the sender chose.
const (
	maxProblems = 100
	maxField    = 64
)

// twice finds the members that a JSON object has more than once: readers differ
// in which of them counts.
func twice(body []byte) (problems []outcome.Problem) {
	d := json.NewDecoder(bytes.NewReader(body))
	_, err := d.Token() // the opening brace
	for seen := map[string]bool{}; err == nil && d.More() && len(problems) < maxProblems; {
		var key json.Token
		if key, err = d.Token(); err != nil {
			break
		}
		name, _ := key.(string)
		if seen[name] {
			problems = append(problems, outcome.Problem{Field: shown(name), Reason: "is there twice"})
		}
		seen[name] = true
		var skipped json.RawMessage
		err = d.Decode(&skipped)
	}
	return problems
}

// shown is the name of a field that the sender chose, cut where it would swell
// the answer.
func shown(name string) string {
	if len(name) > maxField {
		name = strings.ToValidUTF8(name[:maxField], "") + "..."
	}
	return name
}

func unknown(name string, fields map[string]field) outcome.Problem {
	return outcome.Problem{
		Field:  shown(name),
		Reason: "is not known here; known are " + strings.Join(slices.Sorted(maps.Keys(fields)), ", "),
	}
}

// jsonProblem says where in body a JSON fault is.
func jsonProblem(name string, body []byte, err error) outcome.Problem {
	p := outcome.Problem{Field: name, Reason: "is not valid JSON"}
	var syntax *json.SyntaxError
	var kind *json.UnmarshalTypeError
	var offset int64
	switch {
	case errors.As(err, &syntax):
		p.Reason = "is not valid JSON: " + syntax.Error()
		offset = syntax.Offset
	case errors.As(err, &kind):
		p.Reason = "must be a JSON object"
		return p
	case errors.Is(err, io.ErrUnexpectedEOF):
		offset = int64(len(body))
	default:
		return p
	}
	before := body[:min(max(offset-1, 0), int64(len(body)))]
	p.Line = bytes.Count(before, []byte{'\n'}) + 1
	p.Column = len(before) - (bytes.LastIndexByte(before, '\n') + 1) + 1
	return p
}

func stringField(into *string) field {
	return func(raw json.RawMessage) error {
		if json.Unmarshal(raw, into) != nil {
			return errors.New("must be a string")
		}
		return nil
	}
}
