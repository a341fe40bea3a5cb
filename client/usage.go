package client

import (
	"context"
	"net/http"
	"net/url"
	"time"
)

// UsageFilter chooses what Usage sums up; an empty field means the default.
type UsageFilter struct {
	Tenant, Function string
	// Since and Until are times as in RFC 3339, days like "2026-01-31", or how
	// long ago, like "24h".
	Since, Until string
	By           string // "tenant" (the default), "function", "day" or "hour"
}

// UsageRow is what a tenant or a function used.
type UsageRow struct {
	Tenant      string            `json:"tenant"`
	Function    string            `json:"function,omitempty"` // of rows by function
	From        *time.Time        `json:"from,omitempty"`     // of rows by day and by hour
	Invocations uint64            `json:"invocations"`
	Errors      uint64            `json:"errors"`
	Outcomes    map[string]uint64 `json:"outcomes"`
	Cold        uint64            `json:"cold_starts"`
	WallMS      float64           `json:"wall_ms"`
	QueuedMS    float64           `json:"queued_ms"`
	CPUMS       float64           `json:"cpu_ms"`
	// GBSeconds is peak memory times the time that it was held, in 10⁹ bytes
	// times seconds.
	GBSeconds float64      `json:"gb_seconds"`
	Calls     []CallTotals `json:"calls"` // by API
}

// HostCalls adds up the calls of all APIs.
func (r *UsageRow) HostCalls() CallTotals { return (&Receipt{Calls: r.Calls}).HostCalls() }

// Usage returns what functions used, from the receipts of the invocations that
// have ended.
func (c *Client) Usage(ctx context.Context, f UsageFilter) ([]UsageRow, error) {
	query := url.Values{}
	for name, v := range map[string]string{"tenant": f.Tenant, "function": f.Function, "since": f.Since, "until": f.Until, "by": f.By} {
		if v != "" {
			query.Set(name, v)
		}
	}
	var out struct{ Rows []UsageRow }
	_, err := c.do(ctx, request{method: http.MethodGet, path: []string{"v1", "usage"}, query: query}, &out)
	return out.Rows, err
}
