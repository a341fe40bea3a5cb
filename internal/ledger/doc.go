// Package ledger keeps an account of what functions used, by the hour.
//
// What is added is gathered in memory and appended to the file of its hour
// every few seconds, as one line that holds what every function used since the
// line before: a line that was not written whole counts for nothing, and is
// written again. When an hour is over, its file is replaced by one with the
// sums. Files that are too old are removed.
package ledger
