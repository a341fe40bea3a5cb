package gateway

import (
	"bytes"
	"net/http"
	"time"

	"github.com/bulkhead-run/bulkhead/internal/outcome"
	"github.com/bulkhead-run/bulkhead/supervisor"
)

// maxSettings bounds the body of a tenant's settings.
const maxSettings = 64 << 10

// tenant is a tenant as the API shows it.
type tenant struct {
	Name    string    `json:"name"`
	Policy  string    `json:"policy" doc:"A preset, or a policy of the configuration"`
	Tier    string    `json:"tier"`
	Created time.Time `json:"created"`
	Updated time.Time `json:"updated"`
}

// tenantSettings is what PUT takes.
type tenantSettings struct {
	Policy string `json:"policy,omitempty" doc:"A preset, or a policy of the configuration" default:"compute"`
	Tier   string `json:"tier,omitempty" default:"default"`
}

func tenantBody(t supervisor.Tenant) tenant {
	return tenant{Name: t.Name, Policy: t.Policy, Tier: t.Tier, Created: t.Created, Updated: t.Updated}
}

func (s *Server) putTenant(w http.ResponseWriter, r *http.Request) {
	name := r.PathValue("tenant")
	media, p := mediaType(r)
	if p != nil {
		p.write(w)
		return
	}
	body, p := readBody(w, r, "body", maxSettings)
	if p != nil {
		p.write(w)
		return
	}
	var settings tenantSettings
	if len(bytes.TrimSpace(body)) > 0 {
		if media != "application/json" {
			requestProblem(http.StatusUnsupportedMediaType, "a tenant's settings are taken as application/json",
				"set Content-Type: application/json, or send no body for the defaults").write(w)
			return
		}
		problems := decodeObject(body, map[string]field{
			"policy": stringField(&settings.Policy),
			"tier":   stringField(&settings.Tier),
		})
		if len(problems) > 0 {
			s.problemOf(&outcome.Error{
				Outcome: outcome.Invalid, Detail: "the settings were refused; nothing has changed", Problems: problems,
			}, name, "").write(w)
			return
		}
	}
	status := http.StatusOK
	if _, err := s.backend.Tenant(name); outcome.Of(err) == outcome.NotFound {
		status = http.StatusCreated
	}
	t, err := s.backend.PutTenant(r.Context(), supervisor.Tenant{Name: name, Policy: settings.Policy, Tier: settings.Tier})
	if err != nil {
		s.problemOf(err, name, "").write(w)
		return
	}
	writeJSON(w, status, "application/json", tenantBody(t))
}
