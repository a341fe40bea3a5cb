// Package ipc is the contract between the supervisor and a sandbox process:
// who may talk to whom, in which version, and how large anything may be.
//
// Both processes import it. The supervisor calls [Start], which runs the
// handshake with a child that it has just started and connects to it; the
// child calls [Check] and [Serve]. Beside the connection there is a socket for
// open files ([FileSender], [FileReceiver]), one way only, and one for each
// execution slot ([Slot], [SandboxSlot]). The messages are in
// sandboxpb; the checks on what a sandbox sends are in this package
// ([CheckHostCall], [CheckControl], [CheckLog], [CheckResult], [CheckLoad], ...)
// and are made by the supervisor.
//
// hashicorp/go-plugin does the handshake, and gRPC the control calls. Of go-plugin
// only the handshake and the connection are used, as package handshake has it:
// its log parsing, its broker, its standard streams and its way to end a
// process are off, because a compromised sandbox could use each of them against
// the supervisor.
//
// The supervisor's side trusts nothing that arrives. It never dials an address
// outside the private directory that it made for the child, never talks to a
// process other than the child, and never waits without a deadline.
package ipc
