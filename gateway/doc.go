// Package gateway is Bulkhead's HTTP interface: the admin API, described by an
// OpenAPI 3.1 document at /openapi.json, and the invocation of functions.
//
// It runs in the supervisor's process and does nothing itself: each request
// becomes one call of a [Backend]. It trusts nobody who connects. Every body
// and every wait is bounded, a name reaches the backend only as data, and a
// failure is told as RFC 9457 problem details made from an outcome.Error whose
// cause (Err) stays on this side.
//
// There is no authentication yet, so [Listen] refuses an address that other
// machines can reach, and a server on a loopback address answers only requests
// that were sent to a loopback name and that no foreign web page made.
package gateway
