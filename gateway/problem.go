package gateway

import (
	"bytes"
	"encoding/json"
	"errors"
	"log/slog"
	"maps"
	"math"
	"net/http"
	"strconv"
	"time"

	"github.com/bulkhead-run/bulkhead/internal/outcome"
	"github.com/bulkhead-run/bulkhead/internal/plainjson"
	"github.com/bulkhead-run/bulkhead/supervisor"
)

// ProblemBase is what every problem type starts with; the rest is the
// outcome's Problem().
const ProblemBase = "https://bulkhead.run/problems/"

const problemType = "application/problem+json"

// problem is an RFC 9457 problem details object with this API's extension
// members.
type problem struct {
	Type   string `json:"type" doc:"https://bulkhead.run/problems/ and the kind: not-found, invalid, too-large, function-error, timeout, cpu-limit, memory, output, denied, overloaded, sandbox-crashed, canceled, unauthenticated, forbidden, limited or internal"`
	Title  string `json:"title"`
	Status int    `json:"status"`
	Detail string `json:"detail,omitempty"`

	Tenant     string            `json:"tenant,omitempty"`
	Function   string            `json:"function,omitempty"`
	Invocation string            `json:"invocation,omitempty"`
	Trace      string            `json:"trace,omitempty" doc:"The id of the OpenTelemetry trace that the request is part of"`
	Problems   []outcome.Problem `json:"problems,omitempty" doc:"Every fault found in what was sent"`
	Exception  *outcome.Thrown   `json:"exception,omitempty" doc:"What the function threw"`
	Remedy     string            `json:"remedy,omitempty" doc:"What the reader can do about it"`

	// Set when the caller asked for the invocation's details.
	*receipt
	Logs        []line `json:"logs,omitempty"`
	DroppedLogs int    `json:"dropped_logs,omitempty"`
	PID         int    `json:"pid,omitempty"`

	retryAfter time.Duration
	header     http.Header // beside those that every problem has
}

// The methods that make huma send it as it is.

func (p *problem) Error() string             { return p.Detail }
func (p *problem) GetStatus() int            { return p.Status }
func (p *problem) ContentType(string) string { return problemType }
func (p *problem) GetHeaders() http.Header {
	h := http.Header{"Cache-Control": {"no-store"}}
	maps.Copy(h, p.header)
	if p.retryAfter > 0 {
		h.Set("Retry-After", strconv.Itoa(int(math.Ceil(p.retryAfter.Seconds()))))
	}
	return h
}

// problemOf tells err to a caller who asked about tenant and function. The
// error's cause goes to the log, if it is ours to look into.
func (s *Server) problemOf(err error, tenant, function string) *problem {
	var e *outcome.Error
	if !errors.As(err, &e) {
		e = &outcome.Error{Outcome: outcome.Of(err)}
	}
	p := &problem{
		Type:       ProblemBase + e.Outcome.Problem(),
		Title:      e.Outcome.Title(),
		Status:     e.Outcome.HTTPStatus(),
		Detail:     e.Detail,
		Tenant:     e.Tenant,
		Function:   e.Function,
		Problems:   e.Problems,
		Exception:  e.Exception,
		Remedy:     e.Remedy,
		retryAfter: e.RetryAfter,
	}
	if e.Outcome == outcome.OK {
		// An error that claims success is a fault of ours.
		p.Type, p.Title = ProblemBase+outcome.Internal.Problem(), outcome.Internal.Title()
		p.Status = outcome.Internal.HTTPStatus()
	}
	if p.Tenant == "" {
		p.Tenant = tenant
	}
	if p.Function == "" {
		p.Function = function
	}
	if p.Detail == "" && p.Exception != nil {
		p.Detail = p.Exception.String()
	}
	if e.Outcome == outcome.Overloaded && p.retryAfter <= 0 {
		p.retryAfter = time.Second
	}
	if p.Status == http.StatusInternalServerError && e.Outcome != outcome.Exception {
		s.log.Error("request failed", slog.String("tenant", p.Tenant), slog.String("function", p.Function), slog.Any("error", err), slog.Any("cause", errors.Unwrap(err)))
		if p.Detail == "" {
			p.Detail = "Bulkhead failed; the cause is in the supervisor's log"
		}
	}
	return p
}

// requestProblem tells a fault of the HTTP request itself, which no outcome
// has a status of its own for.
func requestProblem(status int, detail, remedy string) *problem {
	kind := outcome.Invalid
	switch status {
	case http.StatusNotFound:
		kind = outcome.NotFound
	case http.StatusRequestEntityTooLarge:
		kind = outcome.TooLarge
	}
	p := plainProblem(kind, detail, remedy)
	p.Status = status
	return p
}

// plainProblem tells an outcome that concerns no tenant.
func plainProblem(kind outcome.Outcome, detail, remedy string) *problem {
	return &problem{Type: ProblemBase + kind.Problem(), Title: kind.Title(), Status: kind.HTTPStatus(), Detail: detail, Remedy: remedy}
}

// with adds what is known of an invocation that failed.
func (p *problem) with(r supervisor.Result, detailed bool) *problem {
	p.Invocation, p.Trace = r.Invocation, r.Trace
	if detailed {
		body := receiptBody(&r.Receipt)
		p.receipt = &body
		p.Logs, p.DroppedLogs, p.PID = lines(r.Logs), r.Dropped, r.PID
	}
	return p
}

func (p *problem) write(w http.ResponseWriter) {
	if p.Trace == "" {
		p.Trace = traceOf(w)
	}
	for k, v := range p.GetHeaders() {
		w.Header()[k] = v
	}
	writeJSON(w, p.Status, problemType, p)
}

func writeJSON(w http.ResponseWriter, status int, contentType string, v any) {
	var body bytes.Buffer
	enc := json.NewEncoder(&body)
	enc.SetEscapeHTML(false) // values are told as functions returned them
	if err := enc.Encode(v); err != nil {
		// Nothing that is sent has a value JSON cannot hold, save for a
		// backend's result that is not JSON.
		status, contentType = http.StatusInternalServerError, problemType
		body.Reset()
		_ = enc.Encode(&problem{
			Type: ProblemBase + outcome.Internal.Problem(), Title: outcome.Internal.Title(), Status: status,
			Detail: "the answer could not be encoded",
		})
	}
	writeBody(w, status, contentType, plainjson.Escape(bytes.TrimSuffix(body.Bytes(), []byte("\n"))))
}

// writeBody sends an answer whose length is known, within writeTimeout.
func writeBody(w http.ResponseWriter, status int, contentType string, body []byte) {
	// An invocation may have outlived the deadline set at the start.
	_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(writeTimeout))
	h := w.Header()
	h.Set("Content-Type", contentType)
	h.Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(status)
	_, _ = w.Write(body) // On failure the caller has gone: nobody is left to tell.
}
