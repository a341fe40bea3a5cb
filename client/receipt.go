package client

import (
	"fmt"
	"net/http"
	"time"

	"github.com/dunglas/httpsfv"
)

// Receipt says how an invocation came to run, how it ended, and what it used.
// Times are in milliseconds.
type Receipt struct {
	Invocation string `json:"invocation"`
	// Trace is the id of the OpenTelemetry trace that it is part of; empty
	// without tracing.
	Trace      string    `json:"trace,omitempty"`
	Version    string    `json:"version"`
	Outcome    string    `json:"outcome"`     // "ok", "exception", "deadline", ...
	Started    time.Time `json:"started"`     // when it was asked for
	DurationMS float64   `json:"duration_ms"` // as the supervisor measured it
	Start      string    `json:"start"`       // "cold" or "warm"
	// ColdCause is why it was a cold start: "no-process", "process-" and why the
	// last one ended, "not-loaded" or "no-instance".
	ColdCause  string  `json:"cold_cause,omitempty"`
	ColdWaitMS float64 `json:"cold_wait_ms"` // for a process and for its code
	QueuedMS   float64 `json:"queued_ms"`    // for the function's concurrency, and for its turn
	TurnMS     float64 `json:"turn_ms"`      // of this, for its turn beside other tenants
	CPUMS      float64 `json:"cpu_ms"`       // CPU time that it used
	Memory     int64   `json:"memory_bytes"` // the most that its instance had
	// Calls are its host calls by API, in the order of the first of each.
	Calls []CallTotals `json:"calls"`
}

// CallTotals is what host calls of one API came to.
type CallTotals struct {
	API    string `json:"api"`
	Count  uint64 `json:"count"`
	Failed uint64 `json:"failed"` // that ended in an exception
	Denied uint64 `json:"denied"` // how often the policy said no
	// TimeMS is what they took together: calls at the same time count each.
	TimeMS   float64 `json:"time_ms"`
	Sent     int64   `json:"sent_bytes"`     // from the function
	Received int64   `json:"received_bytes"` // to the function
}

// HostCalls adds up the calls of all APIs.
func (r *Receipt) HostCalls() (all CallTotals) {
	for _, c := range r.Calls {
		all.Count += c.Count
		all.Failed += c.Failed
		all.Denied += c.Denied
		all.TimeMS += c.TimeMS
		all.Sent += c.Sent
		all.Received += c.Received
	}
	return all
}

// readReceipt reads the short form, of an answer's headers. Calls has one entry
// then, without a name, for all APIs; or none.
func readReceipt(h http.Header) (Receipt, error) {
	r := Receipt{Invocation: h.Get("Bulkhead-Invocation"), Version: h.Get("Bulkhead-Version")}
	dictionary, err := httpsfv.UnmarshalDictionary(h.Values("Bulkhead-Receipt"))
	if err != nil {
		return r, fmt.Errorf("its receipt: %w", err)
	}
	var calls CallTotals
	var counts [3]int64
	words := map[string]*string{"outcome": &r.Outcome, "start": &r.Start, "cause": &r.ColdCause}
	times := map[string]*float64{"wall": &r.DurationMS, "cpu": &r.CPUMS, "queued": &r.QueuedMS}
	numbers := map[string]*int64{
		"memory": &r.Memory, "calls": &counts[0], "failed": &counts[1], "denied": &counts[2], "sent": &calls.Sent, "received": &calls.Received,
	}
	for _, name := range dictionary.Names() {
		member, _ := dictionary.Get(name)
		item, ok := member.(httpsfv.Item)
		if !ok {
			continue // of a newer supervisor
		}
		switch v := item.Value.(type) {
		case httpsfv.Token:
			if into := words[name]; into != nil {
				*into = string(v)
			}
		case float64:
			if into := times[name]; into != nil {
				*into = v
			}
		case int64:
			if into := numbers[name]; into != nil {
				*into = max(v, 0)
			}
		}
	}
	calls.Count, calls.Failed, calls.Denied = uint64(counts[0]), uint64(counts[1]), uint64(counts[2])
	if calls != (CallTotals{}) {
		r.Calls = []CallTotals{calls}
	}
	return r, nil
}
