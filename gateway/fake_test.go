package gateway_test

import (
	"context"
	"encoding/json"
	"fmt"
	"sync"
	"time"

	"github.com/bulkhead-run/bulkhead/gateway"
	"github.com/bulkhead-run/bulkhead/internal/outcome"
	"github.com/bulkhead-run/bulkhead/policies"
	"github.com/bulkhead-run/bulkhead/supervisor"
	"github.com/bulkhead-run/bulkhead/value"
)

// fake is a Backend that holds what it is given in memory. A test replaces
// what it wants to fail.
type fake struct {
	mu              sync.Mutex
	tenants         map[string]supervisor.Tenant
	gateway.Backend // what the tests do not call
	functions       map[string]supervisor.Function
	specs           []supervisor.FunctionSpec

	limits      supervisor.Limits
	usageFilter supervisor.UsageFilter
	invoke      func(ctx context.Context, event json.RawMessage) (supervisor.Result, error)
	answer      func(ctx context.Context, r *supervisor.HTTPRequest) (*supervisor.HTTPResponse, error)
	asset       func(function, path string) (*supervisor.Asset, error)
	served      string // what answered the last request
	ready       error
	layers      []supervisor.Layer
}

var _ gateway.Backend = (*fake)(nil)

func newFake() *fake {
	return &fake{
		tenants:   map[string]supervisor.Tenant{},
		functions: map[string]supervisor.Function{},
		invoke: func(_ context.Context, event json.RawMessage) (supervisor.Result, error) {
			return supervisor.Result{
				Receipt: supervisor.Receipt{
					Invocation: "inv-1", Version: "v1", Outcome: outcome.OK, Cold: true, ColdCause: "process-evicted", Started: time.Unix(1700000000, 0),
					Duration: 1234567 * time.Nanosecond, CPU: 876543 * time.Nanosecond, Queued: 2 * time.Second, Memory: 1 << 20,
					Calls: []supervisor.CallTotals{{API: "kv.get", Count: 2, Failed: 1, Denied: 1, Time: 1500 * time.Microsecond, Sent: 7, Received: 9}, {API: "fetch", Count: 1, Sent: 1}},
				},
				Value: event, PID: 42, Dropped: 3,
				Logs: []supervisor.Log{{Time: time.Unix(1, 0), Level: 4, Message: "careful"}},
			}, nil
		},
	}
}

func (f *fake) ServeHTTP(ctx context.Context, tenant, function string, r *supervisor.HTTPRequest, ended func(supervisor.Result, error)) (*supervisor.HTTPResponse, error) {
	defer ended(supervisor.Result{}, nil)
	f.mu.Lock()
	f.served = tenant + "/" + function
	f.mu.Unlock()
	return f.answer(ctx, r)
}

func (f *fake) PutTenant(_ context.Context, t supervisor.Tenant) (supervisor.Tenant, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if t.Policy == "" {
		t.Policy = "compute"
	}
	if t.Tier == "" {
		t.Tier = "default"
	}
	t.Created = time.Unix(1700000000, 0).UTC()
	f.tenants[t.Name] = t
	return t, nil
}

func (f *fake) Tenants() (all []supervisor.Tenant) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, t := range f.tenants {
		all = append(all, t)
	}
	return all
}

func (f *fake) Tenant(name string) (supervisor.Tenant, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	t, ok := f.tenants[name]
	if !ok {
		return t, &outcome.Error{Outcome: outcome.NotFound, Tenant: name, Detail: "there is no such tenant"}
	}
	return t, nil
}

func (*fake) Record(context.Context, string, string, *supervisor.RecordSettings) error { return nil }

func (*fake) Recordings(string, string) ([]supervisor.RecordingEntry, error) { return nil, nil }

func (*fake) ReadRecording(tenant, id string) (*supervisor.Recording, error) {
	return &supervisor.Recording{ID: id, Tenant: tenant}, nil
}

func (*fake) DeleteRecording(string, string) error { return nil }

func (*fake) Replay(context.Context, string, string, *supervisor.ReplayCode) (*supervisor.Replayed, error) {
	return &supervisor.Replayed{Recording: &supervisor.Recording{}, Same: true}, nil
}

func (f *fake) ReadUsage(_ context.Context, u supervisor.UsageFilter) ([]supervisor.UsageRow, error) {
	f.usageFilter = u
	if u.By == "colour" {
		return nil, &outcome.Error{Outcome: outcome.Invalid, Problems: []outcome.Problem{{Field: "by", Reason: "no"}}}
	}
	return []supervisor.UsageRow{{Tenant: "t", UsageTotals: supervisor.UsageTotals{
		Outcomes: map[string]uint64{"ok": 3, "deadline": 1}, Wall: time.Second, CPU: time.Millisecond, Memory: 1e9 / 1024 * 1e3,
	}}}, nil
}

func (f *fake) Limits(tenant string) (supervisor.Limits, error) {
	_, err := f.Tenant(tenant)
	return f.limits, err
}

func (f *fake) DeleteTenant(_ context.Context, name string) error {
	if _, err := f.Tenant(name); err != nil {
		return err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.tenants, name)
	return nil
}

func (f *fake) Deploy(_ context.Context, spec supervisor.FunctionSpec) (supervisor.Function, error) {
	if _, err := f.Tenant(spec.Tenant); err != nil {
		return supervisor.Function{}, err
	}
	if len(spec.Problems) > 0 {
		return supervisor.Function{}, &outcome.Error{Outcome: outcome.Invalid, Problems: spec.Problems}
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.specs = append(f.specs, spec)
	fn := supervisor.Function{
		Tenant: spec.Tenant, Function: spec.Function, Version: "v1",
		Memory: spec.Memory, Concurrency: spec.Concurrency, Isolation: spec.Isolation,
		Deployed: time.Unix(1700000000, 0).UTC(),
	}
	_, known := f.functions[spec.Tenant+"/"+spec.Function]
	f.functions[spec.Tenant+"/"+spec.Function] = fn
	fn.New = !known
	return fn, nil
}

// There is no version of any function.
var errNoVersion = &outcome.Error{Outcome: outcome.NotFound, Detail: "there is no such version"}

const (
	functionOf = "/v1/tenants/{tenant}/functions/{function}"
	versionsOf = functionOf + "/versions"
)

func (f *fake) Versions(string, string) (supervisor.Versions, error) {
	return supervisor.Versions{}, errNoVersion
}

func (f *fake) Resolve(string, string, string) (supervisor.Version, error) {
	return supervisor.Version{}, errNoVersion
}

func (f *fake) Diff(context.Context, string, string, string, string) (supervisor.Diff, error) {
	return supervisor.Diff{}, errNoVersion
}

func (f *fake) Rollback(context.Context, string, string, string) (supervisor.Function, error) {
	return supervisor.Function{}, errNoVersion
}

func (f *fake) SetAlias(context.Context, string, string, string, string) (supervisor.Version, error) {
	return supervisor.Version{}, errNoVersion
}

func (f *fake) DeleteAlias(context.Context, string, string, string) error { return errNoVersion }
func (f *fake) ClearSplit(context.Context, string, string) error          { return errNoVersion }

func (f *fake) SetSplit(context.Context, string, string, map[string]int, *supervisor.RollbackRule) (supervisor.Split, error) {
	return supervisor.Split{}, errNoVersion
}

func (f *fake) ApplyEnvironment(_ context.Context, tenant, function string) ([]supervisor.Function, error) {
	fn, err := f.Function(tenant, function)
	if err != nil {
		return nil, nil
	}
	return []supervisor.Function{fn}, nil
}

func (f *fake) Function(tenant, function string) (supervisor.Function, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	fn, ok := f.functions[tenant+"/"+function]
	if !ok {
		return fn, &outcome.Error{Outcome: outcome.NotFound, Tenant: tenant, Function: function, Detail: "there is no such function"}
	}
	return fn, nil
}

func (f *fake) Public(tenant, function string) (bool, error) {
	fn, err := f.Function(tenant, function)
	return fn.Public, err
}

func (f *fake) Asset(_ context.Context, tenant, function, path string) (*supervisor.Asset, error) {
	if f.asset == nil {
		return nil, nil
	}
	return f.asset(function, path)
}

func (f *fake) Functions(tenant string) (all []supervisor.Function, err error) {
	if _, err := f.Tenant(tenant); err != nil {
		return nil, err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, fn := range f.functions {
		if fn.Tenant == tenant {
			all = append(all, fn)
		}
	}
	return all, nil
}

func (f *fake) DeleteFunction(_ context.Context, tenant, function string) error {
	if _, err := f.Function(tenant, function); err != nil {
		return err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.functions, tenant+"/"+function)
	return nil
}

func (f *fake) Invoke(ctx context.Context, tenant, function string, event json.RawMessage) (supervisor.Result, error) {
	if _, err := f.Function(tenant, function); err != nil {
		return supervisor.Result{}, err
	}
	return f.invoke(ctx, event)
}

func (f *fake) InvokeValue(ctx context.Context, tenant, function string, event value.Wire) (supervisor.Result, error) {
	if _, err := f.Function(tenant, function); err != nil {
		return supervisor.Result{}, err
	}
	result, err := f.invoke(ctx, nil)
	result.Value, result.Wire = nil, event
	return result, err
}

// Try logs the code, tells a verdict, and returns the event.
func (f *fake) Try(ctx context.Context, spec supervisor.FunctionSpec, event value.Wire, w supervisor.Watch) (supervisor.Result, error) {
	if _, err := f.Tenant(spec.Tenant); err != nil {
		return supervisor.Result{}, err
	}
	if spec.Code == "broken" {
		return supervisor.Result{}, &outcome.Error{Outcome: outcome.Invalid, Detail: "the function cannot be run", Problems: []outcome.Problem{{Field: "code", Reason: "no", Line: 2, Column: 3}}}
	}
	w.Log(supervisor.Log{Time: time.Unix(1, 0), Message: spec.Code})
	w.Verdict([]byte(`{"api":"kv.get","action":"deny"}`))
	result, err := f.invoke(ctx, json.RawMessage(event))
	result.Value, result.Wire = nil, event
	return result, err
}

// Explain allows what has a key.
func (f *fake) Explain(tenant, policy, api string, a policies.Attributes) (policies.Explanation, error) {
	if _, err := f.Tenant(tenant); err != nil {
		return policies.Explanation{}, err
	}
	if policy == "none" {
		return policies.Explanation{}, &outcome.Error{Outcome: outcome.Invalid, Detail: "the call cannot be explained", Problems: []outcome.Problem{{Field: "policy", Reason: "there is none"}}}
	}
	return policies.Explanation{API: api, Allowed: a.Key != "", Policy: policy, Reason: fmt.Sprint(a), Considered: []policies.Considered{}}, nil
}

// InvokeWatched tells a verdict, and returns the event.
func (f *fake) InvokeWatched(ctx context.Context, tenant, function string, event value.Wire, w supervisor.Watch) (supervisor.Result, error) {
	if _, err := f.Function(tenant, function); err != nil {
		return supervisor.Result{}, err
	}
	w.Verdict([]byte(`{"api":"kv.get","action":"allow"}`))
	result, err := f.invoke(ctx, nil)
	result.Value, result.Wire = nil, event
	return result, err
}

func (f *fake) Policies() []supervisor.Policy {
	return []supervisor.Policy{{Name: "compute", Description: "computing only"}}
}

// FollowAudit shows the filter, and then waits for the end.
func (f *fake) FollowAudit(ctx context.Context, filter supervisor.AuditFilter, line func([]byte) error) error {
	text, err := json.Marshal(filter)
	if err != nil {
		return err
	}
	if err := line(append(text, '\n')); err != nil {
		return err
	}
	<-ctx.Done()
	return nil
}

// Logs shows the filter, and then waits for the end if it follows.
func (f *fake) Logs(ctx context.Context, filter supervisor.LogFilter, begun func(), line func([]byte) error) error {
	if filter.Tenant == "nobody" {
		return &outcome.Error{Outcome: outcome.NotFound, Tenant: filter.Tenant, Detail: "there is no such tenant"}
	}
	begun()
	if err := line(fmt.Appendf(nil, "%+v\n", filter)); err != nil || !filter.Follow {
		return err
	}
	<-ctx.Done()
	return nil
}

func (f *fake) Activity() supervisor.Activity {
	return supervisor.Activity{
		Time: time.Unix(1700000000, 0), Window: 10 * time.Second, Waiting: 1, All: supervisor.TenantActivity{Rate: 6},
		Tenants: []supervisor.TenantActivity{
			{Tenant: "a", Rate: 1, P99: 3 * time.Millisecond, Resident: 30}, {Tenant: "b", Rate: 2, Kills: 4, Load: 0.5}, {Tenant: "c", Rate: 3, ErrorRate: 1, Cold: 1},
		},
	}
}

func (f *fake) Sandboxes(context.Context) []supervisor.Sandbox {
	return []supervisor.Sandbox{{PID: 42, State: "idle", Tenant: "a", Resident: 1 << 20, CPU: 1500 * time.Millisecond}}
}

func (f *fake) Stats() supervisor.Stats {
	return supervisor.Stats{
		Invocations: map[outcome.Outcome]uint64{outcome.OK: 3, outcome.Deadline: 1}, Cold: 2, Started: 4, Ended: map[string]uint64{"crash": 1},
		Verdicts: map[supervisor.Decided]uint64{{API: "kv.get", Action: "deny"}: 5}, Processes: 3, Spares: 2, Tenants: 1,
		FailedCalls: map[supervisor.FailedCall]uint64{{API: "db.query", Name: "DatabaseError", Code: "locked"}: 6},
	}
}

func (f *fake) Ready() error { return f.ready }

func (f *fake) Layers() []supervisor.Layer { return f.layers }

// withFunction adds tenant t and its function f.
func (f *fake) withFunction() *fake {
	f.tenants["t"] = supervisor.Tenant{Name: "t"}
	f.functions["t/f"] = supervisor.Function{Tenant: "t", Function: "f", Version: "v1"}
	return f
}
