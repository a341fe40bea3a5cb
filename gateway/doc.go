// Package gateway is Bulkhead's HTTP interface: the admin API, described by an
// OpenAPI 3.1 document at /openapi.json, and the invocation of functions.
//
// It runs in the supervisor's process and does nothing itself: each request
// becomes one call of a [Backend]. It trusts nobody who connects. Every body
// and every wait is bounded, a name reaches the backend only as data, and a
// failure is told as RFC 9457 problem details made from an outcome.Error whose
// cause (Err) stays on this side.
//
// Every route says in access which scope it needs; a request shows it by a
// bearer token, or by coming over the admin socket ([ListenAdmin]). Until a
// token has been made, a loopback listener needs none, and then answers only
// requests that were sent to a loopback name and that no foreign web page made.
package gateway
