// Package faults takes things away from a running supervisor: its sandboxes, its
// processor, its disk, its descriptors, its data. Every test runs the binaries
// as an operator does and checks each answer against what was asked.
//
// BULKHEAD_FAULTS says how long tests that go on at random do so ("10m");
// without it they take seconds. BULKHEAD_SOAK does the same for the soak, which
// runs only with it.
package faults
