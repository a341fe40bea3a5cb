package gateway

import (
	"context"

	"github.com/bulkhead-run/bulkhead/supervisor"
)

const policiesPath = "/v1/policies"

type policiesOutput struct {
	Body struct {
		Policies []supervisor.Policy `json:"policies"`
	}
}

func (s *Server) listPolicies(context.Context, *struct{}) (*policiesOutput, error) {
	out := &policiesOutput{}
	out.Body.Policies = s.backend.Policies()
	return out, nil
}
