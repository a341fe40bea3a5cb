// Package hostile holds the corpus of what hostile JavaScript does, as tests:
// every row runs in a real sandbox process, through the supervisor as a
// library, beside a neighbour tenant that goes on working. A row names the
// outcomes that are safe. After every row the neighbour's answers were right,
// no planted secret was seen, and the attacked function answers a harmless
// event from a clean start. `make hostile` runs the rows round after round
// against one supervisor.
//
// Some rows need more than JavaScript and are tests of the packages that they
// attack: the reviewed list of globals (sandbox, TestSurface), forged calls of
// the bridge (sandbox, FuzzForgedCall), random bytes over linear memory and
// memory refused at every step (sandbox/quickjs, TestCorruptMemory and
// TestRefusedGrowth). What goes through the platform APIs, between tenants, at a
// deploy or out of a compromised process is in docs/hostile.md, with its tests.
package hostile
