package supervisor

import (
	"fmt"

	"github.com/bulkhead-run/bulkhead/internal/outcome"
	"github.com/bulkhead-run/bulkhead/policies"
)

// Explain says what would be decided about a host call of a tenant, and by
// which rule, as the policies are at this moment: those of its tier, its own,
// and, unless it is empty, the one that a function names. The error's outcome
// is NotFound when there is no such tenant, Invalid when there is no such
// policy.
func (s *Supervisor) Explain(tenant, policy, api string, a policies.Attributes) (policies.Explanation, error) {
	if _, err := s.Tenant(tenant); err != nil {
		return policies.Explanation{}, err
	}
	known := s.rules.Load().byName
	if policy != "" && known[policy] == nil {
		return policies.Explanation{}, &outcome.Error{Outcome: outcome.Invalid, Tenant: tenant, Detail: "the call cannot be explained",
			Problems: []outcome.Problem{{Field: "policy", Reason: fmt.Sprintf("there is no policy %q; there are %s", policy, listed(known))}}}
	}
	a.Tenant = tenant
	var held *policies.Policy // nil allows nothing
	if r := s.ruling(tenant, policy); r != nil {
		held = r.policy
	}
	return held.Explain(api, a), nil
}
