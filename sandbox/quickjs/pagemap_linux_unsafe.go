package quickjs

import (
	"errors"
	"fmt"
	"unsafe"

	"golang.org/x/sys/unix"
)

// pagemap tells which pages of this process's memory are its own: written
// since they were mapped. It asks the kernel (ioctl PAGEMAP_SCAN, Linux 6.7),
// so that a reset costs what an invocation wrote, and not what the snapshot
// holds.
type pagemap struct{ fd int }

// processPagemap is open from the program's start on: a process that has
// hardened itself may not open it any more. It is -1 where there is none.
var processPagemap = openPagemap()

func openPagemap() int {
	fd, err := unix.Open("/proc/self/pagemap", unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return -1
	}
	return fd
}

// newPagemap returns nil where the kernel cannot be asked: it is too old, or
// there is no /proc.
func newPagemap() *pagemap {
	p := &pagemap{processPagemap}
	if p.fd < 0 || p.prove() != nil {
		return nil
	}
	return p
}

// pageRegion is struct page_region of linux/fs.h.
type pageRegion struct{ start, end, categories uint64 }

// pageScan is struct pm_scan_arg of linux/fs.h, with room for its answer. It
// must be on the heap: the kernel is told where it is as a number.
type pageScan struct {
	size, flags     uint64
	start, end      uint64
	walkEnd         uint64
	vec, vecLen     uint64
	maxPages        uint64
	inverted, mask  uint64
	anyOf, returned uint64
	regions         [64]pageRegion
}

const (
	pagemapScan = 3<<30 | 96<<16 | 'f'<<8 | 16 // _IOWR('f', 16, struct pm_scan_arg)

	pageIsFile    = 1 << 2
	pageIsPresent = 1 << 3
	pageIsSwapped = 1 << 4
	pageIsPFNZero = 1 << 5
)

// written calls f with every stretch of mem, in ascending order, whose pages
// were written since they were mapped. Those are in memory or swapped out, and
// neither a file's page nor the zero page that reading untouched memory maps.
func (p *pagemap) written(mem []byte, scan *pageScan, f func(at, end uint32)) error {
	base := uint64(uintptr(unsafe.Pointer(unsafe.SliceData(mem))))
	scan.size = 96
	scan.start, scan.end = base, base+uint64(len(mem))
	scan.vec, scan.vecLen = uint64(uintptr(unsafe.Pointer(&scan.regions))), uint64(len(scan.regions))
	scan.inverted, scan.mask = pageIsFile|pageIsPFNZero, pageIsFile|pageIsPFNZero
	scan.anyOf, scan.returned = pageIsPresent|pageIsSwapped, pageIsPresent
	for scan.start < scan.end {
		n, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(p.fd), pagemapScan, uintptr(unsafe.Pointer(scan)))
		if errno != 0 {
			return fmt.Errorf("quickjs: scanning pages: %w", errno)
		}
		for _, r := range scan.regions[:n] {
			f(uint32(r.start-base), uint32(r.end-base))
		}
		if scan.walkEnd <= scan.start {
			return fmt.Errorf("quickjs: scanning pages stopped at %#x of %d bytes", scan.walkEnd-base, len(mem))
		}
		scan.start = scan.walkEnd
	}
	return nil
}

// pageFaults returns how many page faults the process has had.
func pageFaults() (int64, error) {
	var usage unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &usage); err != nil {
		return 0, fmt.Errorf("quickjs: counting page faults: %w", err)
	}
	return int64(usage.Minflt) + int64(usage.Majflt), nil
}

// prove shows on real mappings that the kernel answers as expected: a wrong
// answer would leak one invocation's state into the next.
func (p *pagemap) prove() error {
	const pages = 8
	linear, err := newLinearMemory(pages * grain)
	if err != nil {
		return err
	}
	defer linear.Free()
	mem := linear.Reallocate(pages * grain)
	file, err := newMemoryFile("quickjs-proof", make([]byte, 4*grain))
	if err != nil {
		return err
	}
	defer func() { _ = file.close() }()
	if err := file.copyOnWrite(linear, 0, 4*grain, 0); err != nil {
		return err
	}
	before, err := pageFaults()
	if err != nil {
		return err
	}
	// One page of each kind is left alone, one is read, two are written.
	mem[1*grain], mem[2*grain], mem[5*grain], mem[6*grain] = 0, 1, 0, 1
	if mem[3*grain]+mem[7*grain] != 0 {
		return errors.New("quickjs: proving the page scan: new memory is not zero")
	}
	var got []uint32
	if err := p.written(mem, new(pageScan), func(at, end uint32) { got = append(got, at/grain, end/grain) }); err != nil {
		return err
	}
	after, err := pageFaults()
	if err != nil {
		return err
	}
	if after == before {
		return errors.New("quickjs: proving the page scan: page faults are not counted")
	}
	if fmt.Sprint(got) != "[1 3 5 7]" {
		return fmt.Errorf("quickjs: proving the page scan: got %v", got)
	}
	return nil
}
