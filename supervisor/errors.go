package supervisor

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/bulkhead-run/bulkhead/internal/outcome"
	"github.com/bulkhead-run/bulkhead/internal/store"
)

// internal is a fault of Bulkhead's own, or of the machine.
func internal(tenant, function, detail string, err error) error {
	return &outcome.Error{Outcome: outcome.Internal, Tenant: tenant, Function: function, Detail: detail, Err: err}
}

func overloaded(tenant, function, detail string, after time.Duration) *outcome.Error {
	return &outcome.Error{Outcome: outcome.Overloaded, Tenant: tenant, Function: function, Detail: detail, RetryAfter: after}
}

// storeError is what a write to the registry ended with.
func storeError(tenant, function, detail string, err error) error {
	if errors.Is(err, store.ErrNotFound) {
		return &outcome.Error{Outcome: outcome.NotFound, Tenant: tenant, Function: function, Detail: "there is no such tenant", Remedy: createTenant(tenant), Err: err}
	}
	if store.Unwritable(err) {
		return &outcome.Error{Outcome: outcome.Overloaded, Tenant: tenant, Function: function, RetryAfter: unwritableRetry, Err: err,
			Detail: detail + ": the supervisor's disk is full or takes no writes; what is deployed still runs",
			Remedy: "the operator has to make room in the data directory; nothing has to be restarted"}
	}
	return internal(tenant, function, detail, err)
}

// unwritableRetry is when to try again what the disk did not take.
const unwritableRetry = 10 * time.Second

// contextError says that the caller has gone.
func contextError(tenant, function string, err error) error {
	return &outcome.Error{Outcome: outcome.Canceled, Tenant: tenant, Function: function, Detail: "the caller went away", Err: err}
}

// listed names the keys of a map, for error messages.
func listed[V any](m map[string]V) string {
	return strings.Join(slices.Sorted(maps.Keys(m)), ", ")
}

// formatBytes writes a size as people configure it: "5MiB".
func formatBytes(n int64) string {
	switch {
	case n >= 1<<20 && n%(1<<20) == 0:
		return fmt.Sprintf("%dMiB", n>>20)
	case n >= 1<<10 && n%(1<<10) == 0:
		return fmt.Sprintf("%dKiB", n>>10)
	}
	return fmt.Sprintf("%d bytes", n)
}

// deployFirst is the remedy for a function that does not exist.
func deployFirst(tenant, function string) string {
	if !validName(function) {
		return nameRule
	}
	return fmt.Sprintf("deploy it first: supervisor deploy %s/%s PATH; supervisor list %[1]s shows what there is", tenant, function)
}

// createTenant is the remedy for a tenant that does not exist: a command, if the
// name is one that a shell takes as it is.
func createTenant(name string) string {
	if !validName(name) {
		return nameRule
	}
	return "create it first: supervisor tenant put " + name
}
