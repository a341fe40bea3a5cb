// Package escape is what native code tries that has taken over a sandbox or
// database process: opening files, connecting, starting processes, reading its
// neighbours, making code, asking the kernel for more.
//
// It runs in a process of one of those programs whose starter asks for an
// attempt by the environment: the process starts like any other, locks itself
// down, makes the attempt in place of serving, says how that ended, and exits.
// No tenant is ever in such a process, and a process that serves cannot become
// one: the question is asked once, before anything else, and the supervisor
// gives its processes an environment without it.
//
// Every attempt names the layers that stop it, each for itself. What works with
// none of them, and with no single one, is proved by internal/doctor, which
// starts these processes; so no attempt is refused only because it was never
// possible.
package escape
