package gateway

import (
	"context"
	"encoding/json"
	"net/http"

	"github.com/bulkhead-run/bulkhead/supervisor"
	"github.com/bulkhead-run/bulkhead/value"
)

const runPath = tenantPath + "/run"

// runBody documents the body of a run.
type runBody struct {
	Code      string          `json:"code"`
	SourceMap json.RawMessage `json:"source_map,omitempty" doc:"The code's source map, an object of version 3 and at most 4 MiB"`
	Event     any             `json:"event,omitempty" doc:"Any JSON value. Default null"`
	Memory    json.RawMessage `json:"memory,omitempty" doc:"Like \"5MiB\", or a number of bytes"`
	Timeout   string          `json:"timeout,omitempty" example:"5s"`
	CPU       string          `json:"cpu,omitempty" example:"50ms" doc:"CPU time"`
	Policy    string          `json:"policy,omitempty" doc:"Holds beside the tenant's: what either denies is denied"`
}

// run runs code once, and tells what happens as it happens.
func (s *Server) run(w http.ResponseWriter, r *http.Request) {
	spec := supervisor.FunctionSpec{Tenant: r.PathValue("tenant")}
	leave, p := s.admit(w, callerOf(r.Context()).token, spec.Tenant, "")
	if p != nil {
		p.write(w)
		return
	}
	defer leave()
	event := json.RawMessage("null")
	if !s.readMembers(w, r, 2*s.options.MaxCode+supervisor.MaxSourceMap+s.options.MaxEvent+deploySlack, "nothing was run", map[string]field{
		"code": stringField(&spec.Code), "source_map": objectField(&spec.SourceMap),
		"event":  func(raw json.RawMessage) error { event = raw; return nil },
		"memory": sizeField(&spec.Memory), "timeout": durationField(&spec.Timeout), "cpu": durationField(&spec.CPU),
		"policy": stringField(&spec.Policy),
	}) {
		return
	}
	if int64(len(spec.Code)) > s.options.MaxCode {
		requestProblem(http.StatusRequestEntityTooLarge, "the code is larger than "+FormatSize(s.options.MaxCode), "send less").write(w)
		return
	}

	s.tellRun(w, r, spec.Tenant, spec.Function, func(ctx context.Context, watch supervisor.Watch) (supervisor.Result, error) {
		return s.backend.Try(ctx, spec, value.Wire(event), watch)
	})
}
