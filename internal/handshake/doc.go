// Package handshake connects the supervisor to a process that serves gRPC by
// way of hashicorp/go-plugin: it starts it, reads the one line by which it says
// where it listens, and dials.
//
// It runs in the supervisor and does not trust the process: of its standard
// output no more than one line of a bounded length is parsed, only a socket
// in a directory that was made for it is dialled, and go-plugin's own streams
// stay shut.
package handshake
