package supervisor

import (
	"context"
	"encoding/json"
	"time"

	"github.com/bulkhead-run/bulkhead/internal/outcome"
	"github.com/bulkhead-run/bulkhead/internal/store"
)

// Isolation says what one invocation leaves to the next.
type Isolation string

const (
	// Fresh restores the snapshot before every invocation.
	Fresh Isolation = "fresh"
	// Warm keeps globals between invocations on the same instance.
	Warm Isolation = "warm"
)

// FunctionSpec is what a deploy asks for. Zero values mean the defaults.
type FunctionSpec struct {
	// Tenant and Function are names: 1 to 63 of a-z, 0-9 and -, not starting
	// with -. The tenant must exist.
	Tenant, Function string
	// Code is JavaScript: a function expression, or a module whose default
	// export is a function or an object with a fetch method.
	Code string
	// SourceMap is the source map of the code (version 3, JSON, at most
	// MaxSourceMap bytes), or empty. With it, stacks and problems name the
	// lines of the sources that the code was made of.
	SourceMap string
	// Memory is the limit of one instance, in bytes: 1 MiB up to the tier's
	// most. Default DefaultMemory.
	Memory int64
	// Timeout is the wall time of one invocation, from its start in the
	// sandbox: 1 ms up to the tier's most. Default DefaultTimeout.
	Timeout time.Duration
	// CPU is the CPU time that one invocation may use, apart from what it
	// waits: 1 ms up to the tier's most. 0 means the tier's most; without one,
	// only Timeout holds.
	CPU time.Duration
	// Concurrency is how many invocations run at once: 1 up to the tier's
	// most. Default DefaultConcurrency.
	Concurrency int
	// Isolation is Fresh or Warm. Default Fresh.
	Isolation Isolation
	// Policy names a policy that holds for this function beside its tenant's:
	// what either denies is denied. Default: none.
	Policy string
	// Public lets anybody call the function over HTTP, without a token.
	Public bool
	// Assets are static files, by their names: see Asset. Default: none. With
	// their names they may take as much as the tier says.
	Assets map[string][]byte
	// Alias, if not empty, is a name that the version gets: as for SetAlias, but
	// not "live".
	Alias string
	// NoLive makes the version without making it live.
	NoLive bool
	// Problems are faults that the caller found where it took the rest from.
	// With any, Deploy fails, and tells them together with those it finds.
	Problems []outcome.Problem
}

// withDefaults fills in what is left out: the default, or the tier's most if
// that is less.
func (f FunctionSpec) withDefaults(t Tier) FunctionSpec {
	f.Memory = orDefault(f.Memory, min(DefaultMemory, t.MaxMemory))
	f.Timeout = orDefault(f.Timeout, min(DefaultTimeout, t.MaxTimeout))
	f.CPU = orDefault(f.CPU, t.MaxCPU)
	f.Concurrency = orDefault(f.Concurrency, min(DefaultConcurrency, t.MaxConcurrency))
	f.Isolation = orDefault(f.Isolation, DefaultIsolation)
	return f
}

// Function is a deployed function: what is live.
type Function struct {
	Tenant   string
	Function string
	// Version names the code together with its settings, its environment and the
	// secrets it refers to, a SHA-256 in hexadecimal: deploying the same again
	// gives the same version. It is empty when no version is live; the fields
	// below are those of the newest then.
	Version string
	// Shape is the form in which the code came: "expression",
	// "module-function" or "module-fetch".
	Shape       string
	Memory      int64 // bytes
	Timeout     time.Duration
	CPU         time.Duration // of one invocation; 0 for no limit
	Concurrency int
	Isolation   Isolation
	Policy      string    // beside the tenant's; "" for none
	Public      bool      // anybody may call it over HTTP
	Size        int64     // of the code, in bytes
	Deployed    time.Time // when the version was made
	// New is set by Deploy: there was no such function before.
	New bool
}

// functionJSON is Function as people read it: the timeout is "5s". No cpu is
// no limit.
type functionJSON struct {
	Tenant      string    `json:"tenant"`
	Function    string    `json:"function"`
	Version     string    `json:"version"`
	Shape       string    `json:"shape"`
	Memory      int64     `json:"memory"`
	Timeout     string    `json:"timeout"`
	CPU         string    `json:"cpu,omitempty"`
	Concurrency int       `json:"concurrency"`
	Isolation   Isolation `json:"isolation"`
	Policy      string    `json:"policy,omitempty"`
	Public      bool      `json:"public,omitempty"`
	Size        int64     `json:"size"`
	Deployed    time.Time `json:"deployed"`
}

// MarshalJSON writes times as Go durations, and sizes in bytes.
func (f Function) MarshalJSON() ([]byte, error) {
	var cpu string
	if f.CPU != 0 {
		cpu = f.CPU.String()
	}
	return json.Marshal(functionJSON{f.Tenant, f.Function, f.Version, f.Shape, f.Memory, f.Timeout.String(), cpu, f.Concurrency, f.Isolation, f.Policy, f.Public, f.Size, f.Deployed})
}

// UnmarshalJSON reads what MarshalJSON writes.
func (f *Function) UnmarshalJSON(data []byte) error {
	var j functionJSON
	if err := json.Unmarshal(data, &j); err != nil {
		return err
	}
	timeout, err := time.ParseDuration(j.Timeout)
	if err != nil {
		return err
	}
	var cpu time.Duration
	if j.CPU != "" {
		if cpu, err = time.ParseDuration(j.CPU); err != nil {
			return err
		}
	}
	*f = Function{j.Tenant, j.Function, j.Version, j.Shape, j.Memory, timeout, cpu, j.Concurrency, j.Isolation, j.Policy, j.Public, j.Size, j.Deployed, false}
	return nil
}

// function is what is told of a function: its live version, or, when none is, the
// newest without its name.
func (s *Supervisor) function(f *store.Function) Function {
	switch v := f.Live(); {
	case v != nil:
		return functionOf(v)
	case len(f.Versions) > 0:
		newest := functionOf(f.Versions[0])
		newest.Version = ""
		return newest
	}
	return Function{Tenant: f.Tenant, Function: f.Function}
}

// Function returns a deployed function. The error's outcome is NotFound when
// there is no such tenant or function.
func (s *Supervisor) Function(tenant, function string) (Function, error) {
	f, err := s.store.Function(tenant, function)
	if err != nil {
		return Function{}, s.lookupError(tenant, function, err)
	}
	return s.function(f), nil
}

// Functions returns a tenant's functions, by name. The error's outcome is
// NotFound when there is no such tenant.
func (s *Supervisor) Functions(tenant string) ([]Function, error) {
	stored, err := s.store.Functions(tenant)
	if err != nil {
		return nil, s.lookupError(tenant, "", err)
	}
	functions := make([]Function, len(stored))
	for i, f := range stored {
		functions[i] = s.function(f)
	}
	return functions, nil
}

// DeleteFunction deletes a function with its versions. Invocations that are running finish. The
// error's outcome is NotFound when there is no such tenant or function.
func (s *Supervisor) DeleteFunction(ctx context.Context, tenant, function string) error {
	done, err := s.enter()
	if err != nil {
		return err
	}
	defer done()
	if _, err := s.Function(tenant, function); outcome.Of(err) == outcome.NotFound {
		return err
	}
	unlock, err := s.deploys.lock(ctx, tenant+"/"+function)
	if err != nil {
		return contextError(tenant, function, err)
	}
	defer unlock()
	if err := s.store.DeleteFunction(ctx, tenant, function); err != nil {
		return storeError(tenant, function, "the function could not be deleted", err)
	}
	s.settle(ctx, tenant, function)
	s.shelf.forget(tenant, function)
	s.journal.Forget(tenant, function)
	return nil
}
