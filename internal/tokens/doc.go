// Package tokens keeps the bearer tokens of the HTTP API: who has one, what it
// may do, until when.
//
// A token is 256 random bits, so that SHA-256 is the right way to keep it: a
// slow hash makes guesses dear, and here there is nothing to guess. It carries
// a public id by which it is looked up, and a checksum by which secret
// scanners, and we, tell a token from a text that only looks like one.
package tokens
