// Package doctor examines a host for `supervisor doctor`: what its kernel
// offers, which layers a sandbox process really has that is started here, what
// else matters, and, on demand, whether native code in such a process can get
// out of it.
//
// It runs in the command line's process, as its user, and changes nothing on
// the host: what it needs it makes in a temporary directory, on loopback, and
// in processes that end with it.
package doctor
