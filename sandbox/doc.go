// Package sandbox runs one tenant's functions. It is what the child process
// serves to its supervisor: it loads function versions into snapshots, keeps
// instances of them, runs each invocation's event loop, and turns JavaScript's
// host calls into frames on the invocation's slot.
//
// It runs in the sandbox process and has no access to anything but that
// connection. It trusts the supervisor, and nobody else: what JavaScript hands
// over is copied, bounded and checked as far as that serves the tenant's own
// correctness, and so is a snapshot that another process of the tenant made. It
// enforces no policy. Whatever escapes from an instance into this process gains
// the same connection, and the supervisor expects that.
//
// Files: server.go is the gRPC service, version.go a loaded version with its
// instances, load.go the way from source text to a snapshot, snapshot.go that of
// a snapshot from process to process, invocation.go the event loop, bridge.go
// what JavaScript can ask of Go.
package sandbox
