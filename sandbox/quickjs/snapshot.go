package quickjs

import (
	"errors"
	"fmt"
)

// Snapshot is an instance's state at one moment: the memory that is not zero,
// and where things are in it. It is immutable and may be shared.
type Snapshot struct {
	world
	size uint32
	sp   uint64
	runs []run
	gaps []gap
}

// run is a stretch of memory that is not all zero.
type run struct {
	at   uint32
	data []byte
}

// gap is a stretch of whole zero pages, used from its lower end up or, as a
// stack is, from its upper end down.
type gap struct {
	at, end uint32
	down    bool
}

// grain is the unit in which memory is compared with zero: a page of the MMU,
// so that restoring touches no page that was never used.
const grain = 4096

var zeros [grain]byte

// ErrGrown means that an instance is larger than the snapshot, which wasm
// memory cannot undo.
var ErrGrown = errors.New("quickjs: the instance has grown since the snapshot")

// Snapshot takes the instance's state. JavaScript must not be running.
func (i *Instance) Snapshot() (*Snapshot, error) {
	if i.Condemned() {
		return nil, ErrTrap
	}
	mem := i.linear.bytes
	s := &Snapshot{world: i.world, size: uint32(len(mem)), sp: i.sp.Get()}
	stack, err := i.dropStack()
	if err != nil {
		return nil, err
	}
	known := []gap{{at: constantsStart, end: constantsEnd}, stack} // constants are the same in every instance
	for at := uint32(0); at < s.size; {
		if len(known) > 0 && at >= known[0].at {
			at = max(at, known[0].end)
			known = known[1:]
			continue
		}
		limit := s.size
		if len(known) > 0 {
			limit = known[0].at
		}
		end := at
		isZero := pageIsZero(mem, at)
		for end < limit && pageIsZero(mem, end) == isZero {
			end += grain
		}
		if isZero {
			s.gaps = append(s.gaps, gap{at: at, end: end})
		} else {
			s.runs = append(s.runs, run{at, append([]byte(nil), mem[at:end]...)})
		}
		at = end
	}
	s.gaps = append(s.gaps, stack)
	return s, nil
}

// dropStack zeroes the stack below the stack pointer, where nothing lives, and
// returns the whole pages of that: they cost no memory from here on.
func (i *Instance) dropStack() (gap, error) {
	sp := uint32(i.sp.Get())
	unused := gap{(i.stackBlock + grain - 1) / grain * grain, sp / grain * grain, true}
	if unused.at >= unused.end {
		clear(i.linear.bytes[i.stackBlock:sp])
		return gap{unused.end, unused.end, true}, nil
	}
	clear(i.linear.bytes[i.stackBlock:unused.at])
	clear(i.linear.bytes[unused.end:sp])
	return unused, i.linear.drop(unused)
}

func pageIsZero(mem []byte, at uint32) bool {
	return string(mem[at:at+grain]) == string(zeros[:])
}

// Size returns the linear memory that the snapshot needs, in bytes.
func (s *Snapshot) Size() uint64 { return uint64(s.size) }

// Stored returns the memory that the snapshot itself takes, in bytes.
func (s *Snapshot) Stored() uint64 {
	var n uint64
	for _, r := range s.runs {
		n += uint64(len(r.data))
	}
	return n
}

// NewInstanceFrom makes an instance in the state of s, with linear memory
// capped at memory bytes. ErrMemory means that the cap is below s.Size().
func (e *Engine) NewInstanceFrom(s *Snapshot, memory uint64) (*Instance, error) {
	if memory/PageSize*PageSize < uint64(s.size) {
		return nil, fmt.Errorf("%w: the snapshot needs %d bytes", ErrMemory, s.size)
	}
	i, err := e.instantiate(memory)
	if err != nil {
		return nil, err
	}
	if _, ok := i.mod.Memory().Grow((s.size - uint32(len(i.linear.bytes))) / PageSize); !ok {
		i.Close()
		return nil, ErrMemory
	}
	// What the module put there itself may have become zero since.
	clear(i.linear.bytes[constantsEnd:dataEnd])
	for _, r := range s.runs {
		copy(i.linear.bytes[r.at:], r.data)
	}
	s.adopt(i)
	return i, nil
}

// dataEnd is where the module's own data ends, in the binary named by
// moduleSHA256, rounded up to a grain.
const dataEnd = 96866/grain*grain + grain

// adopt gives an instance the state that is not in linear memory.
func (s *Snapshot) adopt(i *Instance) {
	i.world = s.world
	i.sp.Set(s.sp)
}

// Restore brings an instance made from s, or that s was taken of, back to its
// state. After an error the instance must be closed: it is condemned, or has
// grown (ErrGrown).
//
// Pages that were zero in the snapshot hold nothing that JavaScript can reach:
// they are stack below the stack pointer, or free heap. Each stretch of them
// is used from one end on, and is cleared from there until scrubRun pages in a
// row are found clean, which removes what an invocation left without reading
// all of a stack that is rarely used.
func (i *Instance) Restore(s *Snapshot) error {
	if i.Condemned() {
		return ErrTrap
	}
	if len(i.linear.bytes) != int(s.size) {
		return ErrGrown
	}
	for _, g := range s.gaps {
		if scrub(i.linear.bytes, g) > maxScrub {
			return ErrGrown
		}
	}
	// Most pages are as they were. Comparing reads twice what copying reads,
	// and is still faster, because it writes next to nothing.
	for _, r := range s.runs {
		mem := i.linear.bytes[r.at : int(r.at)+len(r.data)]
		for at := 0; at < len(mem); at += grain {
			was, is := r.data[at:at+grain], mem[at:at+grain]
			if string(was) != string(is) {
				copy(is, was)
			}
		}
	}
	s.adopt(i)
	return nil
}

const (
	scrubRun = 4
	// maxScrub is how many pages may have been in use before the instance is
	// dropped instead of kept: deep recursion leaves wazero's native stack,
	// some 50 times as large as JavaScript's, behind.
	maxScrub = 64
)

// scrub clears what was used of a gap and returns how many pages that were.
func scrub(mem []byte, g gap) (used int) {
	step, at := grain, int(g.at)
	if g.down {
		step, at = -grain, int(g.end)-grain
	}
	for clean := 0; at >= int(g.at) && at < int(g.end) && clean < scrubRun; at += step {
		if pageIsZero(mem, uint32(at)) {
			clean++
			continue
		}
		clear(mem[at : at+grain])
		clean = 0
		used++
	}
	return used
}
