// Package confine takes from a process what it will never need again, for good
// and in all of its threads, layer by layer: new privileges, being read by
// others, capabilities, resources, files and the network (Landlock), and
// nearly all system calls (seccomp). It runs in the sandbox process, before
// that hears of its tenant.
//
// It trusts the kernel, and no library's word: each layer is looked at after it
// was applied, and at the end every thread's status file must show them all.
// What must be there and is not is an error, after which the process must end.
// Only Landlock, which many kernels lack, may be missing; [Lock] says so.
//
// The layers' rules are pure (Compile, landlockFor); the files that change the
// process end in _linux.go. It never gives anything back: there is no way out of a
// lock, and no option that leaves a layer out.
package confine
