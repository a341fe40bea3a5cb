package webapi

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// compress/flate cannot stop within a stream and go on in another call, so
// decompressing (RFC 1950, 1951, 1952) is done here; tests hold it against the
// standard library.

var (
	errMore    = errors.New("webapi: more input is needed")
	errCorrupt = errors.New("webapi: corrupt input")
)

const (
	phaseHeader = iota
	phaseBlock
	phaseStored
	phaseCodes
	phaseTrailer
	phaseEnd
)

// maxInflated is about how much a call gives: JavaScript asks for more when
// someone has taken it.
const maxInflated = 64 << 10

// inflateState is what goes from one call to the next, before the window.
type inflateState struct {
	Phase, Last, Bit uint8 // Bit: how many of the input's first byte are read
	Stored           uint16
	Check            checksum
	Literals         uint16 // how many of Lengths are of literals and lengths
	Distances        uint16
	Lengths          [288 + 32]uint8
}

type inflater struct {
	inflateState
	format string
	r      bitReader
	out    []byte // the window, then the output
	start  int    // of the output

	literals, distances huffman
}

// inflate is inflate(format, state or nothing, input): a piece of the input
// decompressed. Called until it neither uses nor gives anything, it wants more
// input; the first byte of the state tells whether the end has been seen.
func inflate(a Args) (any, error) {
	f := &inflater{format: a.Text(0), r: bitReader{in: a.Bytes(2)}}
	if err := knownFormat(f.format); err != nil {
		return nil, err
	}
	if len(f.r.in) > maxPiece {
		return nil, rangeError("a piece is over %d bytes", maxPiece)
	}
	if err := f.resume(a.Bytes(1)); err != nil {
		return nil, typeError("the state is not one of inflate's")
	}
	err := f.run()
	idle := f.r.used() < 8 && len(f.out) == f.start
	if errors.Is(err, errCorrupt) && idle || errors.Is(err, errMore) && idle && len(f.r.in) == maxPiece {
		return nil, typeError("The compressed data is not valid")
	}
	return f.suspend(), nil
}

func (f *inflater) resume(state []byte) error {
	if len(state) == 0 {
		f.Check = newChecksum(f.format)
		return nil
	}
	n, err := binary.Decode(state, binary.LittleEndian, &f.inflateState)
	if err != nil {
		return err
	}
	before := state[n:]
	if f.Phase > phaseEnd || f.Bit > 7 || len(before) > window || f.Literals > 288 || f.Distances > 32 {
		return errCorrupt
	}
	if _, err := f.r.take(uint(f.Bit)); err != nil {
		return err
	}
	f.out = append(make([]byte, 0, len(before)+min(maxInflated, 8*len(f.r.in))+512), before...)
	f.start = len(f.out)
	if f.Phase == phaseCodes {
		return f.codes()
	}
	return nil
}

func (f *inflater) suspend() []byte {
	made := f.out[f.start:]
	f.Bit = uint8(f.r.used() % 8)
	state, err := binary.Append(nil, binary.LittleEndian, &f.inflateState)
	if err != nil {
		panic(fmt.Sprintf("BUG: webapi: %v", err)) // the state has no fixed size
	}
	return piece(append(state, f.out[max(len(f.out)-window, 0):]...), f.r.used()/8, made)
}

// run decompresses until a piece is full, or errMore. After an error what was
// made before it is in order.
func (f *inflater) run() (err error) {
	checked := f.start
	for err == nil && f.Phase != phaseEnd && len(f.out)-f.start < maxInflated {
		saved := f.r
		switch f.Phase {
		case phaseHeader:
			if err = f.header(); err == nil {
				f.Phase = phaseBlock
			}
		case phaseBlock:
			err = f.block()
		case phaseStored:
			err = f.stored()
		case phaseCodes:
			saved, err = f.symbols()
		case phaseTrailer:
			f.Check.add(f.format, f.out[checked:])
			checked = len(f.out)
			err = f.trailer()
		}
		if err != nil {
			f.r = saved
		}
	}
	f.Check.add(f.format, f.out[checked:])
	return err
}
