// Package activity keeps what tenants did lately, and since the start, in
// bounded memory: for the live table of tenants, and for metrics by tenant.
//
// Tenants are many, and names of them become label values of metrics. So a
// bounded number is tracked, those that were active last, and of these a
// smaller number, the most active, has a label of its own; what all others do
// is counted under Other. A count is made where the tenant belongs at that
// moment and never moves: the counters of a label begin at zero when a tenant
// gets it, those of Other never go back, and a rate over either is right.
package activity
