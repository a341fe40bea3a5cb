package audit

import (
	"encoding/json"
	"time"

	"github.com/bulkhead-run/bulkhead/policies"
)

// Entry is one decision about one host call.
type Entry struct {
	Time       time.Time `json:"time"`
	Tenant     string    `json:"tenant"`
	Function   string    `json:"function"`
	Invocation string    `json:"invocation"`
	// Trace is the id of the trace that the invocation is part of, if any.
	Trace string `json:"trace,omitempty"`
	// API is the platform API's name: "fetch", "kv.get".
	API string `json:"api"`
	// Action is what was decided: "allow", "deny", "audit" or "kill"; "quota"
	// when the policy allowed the call and a quota did not.
	Action string `json:"action"`
	// Policy, Rule and Place say who decided: the policy's name, the rule in
	// it ("rules[2]", "default") and the rule's file and line.
	Policy string `json:"policy"`
	Rule   string `json:"rule"`
	Place  string `json:"place,omitempty"`
	// Reason is one sentence for people, where the call was not allowed.
	Reason string `json:"reason,omitempty"`
	// Attributes are what conditions could be set on.
	Attributes *policies.Attributes `json:"attributes,omitempty"`
	// Args are the arguments, where the action is not allow: redacted as the
	// policy says, and left out when they are long.
	Args json.RawMessage `json:"args,omitempty"`
	// Verdict is what the decision took; Duration what the call took, zero
	// where it was not made.
	Verdict  time.Duration `json:"verdict_ns"`
	Duration time.Duration `json:"duration_ns,omitempty"`
	// Sent and Received count bytes of arguments and of results, streams
	// included.
	Sent     int64 `json:"sent,omitempty"`
	Received int64 `json:"received,omitempty"`
	// Error is the name of the exception that the call ended with.
	Error string `json:"error,omitempty"`
	// Lost is how many entries before this one could not be written. An entry
	// with it has nothing else but its time.
	Lost uint64 `json:"lost,omitempty"`
}

// Filter chooses entries. An empty field chooses all.
type Filter struct{ Tenant, Function, API, Action string }

func (f Filter) match(e *Entry) bool {
	return (f.Tenant == "" || f.Tenant == e.Tenant) && (f.Function == "" || f.Function == e.Function) &&
		(f.API == "" || f.API == e.API) && (f.Action == "" || f.Action == e.Action)
}

// lostLine is the line that stands for entries a follower did not see.
func lostLine(next *Entry, n uint64) []byte {
	// Marshalling a struct of a time and a number cannot fail.
	line, _ := json.Marshal(&Entry{Time: next.Time, Lost: n})
	return append(line, '\n')
}
