package gateway

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/bulkhead-run/bulkhead/internal/outcome"
	"github.com/bulkhead-run/bulkhead/supervisor"
)

// LinesType is the media type of a stream of JSON objects, one a line.
const LinesType = "application/x-ndjson"

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
	rc := http.NewResponseController(w)
	w.Header().Set("Content-Type", LinesType)
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(http.StatusOK)
	// The stream lasts; each line has the time that an answer has.
	deadline := func() { _ = rc.SetWriteDeadline(time.Now().Add(writeTimeout)) }
	deadline()
	_ = rc.SetReadDeadline(time.Time{})
	if err := rc.Flush(); err != nil {
		return
	}
	ctx, cancel := s.untilShutdown(r.Context())
	defer cancel()
	err := s.backend.FollowAudit(ctx, filter, func(line []byte) error {
		deadline()
		if _, err := w.Write(line); err != nil {
			return fmt.Errorf("the client has gone: %w", err)
		}
		return rc.Flush()
	})
	if err != nil {
		s.log.Debug("a follower of the audit log left", "error", err)
	}
}
