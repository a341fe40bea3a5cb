package gateway

import (
	"context"
	"maps"
	"slices"
)

const policiesPath = "/v1/policies"

// policyInfo is a policy as the API lists it.
type policyInfo struct {
	Name        string `json:"name"`
	Description string `json:"description,omitempty"`
}

type policiesOutput struct {
	Body struct {
		Policies []policyInfo `json:"policies"`
	}
}

func (s *Server) listPolicies(context.Context, *struct{}) (*policiesOutput, error) {
	out := &policiesOutput{}
	out.Body.Policies = []policyInfo{}
	known := s.backend.Policies()
	for _, name := range slices.Sorted(maps.Keys(known)) {
		out.Body.Policies = append(out.Body.Policies, policyInfo{name, known[name].Description()})
	}
	return out, nil
}
