package quickjs

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"math"
)

// Layout says where things are in a snapshot: with it, another process can use
// the snapshot's memory. Offsets and sizes are in bytes.
type Layout struct {
	// Size is the linear memory that the snapshot needs.
	Size uint32
	// StackBlock and StackPointer are the lower end of JavaScript's stack and
	// the place in it.
	StackBlock, StackPointer uint32
	// Runtime, Context and Scratch are where QuickJS's JSRuntime and JSContext
	// are, and the block through which Go and C pass data.
	Runtime, Context, Scratch uint32
	// Runs are the stretches of memory that are not all zero. The snapshot's
	// memory is these, one behind the other.
	Runs []Run
}

// Run is a stretch of linear memory.
type Run struct{ Start, End uint32 }

const (
	// RunUnit is what Run.Start and Run.End are multiples of.
	RunUnit = grain
	// MaxRun is the largest number of units that fits them.
	MaxRun = math.MaxUint32 / RunUnit
)

// MaxRuns bounds Layout.Runs for the largest memory there can be.
const MaxRuns = math.MaxUint32/(grain+minGap) + 2

// Layout returns where things are in s.
func (s *Snapshot) Layout() Layout {
	l := Layout{
		Size: s.size, StackBlock: s.stackBlock, StackPointer: uint32(s.sp),
		Runtime: s.rt, Context: s.jsctx, Scratch: s.scratch,
	}
	for _, r := range s.runs {
		l.Runs = append(l.Runs, Run{r.at, r.end})
	}
	return l
}

// Memory returns the snapshot's memory, of which Layout.Runs says where it
// belongs. It must not be changed, and is gone after Close.
func (s *Snapshot) Memory() []byte { return s.file.data }

// Fingerprint names what a layout means: processes with equal fingerprints can
// use each other's snapshots.
func Fingerprint() [sha256.Size]byte {
	return sha256.Sum256(fmt.Append(nil, linkedSHA256,
		grain, PageSize, constantsStart, constantsEnd, dataEnd, tableBase, slots, stackMargin, scratchSize, maxArgs))
}

// Where the last field that this package uses of each structure ends.
const (
	runtimeSize = rtModuleLoader + 4
	contextSize = ctxRandomState + 8
)

// OpenSnapshot makes a snapshot of the memory in the file fd, which begins with
// the runs of the layout, and takes fd over. Its pages are shared with whoever
// else has mapped the file, which must never change.
//
// Nothing in the layout or in the file is trusted: what would not fit is an
// error, and the rest can do to an instance no more than a script that has
// broken out of QuickJS's own rules.
func OpenSnapshot(l Layout, fd int) (*Snapshot, error) {
	s, size, err := l.snapshot()
	if err != nil {
		return nil, errors.Join(fmt.Errorf("quickjs: opening a snapshot: %w", err), closeFD(fd))
	}
	if s.file, err = openMemoryFile(fd, size); err != nil {
		return nil, err
	}
	return s, nil
}

// snapshot checks the layout, and returns the snapshot that it describes, still
// without its file, and how long the file must be.
func (l Layout) snapshot() (*Snapshot, int64, error) {
	if l.Size%PageSize != 0 || l.Size < minMemory {
		return nil, 0, fmt.Errorf("memory of %d bytes", l.Size)
	}
	for _, block := range []struct {
		what     string
		at, size uint32
	}{
		{"runtime", l.Runtime, runtimeSize}, {"context", l.Context, contextSize}, {"scratch", l.Scratch, scratchSize},
		{"stack", l.StackBlock, stackMargin},
	} {
		if block.at < dataEnd || block.at%4 != 0 || uint64(block.at)+uint64(block.size) > uint64(l.Size) {
			return nil, 0, fmt.Errorf("the %s at %#x", block.what, block.at)
		}
	}
	if l.StackPointer%16 != 0 || l.StackPointer < l.StackBlock+stackMargin || l.StackPointer > l.Size {
		return nil, 0, fmt.Errorf("the stack pointer %#x", l.StackPointer)
	}
	s := &Snapshot{
		world: world{rt: l.Runtime, jsctx: l.Context, stackBlock: l.StackBlock, scratch: l.Scratch},
		size:  l.Size, sp: uint64(l.StackPointer), stack: unusedStack(l.StackBlock, l.StackPointer),
	}
	if len(l.Runs) == 0 || len(l.Runs) > MaxRuns {
		return nil, 0, fmt.Errorf("%d runs", len(l.Runs))
	}
	var offset int64
	last := uint32(0)
	for _, r := range l.Runs {
		here := span{r.Start, r.End}
		if r.Start%grain != 0 || r.End%grain != 0 || r.Start < last || r.Start >= r.End || r.End > l.Size ||
			here.overlaps(span{constantsStart, constantsEnd}) || here.overlaps(s.stack) {
			return nil, 0, fmt.Errorf("the run from %#x to %#x", r.Start, r.End)
		}
		s.runs = append(s.runs, run{here, offset})
		offset += int64(r.End - r.Start)
		last = r.End
	}
	return s, offset, nil
}

func (s span) overlaps(o span) bool { return s.at < o.end && o.at < s.end }
