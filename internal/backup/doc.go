// Package backup copies a data directory into one file, also while a supervisor
// uses it, and makes a directory of such a file again. It runs in the command
// line's process.
//
// The copy is made file by file and then opened as a supervisor would: the
// registry's journal tells whether a record is missing, and every function's code
// is read. If a deploy came between, the copy is made again. SQLite's databases
// are copied by SQLite, in the database program. What can be made anew (the
// compiled engine, snapshots), the audit log and keys are left out.
//
// The file is a tar archive, compressed with Zstandard. Its last entry lists the
// others with their SHA-256; a file without it is not whole.
package backup
