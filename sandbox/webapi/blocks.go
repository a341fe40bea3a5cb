package webapi

import "encoding/binary"

// The blocks of compressed data (RFC 1951, 3.2.3).

// block reads a block's header.
func (f *inflater) block() error {
	if f.Last != 0 {
		f.r.align()
		f.Phase = phaseTrailer
		return nil
	}
	head, err := f.r.take(3)
	if err != nil {
		return err
	}
	next := uint8(phaseCodes)
	switch head >> 1 {
	case 0:
		f.r.align()
		next = phaseStored
		var b []byte
		if b, err = f.r.bytes(4); err == nil {
			f.Stored = binary.LittleEndian.Uint16(b)
			if f.Stored != ^binary.LittleEndian.Uint16(b[2:]) {
				err = errCorrupt
			}
		}
	case 1:
		f.Literals, f.Distances = 288, 32
		for n := range f.Lengths {
			switch {
			case n < 144:
				f.Lengths[n] = 8
			case n < 256:
				f.Lengths[n] = 9
			case n < 280:
				f.Lengths[n] = 7
			case n < 288:
				f.Lengths[n] = 8
			default:
				f.Lengths[n] = 5
			}
		}
		err = f.codes()
	case 2:
		if err = f.lengths(); err == nil {
			err = f.codes()
		}
	default:
		err = errCorrupt
	}
	if err != nil {
		return err
	}
	f.Phase, f.Last = next, uint8(head&1)
	return nil
}

// lengthOrder is the order of the code lengths' own code lengths.
var lengthOrder = [19]uint8{16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15}

// lengths reads the code lengths of a block.
func (f *inflater) lengths() error {
	head, err := f.r.take(14)
	if err != nil {
		return err
	}
	literals, distances, lengths := head&31+257, head>>5&31+1, head>>10+4
	if literals > 286 || distances > 30 {
		return errCorrupt
	}
	var own [19]uint8
	for n := range lengths {
		v, err := f.r.take(3)
		if err != nil {
			return err
		}
		own[lengthOrder[n]] = uint8(v)
	}
	h := &f.literals
	if !h.build(own[:]) {
		return errCorrupt
	}
	var list [288 + 32]uint8
	for n := uint32(0); n < literals+distances; {
		symbol, err := h.decode(&f.r)
		if err != nil {
			return err
		}
		if symbol < 16 {
			list[n] = uint8(symbol)
			n++
			continue
		}
		repeat := [3]struct{ bits, least uint32 }{{2, 3}, {3, 3}, {7, 11}}[symbol-16]
		more, err := f.r.take(uint(repeat.bits))
		if err != nil {
			return err
		}
		value := uint8(0)
		if symbol == 16 {
			if n == 0 {
				return errCorrupt
			}
			value = list[n-1]
		}
		end := n + repeat.least + more
		if end > literals+distances {
			return errCorrupt
		}
		for ; n < end; n++ {
			list[n] = value
		}
	}
	f.Lengths, f.Literals, f.Distances = list, uint16(literals), uint16(distances)
	return nil
}

func (f *inflater) codes() error {
	n := f.Literals + f.Distances
	for _, length := range f.Lengths[:n] {
		if length > maxCodeBits {
			return errCorrupt
		}
	}
	if !f.literals.build(f.Lengths[:f.Literals]) || !f.distances.build(f.Lengths[f.Literals:n]) {
		return errCorrupt
	}
	return nil
}

// stored copies from a block that is not compressed.
func (f *inflater) stored() error {
	if f.Stored == 0 {
		f.Phase = phaseBlock
		return nil
	}
	n := min(int(f.Stored), len(f.r.rest()), maxInflated)
	if n == 0 {
		return errMore
	}
	b, err := f.r.bytes(n)
	f.out = append(f.out, b...)
	f.Stored -= uint16(n)
	return err
}

var (
	lengthBase   = [29]uint16{3, 4, 5, 6, 7, 8, 9, 10, 11, 13, 15, 17, 19, 23, 27, 31, 35, 43, 51, 59, 67, 83, 99, 115, 131, 163, 195, 227, 258}
	lengthBits   = [29]uint8{0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3, 4, 4, 4, 4, 5, 5, 5, 5, 0}
	distanceBase = [30]uint16{1, 2, 3, 4, 5, 7, 9, 13, 17, 25, 33, 49, 65, 97, 129, 193, 257, 385, 513, 769, 1025, 1537, 2049, 3073, 4097, 6145, 8193, 12289, 16385, 24577}
	distanceBits = [30]uint8{0, 0, 0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6, 7, 7, 8, 8, 9, 9, 10, 10, 11, 11, 12, 12, 13, 13}
)

// symbols decodes until the block's end, and returns where the last symbol
// began.
func (f *inflater) symbols() (saved bitReader, err error) {
	for len(f.out)-f.start < maxInflated {
		saved = f.r
		symbol, err := f.literals.decode(&f.r)
		switch {
		case err != nil:
			return saved, err
		case symbol < 256:
			f.out = append(f.out, byte(symbol))
			continue
		case symbol == 256:
			f.Phase = phaseBlock
			return saved, nil
		case symbol > 285:
			return saved, errCorrupt
		}
		symbol -= 257
		more, err := f.r.take(uint(lengthBits[symbol]))
		if err != nil {
			return saved, err
		}
		length := int(lengthBase[symbol]) + int(more)
		if symbol, err = f.distances.decode(&f.r); err != nil {
			return saved, err
		}
		if symbol > 29 {
			return saved, errCorrupt
		}
		if more, err = f.r.take(uint(distanceBits[symbol])); err != nil {
			return saved, err
		}
		distance := int(distanceBase[symbol]) + int(more)
		if distance > len(f.out) {
			return saved, errCorrupt
		}
		for ; length > 0; length-- { // the two may overlap
			f.out = append(f.out, f.out[len(f.out)-distance])
		}
	}
	return f.r, nil
}
