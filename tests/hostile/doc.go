// Package hostile holds the corpus of what hostile JavaScript does, as tests:
// every row runs in a real sandbox process, through the supervisor as a
// library, beside a neighbour tenant that goes on working. A row names the
// outcomes that are safe. After every row the neighbour's answers were right,
// no planted secret was seen, and the attacked function answers a harmless
// event from a clean start.
package hostile
