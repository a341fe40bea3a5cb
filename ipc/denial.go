package ipc

import (
	"fmt"

	"github.com/bulkhead-run/bulkhead/ipc/sandboxpb"
)

// PermissionError is the name of the exception that a denied host call ends
// with, on whichever side of the connection it is made.
const PermissionError = "PermissionError"

// UnavailableError is the name of the exception for what may work when it is
// tried again later.
const UnavailableError = "UnavailableError"

// DenialMessage words a denial. The rule may be empty.
func DenialMessage(api, policy, rule string) string {
	if policy == "" {
		return api + " is denied: there is no policy"
	}
	if rule == "" {
		return fmt.Sprintf("%s is denied by policy %q", api, policy)
	}
	return fmt.Sprintf("%s is denied by policy %q (%s)", api, policy, rule)
}

// NewDenial makes the exception for an API that a policy denies whatever the
// arguments are.
func NewDenial(api, policy string) *sandboxpb.Exception {
	return NewException(PermissionError, DenialMessage(api, policy, ""), map[string]any{"api": api, "policy": policy})
}
