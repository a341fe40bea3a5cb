package gateway

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"

	"github.com/danielgtaylor/huma/v2"

	"github.com/bulkhead-run/bulkhead/internal/outcome"
	"github.com/bulkhead-run/bulkhead/policies"
	"github.com/bulkhead-run/bulkhead/supervisor"
)

const (
	policiesPath = "/v1/policies"
	explainPath  = tenantPath + "/explain"
	// maxAttribute bounds how many values one attribute may have.
	maxAttribute = 100
)

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

// explainBody is what explain takes.
type explainBody struct {
	API        string                     `json:"api" example:"fetch"`
	Policy     string                     `json:"policy,omitempty" doc:"A function's, which holds beside those of the tenant and its tier"`
	Attributes map[string]json.RawMessage `json:"attributes,omitempty" doc:"What rules look at, as in the audit log: host, port, method, path, key, tables, ...; or url"`
}

// attributesField takes what the audit log has, and text in place of it.
func attributesField(into *policies.Attributes) field {
	return func(raw json.RawMessage) error {
		var given map[string]json.RawMessage
		if json.Unmarshal(raw, &given) != nil {
			return errors.New(`must be an object: {"host": "api.example.com", "port": 443}`)
		}
		for _, name := range slices.Sorted(maps.Keys(given)) {
			var list []json.RawMessage
			if json.Unmarshal(given[name], &list) != nil {
				list = []json.RawMessage{given[name]}
			}
			if len(list) > maxAttribute {
				return fmt.Errorf("%s has more than %d values", shown(name), maxAttribute)
			}
			for _, one := range list {
				var text string
				if json.Unmarshal(one, &text) != nil {
					text = string(one) // a number, true or false
				}
				set := func() error { return into.Set(name, text) }
				if name == "url" {
					set = func() error { return into.SetURL(text) }
				}
				if err := set(); err != nil {
					return err
				}
			}
		}
		return nil
	}
}

func (s *Server) explain(w http.ResponseWriter, r *http.Request) {
	tenant, policy, api := r.PathValue("tenant"), "", ""
	var a policies.Attributes
	if !s.readMembers(w, r, maxSettings, "the call cannot be explained", map[string]field{
		"api": func(raw json.RawMessage) error {
			if json.Unmarshal(raw, &api) != nil || api == "" {
				return errors.New(`must name a platform API: "fetch", "kv.get"`)
			}
			return nil
		},
		"policy": stringField(&policy), "attributes": attributesField(&a),
	}) {
		return
	}
	if api == "" {
		s.problemOf(&outcome.Error{Outcome: outcome.Invalid, Detail: "the call cannot be explained",
			Problems: []outcome.Problem{{Field: "api", Reason: `is missing: a platform API, like "kv.get"`}}}, tenant, "").write(w)
		return
	}
	e, err := s.backend.Explain(tenant, policy, api, a)
	if err != nil {
		s.problemOf(err, tenant, "").write(w)
		return
	}
	writeJSON(w, http.StatusOK, "application/json", e)
}

func describeExplain(doc *huma.OpenAPI) {
	adder(doc)("explain", http.MethodPost, explainPath, "Tell which rule decides about a host call of a tenant, and why", explainBody{}, policies.Explanation{})
}
