// Command supervisor is Bulkhead's daemon and its command line: serve runs the
// daemon, run runs one function once without it, and the other commands talk
// to a daemon over HTTP. There is one file for each command, and it only wires
// together what the packages do.
//
// What a command prints for people may change. With --json it prints one JSON
// document on standard output, for success and for failure, whose members only
// ever get more. The exit code is the outcome's: 0 a result, 1 the function
// threw, 2 usage or bad code, 3 timeout, 4 memory, 5 denied by the policy,
// 6 an internal error. doctor has its own (see its --help).
package main
