package supervisor

import (
	"context"
	"errors"
	"fmt"

	"github.com/bulkhead-run/bulkhead/internal/outcome"
)

// resolveTiers fills in what tiers leave out and checks them. The default tier
// is always there.
func resolveTiers(given map[string]Tier) (map[string]Tier, error) {
	var errs []error
	tiers := map[string]Tier{DefaultTier: defaultTier.withDefaults()}
	for name, tier := range given {
		tiers[name] = tier.withDefaults()
		errs = append(errs, tiers[name].validate(name))
	}
	return tiers, errors.Join(errs...)
}

// tiers are those of this moment. Nobody changes the map.
func (s *Supervisor) tiers() map[string]Tier { return *s.tierMap.Load() }

func (s *Supervisor) setTiers(tiers map[string]Tier) {
	quotas := false
	for _, tier := range tiers {
		quotas = quotas || tier.CPU > 0 && !s.o.kernelHas("cpu")
	}
	s.quotas.Store(quotas)
	s.tierMap.Store(&tiers)
}

// SetTiers replaces Options.Tiers. A tier's policy holds from the next host
// call on, its ceilings from the next deploy: functions that are deployed keep
// what they have. The error's outcome is Invalid, and nothing has changed, when
// a tier is wrong, names a policy that does not exist, or is gone and a tenant
// has it.
func (s *Supervisor) SetTiers(_ context.Context, given map[string]Tier) error {
	tiers, err := resolveTiers(given)
	if err != nil {
		return &outcome.Error{Outcome: outcome.Invalid, Detail: err.Error(), Err: err}
	}
	s.registry.Lock() // no tenant may slip in between the check and the change
	defer s.registry.Unlock()
	var problems []outcome.Problem
	for _, t := range s.store.Tenants() {
		if _, ok := tiers[t.Tier]; !ok {
			problems = append(problems, outcome.Problem{Field: "tiers", Reason: fmt.Sprintf("there would be no tier %q, which tenant %s has", t.Tier, t.Name)})
		}
	}
	if len(problems) > 0 {
		return &outcome.Error{Outcome: outcome.Invalid, Detail: "the tiers cannot be replaced; the old ones hold", Problems: problems,
			Remedy: "keep the tiers that tenants have, or give the tenants others first"}
	}
	if err := s.checkTierPolicies(tiers); err != nil {
		return err
	}
	s.setTiers(tiers)
	s.log.Info("tiers replaced", "tiers", len(tiers))
	return nil
}
