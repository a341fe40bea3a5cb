// Package postgres keeps tenants' databases on a PostgreSQL server: one schema
// and one login role for each tenant.
//
// It runs in the supervisor, as a client. An administrator's connection makes
// roles and schemas; a tenant's statements go over connections of the tenant's
// own role, which reaches its own schema and no other, through the extended
// protocol, one statement at a time. What bounds them is the server:
// privileges, statement_timeout, idle_in_transaction_session_timeout, a limit
// of connections and, where the administrator may set it, temp_file_limit.
//
// PostgreSQL has no authorizer. What a statement does is learned from the
// server all the same, inside the transaction it runs in: its plan names what
// it changes, and the locks that the server took for it name every table and
// view in it. What has no plan (CREATE, ALTER, DROP) is carried out first,
// told by its command tag and locks, and undone if the policy denies it. So
// that nothing hides from this, roles cannot make functions: the languages are
// revoked from everybody in that database, which should be Bulkhead's alone.
//
// It trusts the server, and nothing that a tenant wrote.
package postgres
