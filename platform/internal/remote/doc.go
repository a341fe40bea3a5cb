// Package remote is what platform APIs that are carried out elsewhere have in
// common: how many calls are on their way at once, how a failure looks to
// JavaScript, and which names an operator may give to an API. It runs in the
// supervisor. The other side is the operator's: trusted more than a tenant, but
// it may fail, hang and answer nonsense.
package remote
