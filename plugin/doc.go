// Package plugin makes a program that offers platform APIs to a supervisor:
//
//	func main() {
//		plugin.Serve(
//			platform.Typed("geo.distance", "the distance between two places in km", distance),
//		)
//	}
//
// Build it, put it into the folder that the supervisor's configuration names
// (apis: {plugins: DIR}), and JavaScript can call geo.distance, as far as the
// tenant's policy goes. The supervisor starts the program, restarts it when it
// dies, and ends it. It runs as the supervisor's user, in its folder, with an
// environment of PATH and LANG: what it needs to know it reads from a file.
//
// # What differs from an API inside the supervisor
//
// The policy, quotas, the audit log, the schema and the deadline are the
// supervisor's part, before the call comes here. Call.Verdict is empty,
// Call.Check and Call.Streams are nil, and Serve refuses an API that has
// Attributes or ChecksItself. Lines given to Call.Emit arrive with the result.
//
// What the program writes to standard output and standard error goes to the
// supervisor's log at info, a few lines a second.
package plugin
