// Package recordings keeps what invocations saw, so that they can be run again:
// one compressed file each, bounded in size, number and age. What is in a file
// came from a sandbox, and is believed in nothing but its form.
package recordings
