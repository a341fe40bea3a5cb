// Package plainjson makes JSON that is safe to show: encoding/json escapes the
// control characters below the space, and lets through those above it and the
// ones that reorder text, which a terminal obeys as well.
//
// It runs wherever tenants' text becomes a line for an operator: in the
// supervisor's logs and in the command line. It trusts nothing but that its
// input is JSON, and changes no value in it.
package plainjson
