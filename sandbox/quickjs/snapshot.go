package quickjs

import (
	"errors"
	"fmt"
)

// Snapshot is an instance's state at one moment: the memory that is not zero,
// and where things are in it. It is immutable and may be shared. Close it when
// no instance of it is restored any more.
type Snapshot struct {
	world
	size  uint32
	sp    uint64
	stack span // of whole pages below the stack pointer
	runs  []run
	file  *memoryFile
}

// span is a stretch of linear memory, in whole grains.
type span struct{ at, end uint32 }

// run is a stretch of memory that is not all zero, and where the snapshot's
// file holds it. The runs are in ascending order. What lies between them is
// zero, but for the constants.
type run struct {
	span
	offset int64
}

// grain is the unit in which memory is compared and restored: a page of the
// MMU, so that restoring touches no page that was never used.
const grain = 4096

// minGap is how many zero bytes make two runs of one: mapping a run costs more
// than storing some zeros.
const minGap = 16 * grain

var zeros [grain]byte

// Snapshot takes the instance's state, in which JavaScript must not be
// running. From then on the instance is like one made from the snapshot.
func (i *Instance) Snapshot() (*Snapshot, error) {
	if i.Condemned() {
		return nil, ErrTrap
	}
	if err := i.putOffGC(); err != nil {
		return nil, err
	}
	stack, err := i.dropStack()
	if err != nil {
		return nil, err
	}
	mem := i.linear.bytes
	s := &Snapshot{world: i.world, size: uint32(len(mem)), sp: i.sp.Get(), stack: stack}
	var parts [][]byte
	var offset int64
	for _, r := range occupied(mem, stack) {
		s.runs = append(s.runs, run{r, offset})
		parts = append(parts, mem[r.at:r.end])
		offset += int64(r.end - r.at)
	}
	if s.file, err = newMemoryFile("quickjs-snapshot", parts...); err != nil {
		return nil, err
	}
	if err := i.linear.drop(span{0, s.size}); err != nil {
		s.Close()
		return nil, err
	}
	if err := s.mapInto(i); err != nil {
		i.trapped = true // half of it is gone
		s.Close()
		return nil, err
	}
	return s, nil
}

// occupied returns the stretches of memory that a snapshot must keep: not the
// constants, which are the same in every instance, nor the unused stack.
func occupied(mem []byte, stack span) (runs []span) {
	joins := false
	for at := uint32(0); at < uint32(len(mem)); at += grain {
		switch {
		case at == constantsStart:
			at, joins = constantsEnd-grain, false
		case at == stack.at && stack.at < stack.end:
			at, joins = stack.end-grain, false
		case pageIsZero(mem, at):
		case joins && at-runs[len(runs)-1].end < minGap:
			runs[len(runs)-1].end = at + grain
		default:
			runs, joins = append(runs, span{at, at + grain}), true
		}
	}
	return runs
}

// unusedStack returns the whole pages of a stack that lie below the stack
// pointer.
func unusedStack(block, sp uint32) span {
	end := sp / grain * grain
	return span{min((block+grain-1)/grain*grain, end), end}
}

// dropStack zeroes the stack below the stack pointer, where nothing lives, and
// returns the whole pages of that: they cost no memory from here on.
func (i *Instance) dropStack() (span, error) {
	sp := uint32(i.sp.Get())
	unused := unusedStack(i.stackBlock, sp)
	if unused.at == unused.end {
		clear(i.linear.bytes[i.stackBlock:sp])
		return unused, nil
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
// Instances share it, as far as they do not write to it.
func (s *Snapshot) Stored() uint64 { return uint64(len(s.file.data)) }

// Close frees the snapshot's own memory. Its instances may run on, but not be
// restored.
func (s *Snapshot) Close() {
	// A memory file has nothing to lose on close.
	_ = s.file.close()
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
	if err := s.mapInto(i); err != nil {
		i.Close()
		return nil, err
	}
	s.adopt(i)
	return i, nil
}

// mapInto puts the runs in their place. Nothing is copied until it is written.
func (s *Snapshot) mapInto(i *Instance) error {
	for _, r := range s.runs {
		if err := s.file.copyOnWrite(i.linear, r.at, r.end, r.offset); err != nil {
			return err
		}
	}
	return nil
}

// adopt gives an instance the state that is not in linear memory.
func (s *Snapshot) adopt(i *Instance) {
	i.world = s.world
	i.sp.Set(s.sp)
	i.linear.refused = false
}

// Restore brings an instance made from s, or that s was taken of, back to its
// state: every page that differs. After an error the instance must be closed.
func (i *Instance) Restore(s *Snapshot) error {
	if i.Condemned() {
		return ErrTrap
	}
	if err := i.shrink(s.size); err != nil {
		return err
	}
	if i.wentDeep(s) {
		clear(i.fn[:])
		if err := i.linear.drop(s.stack); err != nil {
			return err
		}
	}
	if err := i.reset(s); err != nil {
		return err
	}
	s.adopt(i)
	return nil
}

// deep is how much of its stack JavaScript may have used before the instance
// gets new call engines: deep recursion leaves wazero's native stack, some 50
// times as large, behind in them.
const deep = 64 * grain

func (i *Instance) wentDeep(s *Snapshot) bool {
	return s.stack.end-s.stack.at > deep && !pageIsZero(i.linear.bytes, s.stack.end-deep-grain)
}

// comparable is the size up to which a snapshot is compared with an instance
// page by page where the kernel does not tell what was written.
const comparable = 1 << 20

// reset undoes what was written to linear memory. Pages that were are few, and
// stay the instance's own, so that the next invocation writes to them without
// a page fault.
func (i *Instance) reset(s *Snapshot) error {
	switch {
	case i.engine.pages != nil:
		if i.findOwn() != nil {
			break
		}
		c := comparison{s: s, mem: i.linear.bytes}
		for _, o := range i.own {
			c.restore(o.at, o.end)
		}
		if !i.crowded(c.same) {
			return nil
		}
		i.own = nil
	case s.Stored() <= comparable:
		c := comparison{s: s, mem: i.linear.bytes}
		at := uint32(0)
		for _, r := range s.runs {
			if err := i.linear.drop(span{at, r.at}); err != nil {
				return err
			}
			c.restore(r.at, r.end)
			at = r.end
		}
		return i.linear.drop(span{at, s.size})
	}
	return i.linear.drop(span{0, s.size})
}

// findOwn sets own to the pages that the instance has of its own: those that
// were ever written. A page becomes one by a page fault: while the process has
// had none since the last time, the answer is the same.
func (i *Instance) findOwn() error {
	faults, err := pageFaults()
	if err == nil && i.own != nil && faults == i.faults {
		return nil
	}
	i.own, i.faults = i.own[:0], faults
	err = errors.Join(err, i.engine.pages.written(i.linear.bytes, &i.scan, func(at, end uint32) {
		i.own = append(i.own, span{at, end})
	}))
	if err != nil {
		i.own = nil
	}
	return err
}

// comparison compares pages of an instance with its snapshot, in ascending
// order, and brings back those that differ.
type comparison struct {
	s    *Snapshot
	mem  []byte
	next int    // the first run that is not below
	same uint32 // bytes that did not differ
}

func (c *comparison) restore(at, end uint32) {
	for ; at < end; at += grain {
		for c.next < len(c.s.runs) && c.s.runs[c.next].end <= at {
			c.next++
		}
		was, is := zeros[:], c.mem[at:at+grain]
		if c.next < len(c.s.runs) {
			if r := c.s.runs[c.next]; r.at <= at {
				was = c.s.file.data[r.offset+int64(at-r.at):][:grain]
			}
		}
		// Comparing reads twice what copying reads, and is still faster,
		// because it writes next to nothing.
		if string(was) == string(is) {
			c.same += grain
			continue
		}
		copy(is, was)
	}
}

// crowded tells when an instance had better give all its own pages back: an
// invocation once wrote to many that have not changed since, which cost memory
// and are compared each time. Each time it is told so it has to be crowded
// twice as long the next time, since a function may write the same to many
// pages every time, as a garbage collection does.
func (i *Instance) crowded(same uint32) bool {
	const limit, patience = 256 * grain, 16
	if same <= limit {
		i.crowd = 0
		return false
	}
	if i.crowd++; i.crowd < patience<<min(i.crowds, 16) {
		return false
	}
	i.crowd = 0
	i.crowds++
	return true
}
