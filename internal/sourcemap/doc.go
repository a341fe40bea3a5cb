// Package sourcemap reads source maps (ECMA-426, version 3): which place of
// which source a place in generated code came from.
//
// The supervisor uses it on maps that a tenant's client sent, so a map is
// hostile input: its size and the number of its parts are bounded, what it
// names is never opened or fetched, and every source's name is made safe to
// print. The client uses it to move the lines of a source that it wrapped.
//
// It imports nothing of ours.
package sourcemap
