package gateway

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"mime"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/bulkhead-run/bulkhead/internal/outcome"
	"github.com/bulkhead-run/bulkhead/supervisor"
	"github.com/bulkhead-run/bulkhead/value"
)

// DetailType is the media type of an invocation's answer with its details. A
// request asks for it in Accept, or by the query ?detail=true.
const DetailType = "application/vnd.bulkhead.invocation+json"

// invocation is the answer with details.
type invocation struct {
	receipt
	Value       json.RawMessage `json:"value" doc:"What the function returned"`
	Logs        []line          `json:"logs"`
	DroppedLogs int             `json:"dropped_logs" doc:"Lines over the limit"`
	PID         int             `json:"pid" doc:"The sandbox process"`
}

// line is one line that an invocation logged.
type line struct {
	Time    time.Time `json:"time"`
	Level   string    `json:"level" enum:"debug,info,warn,error"`
	Message string    `json:"message"`
}

// CBORType is the media type of an event or a result in CBOR, which holds any
// JavaScript value.
const CBORType = "application/cbor"

func (s *Server) invoke(w http.ResponseWriter, r *http.Request) {
	tenant, function := r.PathValue("tenant"), r.PathValue("function")
	detailed, ref, p := invokeQuery(r)
	if ref = cmp.Or(r.PathValue("version"), ref); ref != "" {
		function += "@" + ref
	}
	if p != nil {
		p.write(w)
		return
	}
	event, inCBOR, leave := s.takeEvent(w, r, tenant, function)
	if leave == nil {
		return
	}
	defer leave()
	outCBOR := !detailed && accepts(r, CBORType)
	result, err := s.invokeWith(r.Context(), tenant, function, event, inCBOR, outCBOR)
	setReceipt(w.Header(), &result.Receipt)
	w.Header().Set("Cache-Control", "no-store")
	var body []byte
	if err == nil && outCBOR {
		if body, err = value.ToCBOR(result.Wire); errors.Is(err, value.ErrLimit) {
			err = &outcome.Error{Outcome: outcome.Output, Detail: "the result is too large, or too deep, as CBOR", Remedy: "return less", Err: err}
		}
	}
	switch {
	case err != nil:
		s.problemOf(err, tenant, function).with(result, detailed).write(w)
	case outCBOR:
		writeBody(w, http.StatusOK, CBORType, body)
	case detailed:
		writeJSON(w, http.StatusOK, DetailType, invocation{
			receipt: receiptBody(&result.Receipt), Value: result.Value,
			Logs: lines(result.Logs), DroppedLogs: result.Dropped, PID: result.PID,
		})
	default:
		writeBody(w, http.StatusOK, "application/json", result.Value)
	}
}

// takeEvent admits an invocation and reads its event. The caller calls leave when
// it is over; nil means that the request has been answered.
func (s *Server) takeEvent(w http.ResponseWriter, r *http.Request, tenant, function string) (event []byte, inCBOR bool, leave func()) {
	inCBOR, p := checkEventType(r)
	if p != nil {
		p.write(w)
		return nil, false, nil
	}
	if leave, p = s.admit(w, callerOf(r.Context()).token, tenant, function); p != nil {
		p.write(w)
		return nil, false, nil
	}
	if event, p = readBody(w, r, "event", s.options.MaxEvent); p != nil {
		leave()
		p.Tenant, p.Function = tenant, function
		p.write(w)
		return nil, false, nil
	}
	return event, inCBOR, leave
}

// invokeWith takes the event, and asks for the result, in JSON or in CBOR.
func (s *Server) invokeWith(ctx context.Context, tenant, function string, event []byte, inCBOR, outCBOR bool) (supervisor.Result, error) {
	wire, err := readEvent(event, inCBOR)
	if err != nil {
		return supervisor.Result{}, err
	}
	if !inCBOR && !outCBOR {
		return s.backend.Invoke(ctx, tenant, function, json.RawMessage(wire))
	}
	result, err := s.backend.InvokeValue(ctx, tenant, function, wire)
	if err == nil && !outCBOR {
		result.Value, err = result.JSON()
	}
	return result, err
}

// readEvent makes an event of a body; none stands for null.
func readEvent(body []byte, inCBOR bool) (value.Wire, error) {
	switch {
	case len(body) == 0:
		return value.Wire("null"), nil
	case inCBOR:
		wire, err := value.FromCBOR(body)
		if err != nil {
			return nil, &outcome.Error{
				Outcome: outcome.Invalid, Detail: "the event is not CBOR that can be taken",
				Problems: []outcome.Problem{{Field: "event", Reason: err.Error()}},
			}
		}
		return wire, nil
	case !json.Valid(body):
		return nil, &outcome.Error{
			Outcome: outcome.Invalid, Detail: "the event is not valid JSON", Problems: []outcome.Problem{eventProblem(body)},
		}
	}
	return value.Wire(body), nil
}

// accepts tells whether the request names a media type in Accept.
func accepts(r *http.Request, media string) bool {
	for _, header := range r.Header["Accept"] {
		for _, part := range strings.Split(header, ",") {
			name, params, err := mime.ParseMediaType(strings.TrimSpace(part))
			if q, bad := strconv.ParseFloat(params["q"], 64); err == nil && name == media && (bad != nil || q > 0) {
				return true
			}
		}
	}
	return false
}

// invokeQuery reads whether details are asked for, and which version. It refuses
// a query it does not know, so that a misspelled one is not silently ignored.
func invokeQuery(r *http.Request) (detailed bool, ref string, p *problem) {
	if r.URL.RawQuery != "" {
		query, err := url.ParseQuery(r.URL.RawQuery)
		if err != nil {
			return false, "", requestProblem(http.StatusBadRequest, "the query cannot be read", "")
		}
		for name, values := range query {
			ok := len(values) == 1
			switch name {
			case "detail":
				ok = ok && (values[0] == "true" || values[0] == "false")
			case "version":
				ok = ok && values[0] != ""
			default:
				ok = false
			}
			if !ok {
				p := requestProblem(http.StatusBadRequest, "the query was refused", "put the event into the body")
				p.Problems = []outcome.Problem{{Field: name, Reason: "an invocation's query can only have detail=true or detail=false, and version=, a version or an alias"}}
				return false, "", p
			}
		}
		ref = query.Get("version")
		if query.Has("detail") {
			return query.Get("detail") == "true", ref, nil
		}
	}
	for _, accept := range r.Header["Accept"] {
		if strings.Contains(accept, DetailType) {
			return true, ref, nil
		}
	}
	return false, ref, nil
}

// checkEventType takes JSON, CBOR, no type at all, and the type that curl -d
// names when told none.
func checkEventType(r *http.Request) (inCBOR bool, p *problem) {
	header := r.Header.Get("Content-Type")
	if header == "" || header == "application/json" {
		return false, nil
	}
	media, _, err := mime.ParseMediaType(header)
	if err == nil && (media == "application/json" || strings.HasSuffix(media, "+json") || media == "application/x-www-form-urlencoded") {
		return false, nil
	}
	if err == nil && media == CBORType {
		return true, nil
	}
	return false, requestProblem(http.StatusUnsupportedMediaType, "the event is taken as application/json or "+CBORType, "set Content-Type: application/json")
}

func eventProblem(event []byte) outcome.Problem {
	var v any
	err := json.Unmarshal(event, &v)
	if err == nil {
		err = errors.New("is not valid JSON")
	}
	return jsonProblem("event", event, err)
}

// milliseconds keeps whole microseconds.
func milliseconds(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

func levelName(l slog.Level) string { return strings.ToLower(l.String()) }

func lines(logs []supervisor.Log) []line {
	out := make([]line, len(logs))
	for i, l := range logs {
		out[i] = line{Time: l.Time, Level: levelName(l.Level), Message: l.Message}
	}
	return out
}
