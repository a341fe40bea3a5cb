package value

import (
	"encoding/binary"
	"math"
	"strconv"
)

// appendElement appends one element of a typed array as JSON.
func appendElement(out []byte, kind string, data []byte) []byte {
	var bits uint64
	switch len(data) {
	case 1:
		bits = uint64(data[0])
	case 2:
		bits = uint64(binary.LittleEndian.Uint16(data))
	case 4:
		bits = uint64(binary.LittleEndian.Uint32(data))
	case 8:
		bits = binary.LittleEndian.Uint64(data)
	}
	switch kind {
	case "Int8Array":
		return strconv.AppendInt(out, int64(int8(bits)), 10)
	case "Int16Array":
		return strconv.AppendInt(out, int64(int16(bits)), 10)
	case "Int32Array":
		return strconv.AppendInt(out, int64(int32(bits)), 10)
	case "BigInt64Array":
		return append(strconv.AppendInt(append(out, '"'), int64(bits), 10), '"')
	case "BigUint64Array":
		return append(strconv.AppendUint(append(out, '"'), bits, 10), '"')
	case "Float16Array":
		return appendFloat(out, half(uint16(bits)))
	case "Float32Array":
		return appendFloat(out, float64(math.Float32frombits(uint32(bits))))
	case "Float64Array":
		return appendFloat(out, math.Float64frombits(bits))
	}
	return strconv.AppendUint(out, bits, 10)
}

func appendFloat(out []byte, f float64) []byte {
	if f-f != 0 { // NaN or an infinity
		return append(out, "null"...)
	}
	return appendNumber(out, f)
}

// half reads an IEEE 754 binary16.
func half(bits uint16) float64 {
	sign, exponent, fraction := 1-2*float64(bits>>15), int(bits>>10&31), float64(bits&1023)
	switch exponent {
	case 0:
		return sign * math.Ldexp(fraction, -24)
	case 31:
		if fraction != 0 {
			return math.NaN()
		}
		return sign * math.Inf(1)
	}
	return sign * math.Ldexp(1024+fraction, exponent-25)
}
