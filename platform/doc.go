// Package platform defines what a platform API is: a Go function that tenants'
// JavaScript can call, through the supervisor and under policy. Each folder
// below holds one API, or one way to add APIs without changing Bulkhead:
// endpoint and plugins. Typed makes an API of a Go function.
//
// It runs in the supervisor, so an implementation treats every argument as
// hostile: it bounds what it reads, what it holds and what it returns, and it
// stops when its context ends.
package platform
