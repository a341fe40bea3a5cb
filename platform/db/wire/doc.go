// Package wire is what the supervisor and a tenant's database process say to
// each other: typed CBOR messages in length-prefixed frames, over one socket
// for each of the process's SQLite connections. A socket carries one request
// at a time, then its answer; interrupts have a socket of their own.
//
// Both sides use it and neither trusts the other's bytes: a frame has a size
// known beforehand, and anything that is not exactly a message is an error.
// The supervisor also checks every answer against what was asked for, and
// ends a process that breaks the rules.
package wire
