// Package db is the platform API db_query: SQL on a database of the tenant's
// own, one SQLite file per tenant.
//
// Tenant SQL is tenant code, and here it runs inside the supervisor. What
// bounds it:
//
//   - A tenant's file is opened by the tenant's name alone; ATTACH, VACUUM
//     INTO and load_extension are refused, so no statement reaches another
//     file. The connection is defensive, trusts no schema and treats "x" as a
//     name only.
//   - An authorizer passes the reading and changing of the tenant's own
//     tables, views, indexes and triggers, FTS5 tables, and PRAGMAs that only
//     read. Everything else is refused when the statement is compiled, before
//     it does anything: transactions and temporary tables too, since they
//     would outlive the call.
//   - Values have at most 256 KiB, statements 100 kB, results 1,000 rows and
//     1 MiB, files 64 MiB. Expressions, compound queries and programs are
//     bounded in depth and size.
//   - A statement is interrupted when its context ends. SQLite does not look
//     for the interrupt inside a built-in function, nor between those of one
//     row; the bound on values keeps the slowest of them at about half a
//     second each, a statement may use those 16 times, and trim with two
//     arguments, which would take minutes, is replaced by one that does not
//     (and cannot be used in views, triggers and indexes). The caller does
//     not wait: it gets its TimeoutError at once, and the statement keeps its
//     connection until it ends. A tenant has a few connections, and when all
//     are held by such statements further calls are refused.
//   - A fault inside SQLite ends as an error of that call, and takes the
//     tenant's database out of service until the supervisor is restarted.
//
// What is not bounded here, but for the deadline: the memory and the temporary
// disk space that a running statement sorts in.
//
// A file that is damaged gives its tenant an error and concerns nobody else.
package db
