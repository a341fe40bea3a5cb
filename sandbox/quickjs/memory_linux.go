package quickjs

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// PageSize is the unit of linear memory, in bytes.
const PageSize = 65536

// linearMemory is one instance's memory: address space for all it may ever
// use, reserved at once, so that growth moves nothing, and refused past the
// cap, so that QuickJS meets a failed malloc instead of the machine a missing
// gigabyte. Pages cost real memory once they are touched.
type linearMemory struct {
	reserved []byte
	bytes    []byte
	limit    uint64
	refused  bool // a growth past the limit was asked for
	shrinkTo uint64
}

func newLinearMemory(limit uint64) (*linearMemory, error) {
	b, err := unix.Mmap(-1, 0, int(limit), unix.PROT_READ|unix.PROT_WRITE,
		unix.MAP_PRIVATE|unix.MAP_ANON|unix.MAP_NORESERVE)
	if err != nil {
		return nil, fmt.Errorf("quickjs: reserving %d bytes of linear memory: %w", limit, err)
	}
	return &linearMemory{reserved: b, limit: limit}, nil
}

// Reallocate implements experimental.LinearMemory: nil refuses.
func (m *linearMemory) Reallocate(size uint64) []byte {
	if m.shrinkTo != 0 {
		size, m.shrinkTo = m.shrinkTo, 0
	}
	if size > m.limit {
		m.refused = true
		return nil
	}
	m.bytes = m.reserved[:size]
	return m.bytes
}

// drop gives pages back: they are zero then, or what a mapped file says.
func (m *linearMemory) drop(s span) error {
	if s.at == s.end {
		return nil
	}
	if err := unix.Madvise(m.reserved[s.at:s.end], unix.MADV_DONTNEED); err != nil {
		return fmt.Errorf("quickjs: giving memory back: %w", err)
	}
	return nil
}

// Free implements experimental.LinearMemory. Slices of the memory must not be
// used afterwards.
func (m *linearMemory) Free() {
	if m.reserved == nil {
		return
	}
	b := m.reserved
	m.reserved, m.bytes = nil, nil
	// Munmap fails only for a range that is not mapped: a bug of ours.
	if err := unix.Munmap(b); err != nil {
		panic("BUG: quickjs: munmap: " + err.Error())
	}
}
