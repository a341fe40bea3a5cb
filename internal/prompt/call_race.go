//go:build race

package prompt

import "syscall"

// The race detector takes what passes through a socket for an order of events, of
// calls that it sees.
var read, write = syscall.Read, syscall.Write
