// Package seccomp holds the filters of system calls that processes run under,
// as data: OCI seccomp profiles whose every rule says who needs it.
// internal/confine compiles and installs them.
package seccomp

import _ "embed"

// Sandbox is the profile of a sandbox process once its supervisor has
// connected.
//
//go:embed sandbox.json
var Sandbox []byte

// Database is the profile of a tenant's database process, from before it opens
// the tenant's file.
//
//go:embed database.json
var Database []byte
