// Package value is what JavaScript values are outside JavaScript: in Go, as
// JSON, as CBOR, and on the wire between the processes. docs/values.md has the
// table.
//
// A [Wire] is plain JSON whenever JSON loses nothing of a value. Anything else
// is a NUL byte and a JSON array that lists the value's objects flat, so that
// cycles, shared references and depth need no special care: reading it takes
// no recursion. No bytes at all are undefined.
//
// The package runs in the supervisor and in whatever uses it as a library,
// never in a sandbox process, and trusts no byte: every reader here is bounded
// in size, number and depth. It does no I/O and imports nothing of ours.
package value
