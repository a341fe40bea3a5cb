package gateway

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"reflect"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"github.com/bulkhead-run/bulkhead/internal/outcome"
	"github.com/bulkhead-run/bulkhead/internal/plainjson"
)

const (
	tenantsPath   = "/v1/tenants"
	tenantPath    = tenantsPath + "/{tenant}"
	functionsPath = tenantPath + "/functions"
	functionPath  = functionsPath + "/{function}"
	invokePath    = functionPath + "/invoke"
)

// routes makes the mux. What only answers is typed, and huma describes it;
// what reads a body is a plain handler, described in openapi.go.
func (s *Server) routes() (*router, error) {
	mux := &router{ServeMux: http.NewServeMux(), s: s}
	api := humago.New(mux, huma.Config{
		OpenAPI: &huma.OpenAPI{
			OpenAPI: "3.1.0",
			Info: &huma.Info{
				Title: "Bulkhead", Version: s.options.Version,
				Description: "Deploy JavaScript functions and invoke them, each tenant's in a sandbox process of its own.",
			},
			Components: &huma.Components{Schemas: huma.NewMapRegistry("#/components/schemas/", schemaName)},
		},
		Formats:       map[string]huma.Format{"application/json": plainFormat, "json": plainFormat},
		DefaultFormat: "application/json",
	})

	huma.Register(api, operation("list-tenants", http.MethodGet, tenantsPath, "List the tenants"), s.listTenants)
	huma.Register(api, operation("get-tenant", http.MethodGet, tenantPath, "Show a tenant"), s.getTenant)
	huma.Register(api, operation("delete-tenant", http.MethodDelete, tenantPath, "Delete a tenant with its functions and all their data"), s.deleteTenant)
	huma.Register(api, operation("list-functions", http.MethodGet, functionsPath, "List a tenant's functions"), s.listFunctions)
	huma.Register(api, operation("get-function", http.MethodGet, functionPath, "Show a function"), s.getFunction)
	huma.Register(api, operation("delete-function", http.MethodDelete, functionPath, "Delete a function"), s.deleteFunction)
	huma.Register(api, operation("list-policies", http.MethodGet, policiesPath, "List the policies that can be named"), s.listPolicies)
	huma.Register(api, operation("get-stats", http.MethodGet, statsPath, "Show what tenants do at the moment"), s.getStats)
	huma.Register(api, operation("list-sandboxes", http.MethodGet, sandboxesPath, "List the sandbox processes"), s.listSandboxes)
	huma.Register(api, operation("get-usage", http.MethodGet, usagePath, "Show what functions used"), s.getUsage)
	s.routeRecordings(mux, api)
	huma.Register(api, operation("healthz", http.MethodGet, "/healthz", "Whether the supervisor is alive"), s.healthz)
	huma.Register(api, operation("readyz", http.MethodGet, "/readyz", "Whether the supervisor takes invocations"), s.readyz)

	mux.HandleFunc("PUT "+tenantPath, s.putTenant)
	mux.HandleFunc("PUT "+functionPath, s.deploy)
	mux.HandleFunc("POST "+invokePath, s.invoke)
	mux.HandleFunc("POST "+runPath, s.run)
	mux.HandleFunc("POST "+explainPath, s.explain)
	describeExplain(api.OpenAPI())
	mux.HandleFunc("POST "+watchPath, s.watch)
	mux.HandleFunc("GET "+selfPath, s.showSelf)
	routeConsole(mux)
	mux.HandleFunc("GET "+auditPath, s.followAudit)
	mux.HandleFunc("GET "+logsPath, s.logs)
	metrics, err := s.metrics()
	if err != nil {
		return nil, err
	}
	mux.Handle("GET /metrics", metrics)
	mux.Handle("GET "+profilesPath, profiles())
	if s.options.Settings != nil {
		s.routeSettings(mux)
		s.describeSettings(api.OpenAPI())
	}
	s.routeVersions(mux)
	describeVersions(api.OpenAPI())
	if s.options.Tokens != nil {
		mux.HandleFunc("GET "+tokensPath, s.listTokens)
		mux.HandleFunc("POST "+tokensPath, s.createToken)
		mux.HandleFunc("DELETE "+tokenPath, s.revokeToken)
		describeTokens(api.OpenAPI())
	}
	describeRecordings(api.OpenAPI())
	s.describe(api.OpenAPI())
	describeAccess(api.OpenAPI())

	document, err := json.Marshal(api.OpenAPI())
	if err != nil {
		return nil, fmt.Errorf("OpenAPI document: %w", err)
	}
	mux.HandleFunc("GET /openapi.json", func(w http.ResponseWriter, _ *http.Request) {
		writeBody(w, http.StatusOK, "application/openapi+json", document)
	})
	return mux, mux.err
}

// plainFormat writes JSON that cannot act on the terminal of whoever asked: a
// problem repeats the names in the request.
var plainFormat = huma.Format{
	Marshal: func(w io.Writer, v any) error {
		return huma.DefaultJSONFormat.Marshal(plainjson.NewWriter(w), v)
	},
	Unmarshal: huma.DefaultJSONFormat.Unmarshal,
}

func operation(id, method, path, summary string) huma.Operation {
	return huma.Operation{OperationID: id, Method: method, Path: path, Summary: summary}
}

func schemaName(t reflect.Type, hint string) string {
	if t == reflect.TypeFor[outcome.Problem]() {
		return "Fault"
	}
	return huma.DefaultSchemaNamer(t, hint)
}

type tenantInput struct {
	Tenant string `path:"tenant" doc:"Lower-case letters, digits and dashes; at most 63" example:"acme"`
}

type functionInput struct {
	Tenant   string `path:"tenant" doc:"Lower-case letters, digits and dashes; at most 63" example:"acme"`
	Function string `path:"function" doc:"Lower-case letters, digits and dashes; at most 63" example:"resize"`
}

type (
	tenantOutput  struct{ Body tenant }
	tenantsOutput struct {
		Body struct {
			Tenants []tenant `json:"tenants"`
		}
	}
	functionOutput  struct{ Body function }
	functionsOutput struct {
		Body struct {
			Functions []function `json:"functions"`
		}
	}
	statusOutput struct {
		Body struct {
			Status string `json:"status" enum:"ok"`
		}
	}
	readyOutput struct {
		Body struct {
			Status string `json:"status" enum:"ready"`
			// Degraded is left out when every layer is active.
			Degraded []degradedLayer `json:"degraded,omitempty" doc:"The layers of the sandboxes' lock-down that are not active"`
		}
	}
	degradedLayer struct {
		Layer  string `json:"layer" doc:"The layer's name" example:"landlock"`
		Mode   string `json:"mode" enum:"preferred,off" doc:"off: by configuration; preferred: this machine does not have it"`
		Reason string `json:"reason" doc:"Why it is not active"`
	}
)

func (s *Server) listTenants(context.Context, *struct{}) (*tenantsOutput, error) {
	out := &tenantsOutput{}
	out.Body.Tenants = []tenant{}
	for _, t := range s.backend.Tenants() {
		out.Body.Tenants = append(out.Body.Tenants, tenantBody(t))
	}
	return out, nil
}

func (s *Server) getTenant(_ context.Context, in *tenantInput) (*tenantOutput, error) {
	t, err := s.backend.Tenant(in.Tenant)
	if err != nil {
		return nil, s.problemOf(err, in.Tenant, "")
	}
	return &tenantOutput{tenantBody(t)}, nil
}

func (s *Server) deleteTenant(ctx context.Context, in *tenantInput) (*struct{}, error) {
	if err := s.backend.DeleteTenant(ctx, in.Tenant); err != nil {
		return nil, s.problemOf(err, in.Tenant, "")
	}
	s.forgetTenant(in.Tenant)
	return nil, nil
}

func (s *Server) listFunctions(_ context.Context, in *tenantInput) (*functionsOutput, error) {
	functions, err := s.backend.Functions(in.Tenant)
	if err != nil {
		return nil, s.problemOf(err, in.Tenant, "")
	}
	out := &functionsOutput{}
	out.Body.Functions = []function{}
	for _, f := range functions {
		out.Body.Functions = append(out.Body.Functions, functionBody(f))
	}
	return out, nil
}

func (s *Server) getFunction(_ context.Context, in *functionInput) (*functionOutput, error) {
	f, err := s.backend.Function(in.Tenant, in.Function)
	if err != nil {
		return nil, s.problemOf(err, in.Tenant, in.Function)
	}
	return &functionOutput{functionBody(f)}, nil
}

func (s *Server) deleteFunction(ctx context.Context, in *functionInput) (*struct{}, error) {
	if err := s.backend.DeleteFunction(ctx, in.Tenant, in.Function); err != nil {
		return nil, s.problemOf(err, in.Tenant, in.Function)
	}
	return nil, nil
}

func (s *Server) healthz(context.Context, *struct{}) (*statusOutput, error) {
	out := &statusOutput{}
	out.Body.Status = "ok"
	return out, nil
}

func (s *Server) readyz(context.Context, *struct{}) (*readyOutput, error) {
	if err := s.backend.Ready(); err != nil {
		s.log.Debug("not ready", slog.Any("error", err))
		e := &outcome.Error{Outcome: outcome.Overloaded, Detail: "not ready"}
		return nil, s.problemOf(e, "", "")
	}
	out := &readyOutput{}
	out.Body.Status = "ready"
	for _, l := range s.backend.Layers() {
		if !l.Active {
			out.Body.Degraded = append(out.Body.Degraded, degradedLayer{Layer: l.Name, Mode: string(l.Mode), Reason: l.Detail})
		}
	}
	return out, nil
}
