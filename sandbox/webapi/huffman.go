package webapi

const (
	maxCodeBits = 15
	fastBits    = 10
)

// huffman decodes a canonical Huffman code (RFC 1951, 3.2.2).
type huffman struct {
	fast    [1 << fastBits]uint16 // symbol<<4 | length of codes up to fastBits
	count   [maxCodeBits + 1]uint16
	symbols [288]uint16 // by code
}

// build takes the code's lengths, one for each symbol, and tells whether they
// are a code: complete, or of one symbol with one bit, or empty.
func (h *huffman) build(lengths []uint8) bool {
	*h = huffman{}
	for _, n := range lengths {
		h.count[n]++
	}
	used := len(lengths) - int(h.count[0])
	h.count[0] = 0
	left := 1
	var at, code [maxCodeBits + 2]uint16
	for n := 1; n <= maxCodeBits; n++ {
		if left = left<<1 - int(h.count[n]); left < 0 {
			return false
		}
		at[n+1] = at[n] + h.count[n]
		code[n+1] = (code[n] + h.count[n]) << 1
	}
	if left > 0 && used > 0 && (used != 1 || h.count[1] != 1) {
		return false
	}
	for symbol, n := range lengths {
		if n == 0 {
			continue
		}
		h.symbols[at[n]] = uint16(symbol)
		at[n]++
		if n <= fastBits {
			for c := reverse(code[n], n); c < 1<<fastBits; c += 1 << n {
				h.fast[c] = uint16(symbol)<<4 | uint16(n)
			}
		}
		code[n]++
	}
	return true
}

// reverse turns the n bits of a code around: they come highest first.
func reverse(code uint16, n uint8) (out uint32) {
	for ; n > 0; n-- {
		out = out<<1 | uint32(code&1)
		code >>= 1
	}
	return out
}

// decode takes a symbol from r. It is errMore when r ends before, and errCorrupt
// when no code has these bits.
func (h *huffman) decode(r *bitReader) (uint16, error) {
	r.fill()
	if e := h.fast[r.bits&(1<<fastBits-1)]; e != 0 && uint(e&15) <= r.have {
		r.drop(uint(e & 15))
		return e >> 4, nil
	}
	code, first, index := 0, 0, 0
	for n := 1; n <= maxCodeBits; n++ {
		if uint(n) > r.have {
			return 0, errMore
		}
		code |= int(r.bits>>(n-1)) & 1
		count := int(h.count[n])
		if code-count < first {
			r.drop(uint(n))
			return h.symbols[index+code-first], nil
		}
		index += count
		first = (first + count) << 1
		code <<= 1
	}
	return 0, errCorrupt
}

// bitReader reads bits, lowest first. It can be put back by copying it.
type bitReader struct {
	in   []byte
	pos  int
	bits uint64
	have uint
}

func (r *bitReader) fill() {
	for r.have <= 56 && r.pos < len(r.in) {
		r.bits |= uint64(r.in[r.pos]) << r.have
		r.pos++
		r.have += 8
	}
}

func (r *bitReader) drop(n uint) {
	r.bits >>= n
	r.have -= n
}

// take reads n bits, up to 32.
func (r *bitReader) take(n uint) (uint32, error) {
	r.fill()
	if r.have < n {
		return 0, errMore
	}
	v := uint32(r.bits & (1<<n - 1))
	r.drop(n)
	return v, nil
}

// align goes on to the next whole byte.
func (r *bitReader) align() { r.drop(r.have % 8) }

// used is how many bits were read.
func (r *bitReader) used() int { return r.pos*8 - int(r.have) }

// bytes reads n bytes, from a whole one on.
func (r *bitReader) bytes(n int) ([]byte, error) {
	from := r.used() / 8
	if from+n > len(r.in) {
		return nil, errMore
	}
	*r = bitReader{in: r.in, pos: from + n}
	return r.in[from : from+n], nil
}

// rest is the bytes that were not read, from a whole one on.
func (r *bitReader) rest() []byte { return r.in[r.used()/8:] }
