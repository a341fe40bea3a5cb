package sandbox

import (
	"crypto/rand"
	"encoding/binary"
	"errors"
	"io"
	mathrand "math/rand/v2"

	"github.com/bulkhead-run/bulkhead/ipc/sandboxpb"
)

// newSeed returns a seed for Math.random: without a new one, every invocation
// restored from a snapshot would draw the same numbers.
func newSeed(random io.Reader) uint64 {
	if random == nil {
		random = rand.Reader
	}
	var b [8]byte
	// Read never fails: crypto/rand crashes the process instead.
	_, _ = random.Read(b[:])
	return binary.LittleEndian.Uint64(b[:])
}

// script prepares an invocation that is to be recorded, or to take a course that
// was.
func (inv *invocation) script(r *sandboxpb.Invoke) (err error) {
	if seed := r.GetSeed(); len(seed) == 32 {
		inv.random = mathrand.NewChaCha8([32]byte(seed))
	} else if len(seed) > 0 {
		return errors.New("a seed has 32 bytes")
	}
	switch {
	case len(r.GetCourse()) > 0:
		inv.clock, err = followCourse(r.GetCourse())
	case r.GetRecord():
		inv.clock = &clock{}
	}
	return err
}
