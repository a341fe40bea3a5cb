// Package kv is the platform API kv: a tenant's keys and values.
//
// It runs in the supervisor. Each tenant has a JetStream stream of its own, in
// which a key is a subject; the key's bytes are encoded, so that no key can
// name anything outside it. The keys of the tenants that are in use, with
// version, size and expiry, are in memory; so are the values read last, within
// a bound for all tenants together. A watch keeps that copy right: it is the
// stream's order that counts, and what the stream says is newer wins.
//
// A write is answered once it is on disk, and read from then on by every
// function on this node: a tenant's writes take turns. Conditions on the
// version are checked by JetStream itself, not on the copy alone.
//
// A value's bytes are a tenant's: they are bounded and kept, never looked into
// except to carry them back.
package kv
