// Package prelude holds the JavaScript that runs in every instance before
// tenant code. It is evaluated once for each process, into the snapshot that
// all instances start from.
package prelude

import _ "embed"

// Source is a script whose value is a function of the host function; it
// returns the functions that package sandbox calls.
//
//go:embed prelude.js
var Source string

// File is the name under which Source appears in stack traces; frames of it
// are left out of what tenants see.
const File = "<bulkhead>"
