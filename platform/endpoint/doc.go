// Package endpoint makes a platform API of an HTTP endpoint that the operator
// runs: each call is one request to a fixed URL.
//
// The request's body is {"tenant", "function", "invocation", "args"} as JSON;
// args is the array of arguments. The header Bulkhead-Deadline is the instant,
// in RFC 3339, at which nobody waits for the answer any more.
//
// The answer of 200 to 299 holds the result as JSON, or nothing for undefined.
// A status of 400 to 499 with {"error": {"name", "message", "properties"}} throws
// that in JavaScript. 408, 429, a status of 500 and above, and an endpoint that
// cannot be reached are an UnavailableError whose retryable is true; 429 and 503
// may say in Retry-After for how many seconds. Everything else is a failure of
// the endpoint: it goes to the log, and JavaScript learns only that it failed.
//
// It runs in the supervisor. It trusts the operator with the URL, which may
// be a private address, and with what the endpoint answers only as far as its
// size, form and schema. It follows no redirect, uses no proxy, and tells a
// tenant neither the URL nor a header.
package endpoint
