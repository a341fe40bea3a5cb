package gateway

import (
	"context"
	"encoding/json"

	"github.com/bulkhead-run/bulkhead/policies"
	"github.com/bulkhead-run/bulkhead/supervisor"
	"github.com/bulkhead-run/bulkhead/value"
)

// Backend is what the gateway serves: the part of a *supervisor.Supervisor
// that it uses. Its methods are called from many goroutines at once, and fail
// with an *outcome.Error; anything else is shown as an internal error.
type Backend interface {
	PutTenant(ctx context.Context, t supervisor.Tenant) (supervisor.Tenant, error)
	Tenants() []supervisor.Tenant
	Tenant(name string) (supervisor.Tenant, error)
	DeleteTenant(ctx context.Context, name string) error
	Limits(tenant string) (supervisor.Limits, error)

	Deploy(ctx context.Context, f supervisor.FunctionSpec) (supervisor.Function, error)
	Function(tenant, function string) (supervisor.Function, error)
	Functions(tenant string) ([]supervisor.Function, error)
	DeleteFunction(ctx context.Context, tenant, function string) error

	Versions(tenant, function string) (supervisor.Versions, error)
	Resolve(tenant, function, ref string) (supervisor.Version, error)
	Code(ctx context.Context, tenant, function, ref string) (code, sourceMap string, err error)
	Diff(ctx context.Context, tenant, function, from, to string) (supervisor.Diff, error)
	Rollback(ctx context.Context, tenant, function, to string) (supervisor.Function, error)
	SetAlias(ctx context.Context, tenant, function, alias, ref string) (supervisor.Version, error)
	DeleteAlias(ctx context.Context, tenant, function, alias string) error
	SetSplit(ctx context.Context, tenant, function string, weights map[string]int, rule *supervisor.RollbackRule) (supervisor.Split, error)
	ClearSplit(ctx context.Context, tenant, function string) error
	ApplyEnvironment(ctx context.Context, tenant, function string) ([]supervisor.Function, error)

	Invoke(ctx context.Context, tenant, function string, event json.RawMessage) (supervisor.Result, error)
	InvokeValue(ctx context.Context, tenant, function string, event value.Wire) (supervisor.Result, error)
	InvokeWatched(ctx context.Context, tenant, function string, event value.Wire, w supervisor.Watch) (supervisor.Result, error)
	// Try runs code that is not deployed: see supervisor.Supervisor.
	Try(ctx context.Context, f supervisor.FunctionSpec, event value.Wire, w supervisor.Watch) (supervisor.Result, error)

	// Public tells whether a function answers without a token.
	Public(tenant, function string) (bool, error)
	// Asset returns the static file at a path of a function, or nil.
	Asset(ctx context.Context, tenant, function, path string) (*supervisor.Asset, error)
	// ServeHTTP has a function answer an HTTP request; ended is told how its
	// invocation ended.
	ServeHTTP(ctx context.Context, tenant, function string, r *supervisor.HTTPRequest, ended func(supervisor.Result, error)) (*supervisor.HTTPResponse, error)

	// Policies are those that tenants and functions may name, by name.
	Policies() []supervisor.Policy
	// Explain says what would be decided about a host call: see
	// supervisor.Supervisor.
	Explain(tenant, policy, api string, a policies.Attributes) (policies.Explanation, error)
	FollowAudit(ctx context.Context, f supervisor.AuditFilter, line func([]byte) error) error

	// Logs tells functions' logs: see supervisor.Supervisor.
	Logs(ctx context.Context, f supervisor.LogFilter, begun func(), line func([]byte) error) error

	// Recordings and replays: see supervisor.Supervisor.
	Record(ctx context.Context, tenant, function string, set *supervisor.RecordSettings) error
	Recordings(tenant, function string) ([]supervisor.RecordingEntry, error)
	ReadRecording(tenant, id string) (*supervisor.Recording, error)
	DeleteRecording(tenant, id string) error
	Replay(ctx context.Context, tenant, id string, code *supervisor.ReplayCode) (*supervisor.Replayed, error)

	// ReadUsage sums up receipts: see supervisor.Supervisor.
	ReadUsage(ctx context.Context, f supervisor.UsageFilter) ([]supervisor.UsageRow, error)

	Stats() supervisor.Stats
	Activity() supervisor.Activity
	Sandboxes(ctx context.Context) []supervisor.Sandbox
	// Layers are those of the sandboxes' lock-down, and what became of them.
	Layers() []supervisor.Layer
	// Ready returns nil when invocations are taken.
	Ready() error
}

var _ Backend = (*supervisor.Supervisor)(nil)
