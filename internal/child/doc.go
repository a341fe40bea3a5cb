// Package child starts and ends processes of ours: sandboxes, databases,
// operators' plugins. It knows nothing of what they do.
//
// It runs in the supervisor. A process of this package has a session of its
// own, the environment that it is given and nothing of ours, no descriptors but
// its standard ones and those that it is given, and a pipe as its standard
// input, the lifeline, whose other end only the supervisor holds. However the
// supervisor ends, the process reads the end of its lifeline and is killed by
// the kernel.
//
// A process is not trusted: what it writes to its standard error is read at a
// bounded pace, kept in a bounded amount and made printable, and neither what
// it writes, nor what it leaves running, nor its being traced by us keeps its end
// from being noticed.
package child
