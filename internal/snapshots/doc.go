// Package snapshots keeps functions' snapshots on disk, so that a process need
// not evaluate a function that another one has evaluated before. It runs in the
// supervisor.
//
// It is a cache: every file may be deleted at any time, and the source does
// instead. A function has one file, DIR/TENANT/FUNCTION@VERSION-FINGERPRINT:
// the snapshot's memory, which processes map, what describes it, and a footer
// with the lengths and a checksum. Files are written beside, made durable and
// renamed, and never changed: a process that has one open keeps it.
//
// What it trusts: the operator, whose folder it is, but not the disk: a file's
// checksum is verified when it is first opened after a start, and whenever it is
// not the file any more that was verified, or written. That is not done each
// time because it takes longer than all the rest of a cold start, some 200 µs for
// each MiB. What is in a file was written
// by a sandbox process of the tenant; it is never looked into, and is as
// untrusted when it comes back as when it came.
package snapshots
