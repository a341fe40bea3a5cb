// Package outcome is the closed list of the ways in which a request to
// Bulkhead can end, and the one table that says how each is shown: its name
// (the metric label and the word in logs), its gRPC code, its HTTP status and
// problem type, its CLI exit code, and whether trying again can help.
//
// No other package maps errors to codes. Both processes import it; it imports
// nothing of ours.
package outcome

import (
	"net/http"
	"slices"

	"google.golang.org/grpc/codes"
)

// Outcome says how an invocation, or a request about one, ended.
type Outcome uint8

// The outcomes. Their numbers are part of the protocol between the processes:
// append, never reorder.
const (
	// Internal is a fault of Bulkhead itself. It is the zero value, so that
	// an outcome nobody set is never taken for success.
	Internal Outcome = iota
	// OK means that the function returned a value.
	OK
	// Exception means that the function threw, or rejected its promise.
	Exception
	// Deadline means that the function ran past its timeout (wall time).
	Deadline
	// Memory means that the function ran out of its memory limit.
	Memory
	// Output means that the function's result was larger than the limit.
	Output
	// Policy means that the function made a host call that its tenant's
	// policy denies, and did not catch the PermissionError.
	Policy
	// Canceled means that the caller went away before the end.
	Canceled
	// Crashed means that the sandbox process died during the invocation.
	Crashed
	// Overloaded means that there was no room to run it, that it did not catch
	// the UnavailableError of a host call for which there was none, or that the
	// supervisor is draining.
	Overloaded
	// NotFound means that there is no such tenant or function.
	NotFound
	// Invalid means that the request, the code or a setting is wrong.
	Invalid
	// TooLarge means that the request's body is over its limit.
	TooLarge
	// CPU means that the function used up its limit of CPU time.
	CPU
	// Unauthenticated means that the request names no token, or one that does
	// not hold.
	Unauthenticated
	// Forbidden means that the request's token lacks the scope for it.
	Forbidden
	// Limited means that the caller sent more than its rate, or its number at
	// once, allows.
	Limited

	count
)

type row struct {
	name      string
	code      codes.Code
	status    int
	problem   string
	exit      int
	retryable bool
	title     string
}

var table = [count]row{
	Internal:   {"internal", codes.Internal, http.StatusInternalServerError, "internal", 6, false, "Internal error"},
	OK:         {"ok", codes.OK, http.StatusOK, "", 0, false, ""},
	Exception:  {"exception", codes.Unknown, http.StatusInternalServerError, "function-error", 1, false, "The function threw"},
	Deadline:   {"deadline", codes.DeadlineExceeded, http.StatusGatewayTimeout, "timeout", 3, false, "The function ran past its timeout"},
	Memory:     {"memory", codes.ResourceExhausted, http.StatusInsufficientStorage, "memory", 4, false, "The function ran out of memory"},
	Output:     {"output", codes.OutOfRange, http.StatusBadGateway, "output", 1, false, "The function's result is too large"},
	Policy:     {"policy", codes.PermissionDenied, http.StatusForbidden, "denied", 5, false, "The policy denies a host call"},
	Canceled:   {"canceled", codes.Canceled, 499, "canceled", 6, false, "The caller went away"},
	Crashed:    {"crashed", codes.Aborted, http.StatusBadGateway, "sandbox-crashed", 6, true, "The sandbox process died"},
	Overloaded: {"overloaded", codes.Unavailable, http.StatusServiceUnavailable, "overloaded", 6, true, "No room to run the function"},
	NotFound:   {"not_found", codes.NotFound, http.StatusNotFound, "not-found", 2, false, "Not found"},
	Invalid:    {"invalid", codes.InvalidArgument, http.StatusBadRequest, "invalid", 2, false, "Invalid request"},
	TooLarge:   {"too_large", codes.FailedPrecondition, http.StatusRequestEntityTooLarge, "too-large", 2, false, "The request is too large"},
	CPU:        {"cpu", codes.ResourceExhausted, http.StatusGatewayTimeout, "cpu-limit", 3, false, "The function used up its CPU time"},

	Unauthenticated: {"unauthenticated", codes.Unauthenticated, http.StatusUnauthorized, "unauthenticated", 5, false, "Authentication is required"},
	Forbidden:       {"forbidden", codes.PermissionDenied, http.StatusForbidden, "forbidden", 5, false, "The token does not allow this"},
	Limited:         {"limited", codes.ResourceExhausted, http.StatusTooManyRequests, "limited", 6, true, "Too many requests"},
}

func (o Outcome) row() row {
	if o >= count {
		return table[Internal]
	}
	return table[o]
}

// String returns the outcome's name, as used in metrics and logs.
func (o Outcome) String() string { return o.row().name }

// Code returns the gRPC status code.
func (o Outcome) Code() codes.Code { return o.row().code }

// HTTPStatus returns the HTTP status code. 499 (Canceled) is nobody's
// standard; it is only ever seen in logs, since the client is gone.
func (o Outcome) HTTPStatus() int { return o.row().status }

// Problem returns the last part of the RFC 9457 problem type, or "" for OK.
func (o Outcome) Problem() string { return o.row().problem }

// Title returns the RFC 9457 problem title, or "" for OK.
func (o Outcome) Title() string { return o.row().title }

// ExitCode returns the exit code of the command line tools.
func (o Outcome) ExitCode() int { return o.row().exit }

// Retryable reports whether the same request may succeed when sent again.
func (o Outcome) Retryable() bool { return o.row().retryable }

// Known reports whether o is in the list: a number read from a sandbox may
// not be.
func (o Outcome) Known() bool { return o < count }

// All returns every outcome, in order.
func All() []Outcome {
	all := make([]Outcome, count)
	for i := range all {
		all[i] = Outcome(i)
	}
	return all
}

// ParseProblem returns the outcome whose problem type ends in name.
func ParseProblem(name string) (Outcome, bool) {
	i := slices.IndexFunc(table[:], func(r row) bool { return r.problem == name && name != "" })
	if i < 0 {
		return Internal, false
	}
	return Outcome(i), true
}
