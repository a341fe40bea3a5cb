// Package env is the platform API env: plain configuration that an operator or
// a deploy gives to a tenant's functions.
//
// It runs in the supervisor. A variable belongs to a tenant, or to one function
// of it, which goes before. Functions read and never write. Variables are kept
// in a file per tenant, and in memory; they are no place for secrets, for which
// there is the API secrets.
package env
