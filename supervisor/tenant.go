package supervisor

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"time"

	"github.com/bulkhead-run/bulkhead/internal/outcome"
	"github.com/bulkhead-run/bulkhead/internal/store"
)

// Tenant is one tenant's settings.
type Tenant struct {
	// Name is 1 to 63 of a-z, 0-9 and -, and does not start with -.
	Name string `json:"name"`
	// Policy names a preset or one of Options.Policies. Default "compute".
	Policy string `json:"policy"`
	// Tier names one of Options.Tiers. Default "default".
	Tier string `json:"tier"`
	// Created and Updated are set by the supervisor.
	Created time.Time `json:"created"`
	Updated time.Time `json:"updated"`
}

const nameRule = "a name is 1 to 63 of a-z, 0-9 and -, and does not start with -"

var namePattern = regexp.MustCompile(`^[a-z0-9][a-z0-9-]{0,62}$`)

func validName(s string) bool { return namePattern.MatchString(s) }

// PutTenant creates a tenant, or changes its policy and tier. A new policy
// holds from the next host call on, also for invocations that are running.
func (s *Supervisor) PutTenant(ctx context.Context, t Tenant) (Tenant, error) {
	t.Policy = orDefault(t.Policy, DefaultPolicy)
	t.Tier = orDefault(t.Tier, DefaultTier)
	var problems []outcome.Problem
	if !validName(t.Name) {
		problems = append(problems, outcome.Problem{Field: "name", Reason: nameRule})
	}
	if known := s.rules.Load().byName; known[t.Policy] == nil {
		problems = append(problems, outcome.Problem{Field: "policy", Reason: fmt.Sprintf("there is no policy %q; there are %s", t.Policy, listed(known))})
	}
	tier, ok := s.tiers()[t.Tier]
	if !ok {
		problems = append(problems, outcome.Problem{Field: "tier", Reason: fmt.Sprintf("there is no tier %q; there are %s", t.Tier, listed(s.tiers()))})
	}
	if len(problems) > 0 {
		return Tenant{}, &outcome.Error{Outcome: outcome.Invalid, Tenant: t.Name, Detail: "the tenant's settings are wrong", Problems: problems}
	}

	done, err := s.enter()
	if err != nil {
		return Tenant{}, err
	}
	defer done()
	s.registry.Lock() // no deploy may slip in between the check and the change
	defer s.registry.Unlock()
	functions, err := s.store.Functions(t.Name)
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return Tenant{}, s.lookupError(t.Name, "", err)
	}
	for _, f := range functions {
		for _, v := range f.Versions {
			if f.Named(v.Version) {
				problems = append(problems, overTier(v, tier)...)
			}
		}
	}
	if len(problems) > 0 {
		return Tenant{}, &outcome.Error{Outcome: outcome.Invalid, Tenant: t.Name,
			Detail: fmt.Sprintf("the tenant has functions that tier %q does not allow", t.Tier), Problems: problems,
			Remedy: "deploy them with lower limits first, delete the aliases of versions that are over it, or choose another tier"}
	}
	stored, err := s.store.PutTenant(ctx, store.Tenant(t))
	if err != nil {
		return Tenant{}, storeError(t.Name, "", "the tenant could not be stored", err)
	}
	if r := s.pool.residentOf(t.Name); r != nil {
		if err := r.limit(tier); err != nil && !r.dead() {
			s.log.Warn("a sandbox process could not be given its tenant's new limits", "tenant", t.Name, "error", err)
		}
	}
	return Tenant(stored), nil
}

// overTier finds where a version is over a tier.
func overTier(f *store.Version, tier Tier) []outcome.Problem {
	var problems []outcome.Problem
	add := func(what string, has, most any) {
		problems = append(problems, outcome.Problem{Field: "tier", Reason: fmt.Sprintf("version %s of function %s has %s %v, the tier's most is %v", short(f.Version), f.Function, what, has, most)})
	}
	if f.Memory > tier.MaxMemory {
		add("memory", formatBytes(f.Memory), formatBytes(tier.MaxMemory))
	}
	if f.Timeout > tier.MaxTimeout {
		add("timeout", f.Timeout, tier.MaxTimeout)
	}
	switch {
	case tier.MaxCPU > 0 && f.CPU == 0:
		problems = append(problems, outcome.Problem{Field: "tier", Reason: fmt.Sprintf("version %s of function %s has no limit of CPU time, the tier's most is %v", short(f.Version), f.Function, tier.MaxCPU)})
	case tier.MaxCPU > 0 && f.CPU > tier.MaxCPU:
		add("cpu", f.CPU, tier.MaxCPU)
	}
	if f.Concurrency > tier.MaxConcurrency {
		add("concurrency", f.Concurrency, tier.MaxConcurrency)
	}
	if f.Public && tier.NoPublic {
		problems = append(problems, outcome.Problem{Field: "tier", Reason: fmt.Sprintf("version %s of function %s is public, which the tier does not allow", short(f.Version), f.Function)})
	}
	return problems
}

// Tenants returns all tenants, by name.
func (s *Supervisor) Tenants() []Tenant {
	stored := s.store.Tenants()
	tenants := make([]Tenant, len(stored))
	for i, t := range stored {
		tenants[i] = Tenant(t)
	}
	return tenants
}

// Tenant returns one tenant. The error's outcome is NotFound when there is no
// such tenant.
func (s *Supervisor) Tenant(name string) (Tenant, error) {
	t, err := s.store.Tenant(name)
	if err != nil {
		return Tenant{}, s.lookupError(name, "", err)
	}
	return Tenant(t), nil
}

// Limits are what a tenant's tier allows its callers: see Tier.
type Limits struct {
	Rate        float64
	Burst       int
	MaxInflight int
}

// Limits returns the limits of a tenant's callers, which whoever serves them
// holds them to. The error's outcome is NotFound when there is no such tenant.
func (s *Supervisor) Limits(tenant string) (Limits, error) {
	t, err := s.store.Tenant(tenant)
	if err != nil {
		return Limits{}, s.lookupError(tenant, "", err)
	}
	tier := s.tier(t.Tier)
	return Limits{tier.Rate, tier.Burst, tier.MaxInflight}, nil
}

// tier returns a tier; "default" in place of one that is not configured any
// more.
func (s *Supervisor) tier(name string) Tier {
	if tier, ok := s.tiers()[name]; ok {
		return tier
	}
	return s.tiers()[DefaultTier]
}

// lookupError says that there is no such tenant or function.
func (s *Supervisor) lookupError(tenant, function string, err error) error {
	if !errors.Is(err, store.ErrNotFound) {
		return internal(tenant, function, "the registry could not be read", err)
	}
	e := &outcome.Error{Outcome: outcome.NotFound, Tenant: tenant, Function: function, Err: err}
	if _, terr := s.store.Tenant(tenant); terr != nil {
		e.Detail, e.Remedy = "there is no such tenant", createTenant(tenant)
	} else {
		e.Detail, e.Remedy = "the tenant has no such function", deployFirst(tenant, function)
	}
	return e
}
