package supervisor

import (
	"context"
	"time"

	"github.com/bulkhead-run/bulkhead/value"
)

// maxTries is how many codes of one tenant are tried at once; others wait.
const maxTries = 2

// Try runs code once as if it were a function of its tenant, without
// deploying it: the tenant's policy and tier hold, it acts on the tenant's
// data, it waits for its turn as invocations do, and the audit log has its host
// calls. Its process is its own and is thrown away afterwards. The spec's
// Function may be empty and need not exist. The result is in Result.Wire; its
// log begins with what the code's top level logged. w looks on.
//
// Errors are those of Invoke; code that cannot be loaded, or a setting that the
// tier does not allow, is Invalid.
func (s *Supervisor) Try(ctx context.Context, f FunctionSpec, event value.Wire, w Watch) (Result, error) {
	start := time.Now()
	t, err := s.Tenant(f.Tenant)
	if err != nil {
		return Result{}, err
	}
	tier := s.tiers()[t.Tier]
	f = f.withDefaults(tier)
	f.Function = orDefault(f.Function, "run")
	inv := &invocation{s: s, id: newID(), tenant: f.Tenant, function: f.Function, timeout: f.Timeout, cpu: f.CPU}
	inv.watched(w)
	inv.tally.start = start
	inv.policy.Store(&f.Policy)
	ctx, inv.end = context.WithCancel(inv.startTrace(ctx))
	defer inv.end()
	if len(event) == 0 {
		event = value.Wire("null")
	}
	result, err := s.try(ctx, inv, f, tier, event)
	return s.conclude(inv, result, err)
}

func (s *Supervisor) try(ctx context.Context, inv *invocation, f FunctionSpec, tier Tier, event value.Wire) (result Result, err error) {
	if err := s.admitCPU(f.Tenant, f.Function); err != nil {
		return result, err
	}
	if err := s.shedder.refuse(scarce, f.Tenant, f.Function, "a run of code that is not deployed"); err != nil {
		return result, err
	}
	queued := time.Now()
	// No function has an empty name: this line is of the tenant's tries alone.
	leave, err := s.gates.enter(ctx, f.Tenant, "", "", maxTries, s.o.MaxQueue, tier.MaxTimeout)
	if err != nil {
		return result, err
	}
	defer leave()
	if inv.seat, err = s.fair.enter(ctx, f.Tenant, f.Function, tier.Weight, tier.MaxTimeout); err != nil {
		return result, err
	}
	defer inv.seat.leave()
	waited := time.Since(queued)
	// Nothing is stored, so it does not matter how many functions there are.
	tier.MaxFunctions = int(^uint(0) >> 1)
	result, err = s.run(ctx, inv, f, tier, event)
	result.Queued = waited
	return result, err
}
