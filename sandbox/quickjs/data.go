package quickjs

import (
	"errors"
	"fmt"
)

const (
	sectionData      = 11
	sectionDataCount = 12
)

// What the binary named by moduleSHA256 puts into linear memory at its start,
// in whole grains: page 0, then constants (.rodata), then, from 96,496 on,
// variables.
const (
	constantsStart = 1 * grain
	constantsEnd   = 96496 / grain * grain
	dataEnd        = 96866/grain*grain + grain
)

// splitData takes the data segments out of a linked module, or of its outline,
// and returns the module without them and the memory that they make, dataEnd
// bytes. wazero would copy them into every instance; Engine maps them instead.
func splitData(binary []byte) (bare, data []byte, err error) {
	m, err := parseModule(binary)
	if err != nil {
		return nil, nil, fmt.Errorf("quickjs: taking the data out: %w", err)
	}
	s := m.section(sectionData)
	if s == nil {
		return nil, nil, errors.New("quickjs: taking the data out: there is none")
	}
	data = make([]byte, dataEnd)
	r := reader{b: s.body}
	for n := r.u32(); n > 0 && r.err == nil; n-- {
		if r.u32() != 0 || r.byte() != opI32Const {
			r.fail(errors.New("a segment that is not active"))
		}
		at := r.s32()
		if r.byte() != opEnd {
			r.fail(errors.New("a computed place"))
		}
		segment := r.bytes(r.u32())
		if at < 0 || int64(at)+int64(len(segment)) > dataEnd {
			r.fail(errors.New("a segment outside its place"))
			break
		}
		copy(data[at:], segment)
	}
	if r.err != nil || len(r.b) != 0 {
		return nil, nil, fmt.Errorf("quickjs: taking the data out: %w", errors.Join(r.err, errors.New("not as expected")))
	}
	// Custom sections are not written.
	s.id = sectionCustom
	if count := m.section(sectionDataCount); count != nil {
		count.id = sectionCustom
	}
	return m.encode(), data, nil
}

// s32 reads a signed LEB128 number of at most 32 bits.
func (r *reader) s32() int32 {
	var v int64
	for shift := 0; shift < 35; shift += 7 {
		c := r.byte()
		if r.err != nil {
			return 0
		}
		v |= int64(c&0x7f) << shift
		if c < 0x80 {
			if c&0x40 != 0 {
				v |= -1 << (shift + 7)
			}
			return int32(v)
		}
	}
	r.fail(errors.New("number too large"))
	return 0
}

// mapConstants maps the constants read-only, the same pages in every instance:
// an invocation cannot change what the next one computes with, and Restore need
// not look at them. A write to them ends the process: only a script that has
// broken out of QuickJS's own rules can make one.
func (e *Engine) mapConstants(m *linearMemory) error {
	return e.data.share(m, constantsStart, constantsEnd, constantsStart)
}

// mapVariables maps the data that the binary may change.
func (e *Engine) mapVariables(m *linearMemory) error {
	return errors.Join(e.data.copyOnWrite(m, 0, constantsStart, 0), e.data.copyOnWrite(m, constantsEnd, dataEnd, constantsEnd))
}
