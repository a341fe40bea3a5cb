package supervisor

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	"github.com/bulkhead-run/bulkhead/internal/outcome"
	"github.com/bulkhead-run/bulkhead/internal/store"
	"github.com/bulkhead-run/bulkhead/ipc"
	"github.com/bulkhead-run/bulkhead/policies"
	"github.com/bulkhead-run/bulkhead/value"
)

// Run runs a function once, in a process of its own that is thrown away
// afterwards, under the given policy; nil means the preset "compute". Nothing
// is stored. The spec's names need not exist, and may be empty; its limits are
// held against the tier "default". The result's log begins with what the
// code's top level logged. Errors are those of Invoke; code that cannot be
// loaded is Invalid.
func (s *Supervisor) Run(ctx context.Context, f FunctionSpec, policy *policies.Policy, event json.RawMessage) (Result, error) {
	f = f.withDefaults(s.tiers()[DefaultTier])
	f.Tenant, f.Function = orDefault(f.Tenant, "run"), orDefault(f.Function, "function")
	if policy == nil {
		policy = s.rules.Load().byName[DefaultPolicy]
	}
	inv := &invocation{s: s, id: newID(), tenant: f.Tenant, function: f.Function, timeout: f.Timeout, cpu: f.CPU}
	inv.watched()
	inv.tally.start = time.Now()
	inv.held = newRuling(policy, s.apiList)
	ctx, inv.end = context.WithCancel(inv.startTrace(ctx))
	defer inv.end()
	if len(event) == 0 {
		event = json.RawMessage("null")
	}
	result, err := s.run(ctx, inv, f, s.tiers()[DefaultTier], value.Wire(event))
	if err == nil {
		err = result.setValue()
	}
	return s.conclude(inv, result, err)
}

// run runs code that is not deployed, held to a tier.
func (s *Supervisor) run(ctx context.Context, inv *invocation, f FunctionSpec, tier Tier, event value.Wire) (Result, error) {
	v := store.Version{Memory: f.Memory, Timeout: f.Timeout, CPU: f.CPU, Concurrency: f.Concurrency, Isolation: string(f.Isolation)}
	v.Seal(store.Parts{Code: []byte(f.Code), SourceMap: []byte(f.SourceMap)})
	result := Result{}
	result.Version = v.Version
	result.chill(ColdNoProcess)
	done, err := s.enter()
	if err != nil {
		return result, err
	}
	defer done()
	if err := checkEvent(event); err != nil {
		return result, err
	}
	problems := s.inspect(f, tier)
	var faults []outcome.Problem
	inv.sources, faults = specTranslation(f)
	problems = append(problems, faults...)
	if !validName(f.Tenant) {
		problems = append(problems, outcome.Problem{Field: "tenant", Reason: nameRule})
	}
	if len(problems) > 0 {
		e := invalid(f, problems).(*outcome.Error)
		e.Detail = "the function cannot be run"
		return result, e
	}
	asked := time.Now()
	r, err := s.pool.assign(f.Tenant)
	if err != nil {
		return result, err
	}
	defer r.kill(causeSpent, nil)
	r.serves = func(string, string) bool { return true }
	set := settingsOf(f, &v)
	code := func(context.Context) (string, error) { return f.Code, nil }
	loaded, _, err := r.load(ctx, set, code)
	if err == nil {
		for _, line := range loaded.logs {
			inv.emit(line.Level, ipc.Clip(line.Message, ipc.MaxLogMessage))
		}
		r.unuse(loaded)
		inv.waitedFor(ctx, "load", asked)
		err = r.invoke(ctx, inv, event, set, code, &result)
	}
	if errors.Is(err, errLost) {
		return result, inv.lost(r.process)
	}
	return result, err
}
