// Package storage is the platform API storage: a tenant's objects, of any size
// that its quota allows.
//
// It runs in the supervisor. Objects lie in a folder, in S3 or in Google Cloud
// Storage, each tenant's below its own name; an object's key is encoded so that
// no key leads anywhere else, and so that any two are two objects on every
// store. What a tenant has is read once, when it is first used, and then kept
// count of in memory: the quota is checked against that, so it is right again
// after any crash. One supervisor at a time may use a folder or a prefix.
//
// Bodies are streamed and never held in memory whole, save small ones. An
// object appears with its last byte, in place of an older one in one step; a
// body that is cut short, by its sender or by the deadline, leaves no trace.
package storage
