// Package store is the registry: which tenants there are, which functions they
// have deployed, and the code of each. It is kept in JetStream, run by an
// embedded NATS server that opens no port, below one data directory. It runs
// in the supervisor.
//
// A tenant and a function are one record each in a key-value bucket. Code lies
// in an object store under its tenant and its SHA-256, written before the
// record that names it; replacing that record is the one step that makes a
// deploy take effect, so a crash at any moment leaves the old function or the
// new one. Every acknowledged write has been flushed to disk.
//
// Beside the buckets lies a journal: each acknowledged record once more, one
// checksummed line each. Open compares the two. Records that JetStream has lost
// (it cuts a damaged file off without a word) are written anew, deletions that
// came undone are done again, code that is missing is told, and as long as
// anything was found wrong no code is removed.
//
// Records are read from memory only: one goroutine follows the bucket and is
// the sole writer of that copy, and a write returns after the copy has caught
// up with it. Reading code reads the disk.
//
// One process at a time may open a directory. The package trusts that
// directory's owner but not its bytes: a record that does not decode, or code
// that does not match its digest, is reported and left in place, and
// everything else still works. It knows records, not rules: limits, policies
// and tiers are the supervisor's business. It never runs or parses code, never
// listens, and installs no signal handler.
//
// Data is apart from all that: the streams in which platform APIs keep what
// tenants store, on a server and in a directory of its own.
package store
