// Package db is the platform APIs db.query, db.exec, db.batch and
// db.transaction: SQL on a database of the tenant's own. docs/database.md is
// their manual.
//
// It runs in the supervisor. It reads the arguments, keeps the transactions
// that invocations have open, asks the policy, and shapes the results; the SQL
// itself runs elsewhere: package sqlite keeps a confined process for each
// tenant, package postgres is a client of a server. What a statement does is
// told by the database, never by its text, and the policy hears it before the
// statement has an effect that lasts.
//
// It trusts neither the arguments nor, beyond its word on what a statement
// does, the engine. It never runs, parses or rewrites SQL.
package db
