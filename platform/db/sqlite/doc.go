// Package sqlite keeps tenants' SQLite databases: one file for each tenant,
// DIR/TENANT/main.db, in a process of its own that is started on demand.
//
// It runs in the supervisor and holds the processes, not the databases: what
// runs SQLite is package worker, in the binary cmd/database. It picks a
// connection for each statement (one writes, the others read beside it), asks
// what the statement would do, has that approved, and has it run within just
// that.
//
// It treats a process as possibly compromised: every answer has a size known
// beforehand and is checked against the question, a process that breaks the
// protocol is killed, and so is one that does not stop a statement in time.
// What a compromised process can reach is its tenant's own file. Its word on
// what a statement does is taken: it is that tenant's data in any case.
package sqlite
