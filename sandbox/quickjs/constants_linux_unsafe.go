package quickjs

import (
	"fmt"
	"unsafe"

	"golang.org/x/sys/unix"
)

// The whole pages of the binary's constant data (.rodata), in the binary named
// by moduleSHA256: after page 0, and before the first variable at 96,496.
const (
	constantsStart = 1 * grain
	constantsEnd   = 96496 / grain * grain
)

// constants is that data in a sealed memory file, mapped read-only over the
// same place in every instance: the pages are shared, an invocation cannot
// change what the next one computes with, and Restore need not look at them. A
// write to them ends the process: only a script that has broken out of
// QuickJS's own rules can make one.
type constants struct{ fd int }

func newConstants(data []byte) (*constants, error) {
	fd, err := unix.MemfdCreate("quickjs-constants", unix.MFD_CLOEXEC|unix.MFD_ALLOW_SEALING)
	if err != nil {
		return nil, fmt.Errorf("quickjs: a memory file: %w", err)
	}
	c := &constants{fd}
	if _, err := unix.Pwrite(fd, data, 0); err != nil {
		c.close()
		return nil, fmt.Errorf("quickjs: writing the constants: %w", err)
	}
	const seals = unix.F_SEAL_SEAL | unix.F_SEAL_WRITE | unix.F_SEAL_GROW | unix.F_SEAL_SHRINK
	if _, err := unix.FcntlInt(uintptr(fd), unix.F_ADD_SEALS, seals); err != nil {
		c.close()
		return nil, fmt.Errorf("quickjs: sealing the constants: %w", err)
	}
	return c, nil
}

// mapOver puts the constants in their place in an instance's memory.
func (c *constants) mapOver(m *linearMemory) error {
	_, err := unix.MmapPtr(c.fd, 0, unsafe.Pointer(&m.reserved[constantsStart]), constantsEnd-constantsStart,
		unix.PROT_READ, unix.MAP_SHARED|unix.MAP_FIXED)
	if err != nil {
		return fmt.Errorf("quickjs: mapping the constants: %w", err)
	}
	return nil
}

func (c *constants) close() {
	// A memory file has nothing to lose on close.
	_ = unix.Close(c.fd)
}
