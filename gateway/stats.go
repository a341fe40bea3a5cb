package gateway

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/bulkhead-run/bulkhead/internal/outcome"
	"github.com/bulkhead-run/bulkhead/supervisor"
)

const (
	statsPath     = "/v1/stats"
	sandboxesPath = "/v1/sandboxes"
)

type statsInput struct {
	// Read by options, whose refusals are problems of ours.
	Sort  string `query:"sort" doc:"What the first tenants have most of: rate, errors, p99, memory, cpu, cold or kills; or tenant, for the order of names. Default rate"`
	Limit string `query:"limit" doc:"The most tenants, 0 to 1000. Default 50"`
}

const maxStatsTenants = 1000

func (in *statsInput) options() (by func(a, b *activity) int, limit int, err error) {
	var problems []outcome.Problem
	by = descending[cmp.Or(in.Sort, "rate")]
	if by == nil {
		known := strings.Join(slices.Sorted(maps.Keys(descending)), ", ")
		problems = append(problems, outcome.Problem{Field: "sort", Reason: fmt.Sprintf("%q is none of %s", in.Sort, known)})
	}
	limit, parseErr := strconv.Atoi(cmp.Or(in.Limit, "50"))
	if parseErr != nil || limit < 0 || limit > maxStatsTenants {
		problems = append(problems, outcome.Problem{Field: "limit", Reason: fmt.Sprintf("%q is not a number from 0 to %d", in.Limit, maxStatsTenants)})
	}
	if len(problems) > 0 {
		err = &outcome.Error{Outcome: outcome.Invalid, Detail: "the query was refused", Problems: problems}
	}
	return by, limit, err
}

type statsOutput struct{ Body stats }

type stats struct {
	Time    time.Time `json:"time"`
	WindowS float64   `json:"window_seconds" doc:"How far back rates and durations look"`
	// All is all tenants together.
	All     activity   `json:"all"`
	Waiting int        `json:"waiting" doc:"Invocations that wait for their function's concurrency"`
	Tenants []activity `json:"tenants" doc:"Tenants that were active lately, or have a process"`
	More    int        `json:"more" doc:"Tenants beyond the limit"`

	Sandboxes sandboxCounts `json:"sandboxes"`
}

type sandboxCounts struct {
	Processes int `json:"processes"`
	Spare     int `json:"spare"`
	Assigned  int `json:"assigned" doc:"At work for their tenants"`
	Idle      int `json:"idle" doc:"Of tenants that run nothing"`
	Max       int `json:"max"`
}

type activity struct {
	Tenant      string  `json:"tenant,omitempty"`
	Rate        float64 `json:"rate" doc:"Invocations a second"`
	ErrorRate   float64 `json:"error_rate" doc:"Of these, those a second that did not end well"`
	P50MS       float64 `json:"p50_ms" doc:"Within some 20 %"`
	P99MS       float64 `json:"p99_ms" doc:"Within some 20 %"`
	Invocations uint64  `json:"invocations" doc:"Since the tenant is tracked, like those below"`
	Errors      uint64  `json:"errors"`
	Cold        uint64  `json:"cold_starts"`
	Kills       uint64  `json:"kills" doc:"Sandbox processes that had to be killed, or died"`
	CPUSeconds  float64 `json:"cpu_seconds"`
	Processes   int     `json:"processes"`
	Running     int     `json:"running" doc:"Invocations"`
	Memory      int64   `json:"resident_bytes" doc:"With what its processes share with others"`
	Load        float64 `json:"load" doc:"Processors in use"`
}

func activityBody(a supervisor.TenantActivity) activity {
	return activity{
		Tenant: a.Tenant, Rate: a.Rate, ErrorRate: a.ErrorRate, P50MS: milliseconds(a.P50), P99MS: milliseconds(a.P99),
		Invocations: a.Invocations, Errors: a.Errors, Cold: a.Cold, Kills: a.Kills, CPUSeconds: a.CPU.Seconds(),
		Processes: a.Processes, Running: a.Running, Memory: a.Resident, Load: a.Load,
	}
}

// descending compares by each of statsInput.Sort's values.
var descending = map[string]func(a, b *activity) int{
	"rate":   func(a, b *activity) int { return cmp.Compare(b.Rate, a.Rate) },
	"errors": func(a, b *activity) int { return cmp.Compare(b.ErrorRate, a.ErrorRate) },
	"p99":    func(a, b *activity) int { return cmp.Compare(b.P99MS, a.P99MS) },
	"memory": func(a, b *activity) int { return cmp.Compare(b.Memory, a.Memory) },
	"cpu":    func(a, b *activity) int { return cmp.Compare(b.Load, a.Load) },
	"cold":   func(a, b *activity) int { return cmp.Compare(b.Cold, a.Cold) },
	"kills":  func(a, b *activity) int { return cmp.Compare(b.Kills, a.Kills) },
	"tenant": func(a, b *activity) int { return strings.Compare(a.Tenant, b.Tenant) },
}

func (s *Server) getStats(_ context.Context, in *statsInput) (*statsOutput, error) {
	by, limit, err := in.options()
	if err != nil {
		return nil, s.problemOf(err, "", "")
	}
	a, n := s.backend.Activity(), s.backend.Stats()
	body := stats{
		Time: a.Time, WindowS: a.Window.Seconds(), All: activityBody(a.All), Waiting: a.Waiting, Tenants: []activity{},
		Sandboxes: sandboxCounts{Processes: n.Processes, Spare: n.Spares, Assigned: n.Busy, Idle: max(n.Tenants-n.Busy, 0), Max: n.Capacity},
	}
	for _, t := range a.Tenants {
		body.Tenants = append(body.Tenants, activityBody(t))
	}
	slices.SortFunc(body.Tenants, func(a, b activity) int { return cmp.Or(by(&a, &b), strings.Compare(a.Tenant, b.Tenant)) })
	body.More = max(len(body.Tenants)-limit, 0)
	body.Tenants = body.Tenants[:len(body.Tenants)-body.More]
	return &statsOutput{body}, nil
}

type sandboxesOutput struct {
	Body struct {
		Sandboxes []sandbox `json:"sandboxes"`
	}
}

type sandbox struct {
	PID          int       `json:"pid"`
	State        string    `json:"state" enum:"spare,idle,assigned,ending" doc:"spare: no tenant has it yet; idle: its tenant runs nothing; assigned: at work"`
	Tenant       string    `json:"tenant,omitempty"`
	Started      time.Time `json:"started"`
	Running      int       `json:"running" doc:"Invocations"`
	Functions    int       `json:"functions" doc:"Loaded versions"`
	Instances    int       `json:"instances" doc:"By its own account"`
	Resident     int64     `json:"resident_bytes" doc:"With what it shares with others"`
	Proportional int64     `json:"proportional_bytes,omitempty" doc:"With its part of what it shares; left out where the kernel does not tell"`
	CPUSeconds   float64   `json:"cpu_seconds" doc:"Since its start"`
	Load         float64   `json:"load" doc:"Processors in use"`
}

func (s *Server) listSandboxes(ctx context.Context, _ *struct{}) (*sandboxesOutput, error) {
	out := &sandboxesOutput{}
	out.Body.Sandboxes = []sandbox{}
	for _, b := range s.backend.Sandboxes(ctx) {
		out.Body.Sandboxes = append(out.Body.Sandboxes, sandbox{
			PID: b.PID, State: b.State, Tenant: b.Tenant, Started: b.Started, Running: b.Running, Functions: b.Functions, Instances: b.Instances,
			Resident: b.Resident, Proportional: b.Proportional, CPUSeconds: b.CPU.Seconds(), Load: b.Load,
		})
	}
	return out, nil
}
