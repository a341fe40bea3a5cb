package client

import (
	"context"
	"net/http"
	"net/url"
	"strconv"
	"time"
)

// Stats is what tenants do at the moment.
type Stats struct {
	Time time.Time `json:"time"`
	// Window is how far back rates and durations look, in seconds.
	Window float64 `json:"window_seconds"`
	// All is all tenants together; Waiting is how many invocations wait for
	// their function's concurrency.
	All     Activity `json:"all"`
	Waiting int      `json:"waiting"`
	// Tenants are those that were active lately, or have a process; More is how
	// many there are beyond the limit.
	Tenants   []Activity `json:"tenants"`
	More      int        `json:"more"`
	Sandboxes struct {
		Processes int `json:"processes"`
		Spare     int `json:"spare"`
		Assigned  int `json:"assigned"`
		Idle      int `json:"idle"`
		Max       int `json:"max"`
	} `json:"sandboxes"`
}

// Activity is what a tenant does at the moment.
type Activity struct {
	Tenant    string  `json:"tenant,omitempty"`
	Rate      float64 `json:"rate"`       // invocations a second
	ErrorRate float64 `json:"error_rate"` // of these, those that did not end well
	P50       float64 `json:"p50_ms"`
	P99       float64 `json:"p99_ms"`
	// These count since the tenant is tracked.
	Invocations uint64  `json:"invocations"`
	Errors      uint64  `json:"errors"`
	Cold        uint64  `json:"cold_starts"`
	Kills       uint64  `json:"kills"`
	CPUSeconds  float64 `json:"cpu_seconds"`

	Processes int     `json:"processes"`
	Running   int     `json:"running"`        // invocations
	Resident  int64   `json:"resident_bytes"` // of its processes
	Load      float64 `json:"load"`           // processors in use
}

// Stats returns what tenants do at the moment: at most limit of them, those
// first that have most of sort ("rate", "errors", "p99", "memory", "cpu",
// "cold" or "kills"), or by name ("tenant").
func (c *Client) Stats(ctx context.Context, sort string, limit int) (Stats, error) {
	var s Stats
	query := url.Values{"sort": {sort}, "limit": {strconv.Itoa(limit)}}
	_, err := c.do(ctx, request{method: http.MethodGet, path: []string{"v1", "stats"}, query: query}, &s)
	return s, err
}

// Sandbox is one sandbox process.
type Sandbox struct {
	PID int `json:"pid"`
	// State is "spare", "idle", "assigned" or "ending".
	State        string    `json:"state"`
	Tenant       string    `json:"tenant,omitempty"`
	Started      time.Time `json:"started"`
	Running      int       `json:"running"` // invocations
	Functions    int       `json:"functions"`
	Instances    int       `json:"instances"` // by its own account
	Resident     int64     `json:"resident_bytes"`
	Proportional int64     `json:"proportional_bytes,omitempty"` // 0 where it is not known
	CPUSeconds   float64   `json:"cpu_seconds"`
	Load         float64   `json:"load"` // processors in use
}

// Sandboxes lists the sandbox processes, the oldest first.
func (c *Client) Sandboxes(ctx context.Context) ([]Sandbox, error) {
	var out struct{ Sandboxes []Sandbox }
	_, err := c.do(ctx, request{method: http.MethodGet, path: []string{"v1", "sandboxes"}}, &out)
	return out.Sandboxes, err
}

// LogFilter chooses lines of functions' logs; an empty field chooses all.
type LogFilter struct {
	Tenant, Function string
	Level            string // the least: "debug", "info", "warn" or "error"
	Outcome          string // lines that tell that an invocation ended so: "deadline"; "failed" for any failure
	Since            string // a time as in RFC 3339, or a duration like "10m"
	Tail             int    // of the past, the last so many; negative for all
	Grep             string // a regular expression (RE2)
	Follow           bool   // go on with the lines that come
}

// LogLine is one line of a function's log, or what tells how an invocation
// failed.
type LogLine struct {
	Time       time.Time `json:"time"`
	Tenant     string    `json:"tenant"`
	Function   string    `json:"function"`
	Version    string    `json:"version,omitempty"`
	Invocation string    `json:"invocation"`
	Trace      string    `json:"trace,omitempty"`
	Level      string    `json:"level"`
	Message    string    `json:"message"`
	Outcome    string    `json:"outcome,omitempty"` // set where it tells of a failure
	Lost       uint64    `json:"lost,omitempty"`    // lines that were missed before it; nothing else is set then
}

// Logs calls line with what functions logged: a JSON object that is a LogLine.
// It returns when all has been told, or, if f follows, when ctx ends (nil);
// line's error when it has one; and an error when the supervisor ends the
// stream of one who follows.
func (c *Client) Logs(ctx context.Context, f LogFilter, line func([]byte) error) error {
	query := url.Values{}
	for name, v := range map[string]string{"tenant": f.Tenant, "function": f.Function, "level": f.Level, "outcome": f.Outcome, "since": f.Since, "grep": f.Grep} {
		if v != "" {
			query.Set(name, v)
		}
	}
	if f.Tail >= 0 {
		query.Set("tail", strconv.Itoa(f.Tail))
	}
	if f.Follow {
		query.Set("follow", "true")
	}
	return c.stream(ctx, request{method: http.MethodGet, path: []string{"v1", "logs"}, query: query}, !f.Follow, line)
}
