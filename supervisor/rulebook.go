package supervisor

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"sync"

	"github.com/bulkhead-run/bulkhead/internal/outcome"
	"github.com/bulkhead-run/bulkhead/ipc/sandboxpb"
	"github.com/bulkhead-run/bulkhead/policies"
)

// rulebook is the policies of one moment. It never changes: SetPolicies puts
// another in its place, so that a host call sees all of the old or all of the
// new.
type rulebook struct {
	byName map[string]*policies.Policy
	apis   []*sandboxpb.API
	// rulings are the combinations that are in use, by the names in them.
	rulings sync.Map // chain -> *ruling
}

// chain names the policies that hold for a function, from the outside in. An
// empty name stands for no policy of that level.
type chain struct{ tier, tenant, function string }

// ruling is what holds for a function.
type ruling struct {
	policy *policies.Policy
	// refused has a bit for each API, in the order of rulebook.apis, that the
	// policy cannot allow whatever the arguments are.
	refused []byte
}

func newRulebook(list []*policies.Policy, apis []*sandboxpb.API) *rulebook {
	b := &rulebook{byName: make(map[string]*policies.Policy), apis: apis}
	for _, p := range policies.Presets() {
		b.byName[p.Name()] = p
	}
	for _, p := range list {
		b.byName[p.Name()] = p
	}
	return b
}

// ruling returns what holds for a chain: each policy can only narrow the one
// outside it. It returns nil, which allows nothing, when there is no tenant's
// policy or one of the names is not known.
func (b *rulebook) ruling(c chain) *ruling {
	if known, ok := b.rulings.Load(c); ok {
		return known.(*ruling)
	}
	policy := b.byName[c.tenant]
	if policy == nil {
		return nil
	}
	if c.tier != "" {
		outer := b.byName[c.tier]
		if outer == nil {
			return nil
		}
		policy = policies.Narrow(outer, policy)
	}
	if c.function != "" {
		inner := b.byName[c.function]
		if inner == nil {
			return nil
		}
		policy = policies.Narrow(policy, inner)
	}
	made, _ := b.rulings.LoadOrStore(c, newRuling(policy, b.apis))
	return made.(*ruling)
}

func newRuling(p *policies.Policy, apis []*sandboxpb.API) *ruling {
	r := &ruling{policy: p, refused: make([]byte, (len(apis)+7)/8)}
	for i, api := range apis {
		if !p.MayAllow(api.GetName()) {
			r.refused[i/8] |= 1 << (i % 8)
		}
	}
	return r
}

// ruling returns what holds for a function at this moment. A tenant or policy
// that is gone allows nothing.
func (s *Supervisor) ruling(tenant, policy string) *ruling {
	t, err := s.store.Tenant(tenant)
	if err != nil {
		return nil
	}
	return s.rules.Load().ruling(chain{s.tiers()[t.Tier].Policy, t.Policy, policy})
}

// ruling returns what the invocation's host calls are held against at this moment.
func (inv *invocation) ruling() *ruling {
	if inv.held != nil {
		return inv.held
	}
	return inv.s.ruling(inv.tenant, *inv.policy.Load())
}

// checkTierPolicies finds the tiers whose policy does not exist.
func (s *Supervisor) checkTierPolicies(tiers map[string]Tier) error {
	var problems []outcome.Problem
	known := s.rules.Load().byName
	for name, tier := range tiers {
		if tier.Policy != "" && known[tier.Policy] == nil {
			problems = append(problems, outcome.Problem{Field: "tiers." + name + ".policy", Reason: fmt.Sprintf("there is no policy %q; there are %s", tier.Policy, listed(known))})
		}
	}
	if len(problems) == 0 {
		return nil
	}
	return &outcome.Error{Outcome: outcome.Invalid, Detail: "a tier names a policy that does not exist", Problems: problems}
}

// Policy is a policy that tenants and functions may name.
type Policy struct {
	Name        string `json:"name"`
	Description string `json:"description,omitempty"`
}

// Policies returns the policies that can be named, by name: the presets, and
// those given by Options.Policies or SetPolicies.
func (s *Supervisor) Policies() []Policy {
	var list []Policy
	known := s.rules.Load().byName
	for _, name := range slices.Sorted(maps.Keys(known)) {
		list = append(list, Policy{name, known[name].Description()})
	}
	return list
}

// SetPolicies replaces Options.Policies. It holds from the next host call on,
// also for invocations that are running. The error's outcome is Invalid, and
// nothing has changed, when a tier, a tenant or a function names a policy that
// would be gone.
func (s *Supervisor) SetPolicies(_ context.Context, list []*policies.Policy) error {
	s.registry.Lock() // no tenant or deploy may slip in between the check and the change
	defer s.registry.Unlock()
	next := newRulebook(list, s.apiList)
	var problems []outcome.Problem
	need := func(name, format string, args ...any) {
		if name != "" && next.byName[name] == nil {
			problems = append(problems, outcome.Problem{Field: "policies", Reason: fmt.Sprintf("there would be no policy %q, which "+format, append([]any{name}, args...)...)})
		}
	}
	for name, tier := range s.tiers() {
		need(tier.Policy, "tier %s names", name)
	}
	for _, t := range s.store.Tenants() {
		need(t.Policy, "tenant %s names", t.Name)
		functions, err := s.store.Functions(t.Name)
		if err != nil {
			continue // the tenant has just gone
		}
		for _, f := range functions {
			for _, v := range f.Versions {
				if f.Named(v.Version) {
					need(v.Policy, "version %s of function %s/%s names", short(v.Version), t.Name, f.Function)
				}
			}
		}
	}
	if len(problems) > 0 {
		return &outcome.Error{Outcome: outcome.Invalid, Detail: "the policies cannot be replaced; the old ones hold", Problems: problems,
			Remedy: "keep the policies that are named, or give their users others first"}
	}
	s.rules.Store(next)
	s.log.Info("policies replaced", "policies", len(list))
	return nil
}
