// Package audit keeps the record of what functions asked the platform for and
// what the policy said: one JSON object a line, in a file that is rotated by
// size, and live to whoever follows.
//
// It runs in the supervisor. It trusts nobody's strings: what a tenant chose is
// clipped before it gets here and encoded as plain JSON (package plainjson), so
// it can neither end a line nor act on a terminal that shows one. Writing never fails a host call. When the disk
// cannot keep up, host calls wait a little, and then entries are lost, counted,
// and the count is written as an entry of its own when there is room again.
// An entry reaches the file and the followers within some ten milliseconds.
package audit
