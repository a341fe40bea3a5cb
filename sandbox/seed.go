package sandbox

import (
	"crypto/rand"
	"encoding/binary"
)

// newSeed returns a seed for Math.random: without a new one, every invocation
// restored from a snapshot would draw the same numbers.
func newSeed() uint64 {
	var b [8]byte
	// Read never fails: crypto/rand crashes the process instead.
	_, _ = rand.Read(b[:])
	return binary.LittleEndian.Uint64(b[:])
}
