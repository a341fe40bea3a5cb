// Package worker runs one tenant's SQL on SQLite. It runs in the tenant's
// database process (cmd/database), which holds that tenant's file and nothing
// else, and is killed when a statement does not stop.
//
// Tenant SQL is tenant code. What bounds it here:
//
//   - The file is the only one: ATTACH, VACUUM INTO and load_extension are
//     refused. The connections are defensive, trust no schema and treat "x" as
//     a name only.
//   - An authorizer passes the reading and changing of the tenant's own
//     tables, views, indexes and triggers, FTS5 tables, and PRAGMAs that only
//     read. Everything else is refused when the statement is compiled, before
//     it does anything: transactions and temporary tables too, since they
//     would outlive the call.
//   - The authorizer also notes what a statement would do and with which
//     tables. A statement runs only if that lies within what the supervisor
//     allowed, also when SQLite compiles it again because the schema changed.
//   - Values have at most 256 KiB, statements 100 kB; rows, results, the file
//     and the process's memory have the limits of the configuration.
//     Expressions, compound queries and programs are bounded in depth and
//     size. Sorting is done in memory, so nothing fills a temporary directory.
//   - An interrupt ends a statement within milliseconds, unless a built-in
//     function is at work on one row. The bound on values keeps the slowest of
//     those at about half a second each, and a statement may use them 16
//     times; trim with two arguments, which would take minutes, is replaced by
//     one that does not (and cannot be used in views, triggers and indexes).
//     What is slower still, the supervisor ends with the process.
//
// It trusts the supervisor, and nothing that a tenant wrote.
package worker
