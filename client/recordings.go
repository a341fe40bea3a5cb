package client

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"time"

	"github.com/bulkhead-run/bulkhead/internal/outcome"
)

// RecordingEntry is one recording of a list.
type RecordingEntry struct {
	ID       string    `json:"id"` // the invocation's
	Tenant   string    `json:"tenant"`
	Function string    `json:"function"`
	Time     time.Time `json:"time"`
	Size     int64     `json:"size_bytes"`
}

// Divergence is where a replay left the recorded course.
type Divergence struct {
	What     string `json:"what"`  // "call", "log", "result" or "outcome"
	Index    int    `json:"index"` // which of the calls or lines, from 0
	Recorded string `json:"recorded"`
	Replayed string `json:"replayed"`
	At       string `json:"at,omitempty"` // where in the code that was run, like "cart.ts:12:5"
}

// Replayed is what a replay came to.
type Replayed struct {
	Same       bool            `json:"same"`
	Difference *Divergence     `json:"difference,omitempty"` // the first
	Unanswered int             `json:"unanswered"`           // calls that the recording has no answer to
	Truncated  bool            `json:"truncated"`            // the recording is not whole
	Function   string          `json:"function"`
	Version    string          `json:"version"` // that was recorded
	Recorded   string          `json:"recorded_outcome"`
	Outcome    string          `json:"outcome"`
	Value      json.RawMessage `json:"value,omitempty"`
	Detail     string          `json:"detail,omitempty"`
	Exception  *outcome.Thrown `json:"exception,omitempty"`
	Logs       []Log           `json:"logs"`
}

// Record has a part of a function's invocations recorded, for so long; a rate of
// 0 ends it.
func (c *Client) Record(ctx context.Context, tenant, function string, rate float64, long time.Duration) error {
	r := request{method: http.MethodDelete, path: append(functionPath(tenant, function), "recording")}
	if rate != 0 {
		body, err := json.Marshal(map[string]any{"rate": rate, "for": long.String()})
		if err != nil {
			return fmt.Errorf("encode settings: %w", err)
		}
		r.method, r.media, r.body = http.MethodPut, "application/json", body
	}
	_, err := c.do(ctx, r, nil)
	return err
}

// Recordings lists a tenant's recordings, of one function or of all, the latest
// first.
func (c *Client) Recordings(ctx context.Context, tenant, function string) ([]RecordingEntry, error) {
	query := url.Values{}
	if function != "" {
		query.Set("function", function)
	}
	var out struct{ Recordings []RecordingEntry }
	_, err := c.do(ctx, request{method: http.MethodGet, path: recordingPath(tenant), query: query}, &out)
	return out.Recordings, err
}

// Recording returns a recording: a JSON object.
func (c *Client) Recording(ctx context.Context, tenant, id string) (r json.RawMessage, err error) {
	_, err = c.do(ctx, request{method: http.MethodGet, path: recordingPath(tenant, id)}, &r)
	return r, err
}

// DeleteRecording deletes a recording.
func (c *Client) DeleteRecording(ctx context.Context, tenant, id string) error {
	_, err := c.do(ctx, request{method: http.MethodDelete, path: recordingPath(tenant, id)}, nil)
	return err
}

// Replay runs a recorded invocation again. code, if not empty, with its source
// map or none, runs in place of the recorded code.
func (c *Client) Replay(ctx context.Context, tenant, id, code, sourceMap string) (r Replayed, err error) {
	q := request{method: http.MethodPost, path: append(recordingPath(tenant, id), "replay"), media: "application/json"}
	body := map[string]any{}
	if code != "" {
		body["code"] = code
	}
	if sourceMap != "" {
		body["source_map"] = json.RawMessage(sourceMap)
	}
	if q.body, err = json.Marshal(body); err != nil {
		return r, &outcome.Error{Outcome: outcome.Invalid, Tenant: tenant, Detail: "the source map is not JSON", Err: err}
	}
	_, err = c.do(ctx, q, &r)
	return r, err
}

func recordingPath(tenant string, rest ...string) []string {
	return append([]string{"v1", "tenants", tenant, "recordings"}, rest...)
}
