package supervisor

import (
	"context"

	"github.com/bulkhead-run/bulkhead/internal/audit"
)

// AuditFilter chooses entries of the audit log: those of one tenant, function,
// API or action ("allow", "deny", "audit", "kill" or "quota"). An empty field
// chooses all.
type AuditFilter struct{ Tenant, Function, API, Action string }

// FollowAudit calls line with every entry of the audit log that f chooses and
// that is recorded from now on: a JSON object with a newline behind it. It
// returns nil when ctx or the supervisor ends, and line's error when it has
// one. A line that is slow loses entries; one with the member lost says how
// many.
func (s *Supervisor) FollowAudit(ctx context.Context, f AuditFilter, line func([]byte) error) error {
	return s.audit.Follow(ctx, audit.Filter(f), line)
}
