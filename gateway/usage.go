package gateway

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/bulkhead-run/bulkhead/internal/outcome"
	"github.com/bulkhead-run/bulkhead/supervisor"
)

const usagePath = "/v1/usage"

type usageInput struct {
	// Read by filter, whose refusals are problems of ours.
	Tenant   string `query:"tenant" doc:"Of this tenant only"`
	Function string `query:"function" doc:"Of this function of the tenant only"`
	Since    string `query:"since" doc:"From the hour on that holds this: a time as in RFC 3339, a day like 2026-01-31 (UTC), or how long ago, like 24h. Default: all that is kept"`
	Until    string `query:"until" doc:"Up to the hour before this, written like since. Default: now"`
	By       string `query:"by" doc:"What has a row of its own: tenant, function, or a tenant's day or hour (UTC). Default tenant"`
}

func (in *usageInput) filter(now time.Time) (f supervisor.UsageFilter, err error) {
	f = supervisor.UsageFilter{Tenant: in.Tenant, Function: in.Function, By: in.By}
	var problems []outcome.Problem
	for name, at := range map[string]struct {
		text string
		into *time.Time
	}{"since": {in.Since, &f.Since}, "until": {in.Until, &f.Until}} {
		if at.text == "" {
			continue
		}
		if *at.into, err = moment(at.text, now); err != nil {
			problems = append(problems, outcome.Problem{Field: name, Reason: err.Error()})
		}
	}
	if len(problems) > 0 {
		return f, &outcome.Error{Outcome: outcome.Invalid, Detail: "the query was refused", Problems: problems}
	}
	return f, nil
}

// moment reads a time, a day, or how long ago.
func moment(text string, now time.Time) (time.Time, error) {
	if d, err := time.ParseDuration(text); err == nil && d >= 0 {
		return now.Add(-d), nil
	}
	for _, layout := range []string{time.RFC3339, time.DateOnly} {
		if t, err := time.Parse(layout, text); err == nil {
			return t, nil
		}
	}
	return time.Time{}, fmt.Errorf("%q is neither a time like 2026-01-31T15:00:00Z, a day like 2026-01-31, nor a duration like 24h", text)
}

type usageOutput struct {
	Body struct {
		Rows []usageRow `json:"rows" doc:"By tenant, function and time"`
	}
}

type usageRow struct {
	Tenant      string            `json:"tenant"`
	Function    string            `json:"function,omitempty" doc:"Of rows by function"`
	From        *time.Time        `json:"from,omitempty" doc:"Of rows by day and by hour: when that began"`
	Invocations uint64            `json:"invocations" doc:"That have ended"`
	Errors      uint64            `json:"errors" doc:"Of these, those that did not end well"`
	Outcomes    map[string]uint64 `json:"outcomes" doc:"Invocations by outcome"`
	Cold        uint64            `json:"cold_starts"`
	WallMS      float64           `json:"wall_ms" doc:"From the requests to the results"`
	QueuedMS    float64           `json:"queued_ms"`
	CPUMS       float64           `json:"cpu_ms"`
	GBSeconds   float64           `json:"gb_seconds" doc:"Peak memory times the time that it was held, in 10⁹ bytes times seconds"`
	Calls       []callTotals      `json:"calls" doc:"Host calls by API"`
}

func (s *Server) getUsage(ctx context.Context, in *usageInput) (*usageOutput, error) {
	filter, err := in.filter(time.Now())
	if err != nil {
		return nil, s.problemOf(err, "", "")
	}
	rows, err := s.backend.ReadUsage(ctx, filter)
	if err != nil {
		return nil, s.problemOf(err, filter.Tenant, filter.Function)
	}
	out := &usageOutput{}
	out.Body.Rows = make([]usageRow, len(rows))
	for i := range rows {
		out.Body.Rows[i] = usageRowBody(&rows[i])
	}
	return out, nil
}

func usageRowBody(r *supervisor.UsageRow) usageRow {
	body := usageRow{
		Tenant: r.Tenant, Function: r.Function, Outcomes: r.Outcomes, Cold: r.Cold,
		WallMS: milliseconds(r.Wall), QueuedMS: milliseconds(r.Queued), CPUMS: milliseconds(r.CPU), GBSeconds: r.GBSeconds(), Calls: []callTotals{},
	}
	body.Invocations, body.Errors = r.Invocations()
	if !r.From.IsZero() {
		body.From = &r.From
	}
	for _, api := range slices.Sorted(maps.Keys(r.Calls)) {
		c := r.Calls[api]
		body.Calls = append(body.Calls, callTotals{api, c.Count, c.Failed, c.Denied, milliseconds(c.Time), int64(c.Sent), int64(c.Received)})
	}
	return body
}
