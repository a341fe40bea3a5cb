// Package confine takes from a process what it will never need again, for good
// and in all of its threads, layer by layer: new code, other processes and the network
// (namespaces), the file system, its user, new privileges, being read by others,
// resources, capabilities, what is left of files (Landlock), and nearly all system
// calls (seccomp). [Lock] runs in the sandbox process before that hears of its tenant,
// and in the database process before that opens its tenant's file.
//
// It trusts the kernel, and no library's word: each layer is looked at after it
// was applied, and at the end every thread's status file must show them all. What was
// applied and is not there is an error, after which the process must end. What the
// machine does not have is reported; whoever started the process reads the report
// ([ParseReport]), looks from outside whether it is true ([Verify]), and judges ([Check]).
//
// The layers' rules are pure (Compile, landlockFor); the files that change the
// process end in _linux.go. It never gives anything back: there is no way out of a
// lock.
package confine
