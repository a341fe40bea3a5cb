package gateway

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/bulkhead-run/bulkhead/internal/outcome"
	"github.com/bulkhead-run/bulkhead/supervisor"
)

const auditPath = "/v1/audit"

var auditActions = []string{"allow", "deny", "audit", "kill", "quota"}

// followAudit streams the audit log from now on, until the client leaves or the
// server ends.
func (s *Server) followAudit(w http.ResponseWriter, r *http.Request) {
	var filter supervisor.AuditFilter
	into := map[string]*string{"tenant": &filter.Tenant, "function": &filter.Function, "api": &filter.API, "action": &filter.Action}
	var problems []outcome.Problem
	for name, values := range r.URL.Query() {
		field, known := into[name]
		switch {
		case !known:
			problems = append(problems, outcome.Problem{Field: name, Reason: "the audit log is chosen by tenant, function, api and action"})
		case len(values) > 1:
			problems = append(problems, outcome.Problem{Field: name, Reason: "is given more than once"})
		case name == "action" && !slices.Contains(auditActions, values[0]):
			problems = append(problems, outcome.Problem{Field: name, Reason: fmt.Sprintf("%q is none of %s", values[0], strings.Join(auditActions, ", "))})
		default:
			*field = values[0]
		}
	}
	if len(problems) > 0 {
		s.problemOf(&outcome.Error{Outcome: outcome.Invalid, Detail: "the query was refused", Problems: problems}, "", "").write(w)
		return
	}
	s.follow(w, r, func(ctx context.Context, l *lineStream) error {
		l.begin()
		return s.backend.FollowAudit(ctx, filter, l.line)
	})
}
