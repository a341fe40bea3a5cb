package gateway

import (
	"net/http"
	"strconv"
	"time"

	"github.com/bulkhead-run/bulkhead/supervisor"
)

// receipt is an invocation's receipt in answers with details.
type receipt struct {
	Invocation string       `json:"invocation"`
	Trace      string       `json:"trace,omitempty" doc:"The id of the OpenTelemetry trace that it is part of"`
	Version    string       `json:"version" doc:"The function version that ran"`
	Outcome    string       `json:"outcome" doc:"How it ended: ok, exception, deadline, ..." example:"ok"`
	Started    time.Time    `json:"started" doc:"When it was asked for"`
	DurationMS float64      `json:"duration_ms" doc:"From the request to the result"`
	Start      string       `json:"start" enum:"cold,warm"`
	ColdCause  string       `json:"cold_cause,omitempty" doc:"Why it was a cold start: no-process, process- and why the last one ended, not-loaded or no-instance"`
	ColdWaitMS float64      `json:"cold_wait_ms" doc:"What it waited for a process and for its code"`
	QueuedMS   float64      `json:"queued_ms" doc:"What it waited for the function's concurrency, and for its turn"`
	TurnMS     float64      `json:"turn_ms" doc:"Of this, for its turn beside other tenants"`
	CPUMS      float64      `json:"cpu_ms" doc:"CPU time that it used"`
	Memory     int64        `json:"memory_bytes" doc:"The most memory that its instance had"`
	Calls      []callTotals `json:"calls" doc:"Its host calls by API, in the order of the first of each"`
}

type callTotals struct {
	API      string  `json:"api" example:"kv.get"`
	Count    uint64  `json:"count"`
	Failed   uint64  `json:"failed" doc:"That ended in an exception"`
	Denied   uint64  `json:"denied" doc:"How often the policy said no"`
	TimeMS   float64 `json:"time_ms" doc:"What they took together: calls at the same time count each"`
	Sent     int64   `json:"sent_bytes" doc:"From the function"`
	Received int64   `json:"received_bytes" doc:"To the function"`
}

func receiptBody(r *supervisor.Receipt) receipt {
	body := receipt{
		Invocation: r.Invocation, Trace: r.Trace, Version: r.Version, Outcome: r.Outcome.String(), Started: r.Started.UTC(), DurationMS: milliseconds(r.Duration),
		Start: start(r), ColdCause: r.ColdCause, ColdWaitMS: milliseconds(r.ColdWait), QueuedMS: milliseconds(r.Queued), TurnMS: milliseconds(r.Turn),
		CPUMS: milliseconds(r.CPU), Memory: r.Memory, Calls: make([]callTotals, len(r.Calls)),
	}
	for i, c := range r.Calls {
		body.Calls[i] = callTotals{c.API, uint64(c.Count), uint64(c.Failed), uint64(c.Denied), milliseconds(c.Time), c.Sent, c.Received}
	}
	return body
}

// The headers of an invocation's answer. ReceiptHeader is the receipt's short
// form: a dictionary as in RFC 9651, whose times are decimals of milliseconds.
const (
	invocationHeader = "Bulkhead-Invocation"
	versionHeader    = "Bulkhead-Version"
	receiptHeader    = "Bulkhead-Receipt"
)

// setReceipt adds the headers that tell of an invocation.
func setReceipt(h http.Header, r *supervisor.Receipt) {
	if r.Invocation == "" {
		return
	}
	h.Set(invocationHeader, r.Invocation)
	if r.Version != "" {
		h.Set(versionHeader, r.Version)
	}
	h[receiptHeader] = []string{shortReceipt(r)}
}

func shortReceipt(r *supervisor.Receipt) string {
	b := make([]byte, 0, 224)
	word := func(name, v string) { b = append(append(append(b, name...), '='), v...) }
	ms := func(name string, d time.Duration) {
		b = strconv.AppendFloat(append(b, name...), milliseconds(min(d, maxShown)), 'f', 3, 64)
	}
	number := func(name string, n int64) { b = strconv.AppendInt(append(b, name...), n, 10) }
	word("outcome", r.Outcome.String())
	word(", start", start(r))
	if r.Cold && r.ColdCause != "" {
		word(", cause", r.ColdCause)
	}
	ms(", wall=", r.Duration)
	ms(", cpu=", r.CPU)
	ms(", queued=", r.Queued)
	number(", memory=", r.Memory)
	calls := r.HostCalls()
	number(", calls=", int64(calls.Count))
	number(", failed=", int64(calls.Failed))
	number(", denied=", int64(calls.Denied))
	number(", sent=", calls.Sent)
	number(", received=", calls.Received)
	return string(b)
}

// maxShown keeps a time within the 12 digits that a decimal has.
const maxShown = 100 * 24 * time.Hour

func start(r *supervisor.Receipt) string {
	if r.Cold {
		return "cold"
	}
	return "warm"
}
