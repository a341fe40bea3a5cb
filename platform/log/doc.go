// Package log is the platform API log: a function's way to write a line to
// its invocation's log.
//
// It runs in the supervisor. It holds nothing between calls, and it cuts every
// line at a bound, so that what a tenant logs costs no more than its size.
package log
