package remote

import (
	"context"
	"encoding/json"
	"errors"
	"regexp"
	"strings"

	"github.com/bulkhead-run/bulkhead/platform"
)

const (
	// UnavailableError is the name of the exception for what may work when it
	// is tried again.
	UnavailableError = "UnavailableError"

	maxMessage    = 4 << 10
	maxProperties = 8 << 10
)

// Unavailable is a failure that may pass: the exception's retryable is true.
func Unavailable(api, why string, cause error) error {
	return &platform.Error{
		Name: UnavailableError, Message: api + " is not available at the moment: " + why,
		Properties: map[string]any{"retryable": true}, Err: cause,
	}
}

// Timeout is the failure of a call whose own time is over.
func Timeout(api string, cause error) error {
	return &platform.Error{Name: "TimeoutError", Message: api + " did not answer in time", Err: cause}
}

// Ended words the end of a call's context: the invocation is over, or the time
// that the API gives to one call.
func Ended(ctx, call context.Context, api string) error {
	if err := ctx.Err(); err != nil && !errors.Is(err, context.DeadlineExceeded) {
		return &platform.Error{Name: "AbortError", Message: api + " was aborted", Err: err}
	}
	return Timeout(api, context.Cause(call))
}

var exceptionName = regexp.MustCompile(`^[A-Z][A-Za-z0-9]{0,63}$`)

// Exception is what the other side wants JavaScript to catch. A name that is
// none becomes Error; properties must be a JSON object.
func Exception(name, message string, properties json.RawMessage) *platform.Error {
	if !exceptionName.MatchString(name) {
		name = "Error"
	}
	if len(message) > maxMessage {
		message = message[:maxMessage]
	}
	e := &platform.Error{Name: name, Message: strings.ToValidUTF8(message, "\uFFFD")}
	if len(properties) > 0 && len(properties) <= maxProperties {
		_ = json.Unmarshal(properties, &e.Properties) // none, if it is no object
	}
	return e
}
