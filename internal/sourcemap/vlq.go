package sourcemap

import "strings"

const digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"

// digitValues is 1 more than each digit's value, and 0 for what is no digit.
var digitValues = func() (values [256]byte) {
	for i := range len(digits) {
		values[digits[i]] = byte(i) + 1
	}
	return values
}()

// readVLQ reads one base64 VLQ number. length is 0 when there is none, or one
// of more than 32 bits.
func readVLQ(s string) (value int64, length int) {
	var n uint64
	for i := 0; i < len(s) && i < 7; i++ {
		d := digitValues[s[i]]
		if d == 0 {
			return 0, 0
		}
		d--
		n |= uint64(d&31) << (5 * i)
		if d&32 == 0 {
			if n&1 != 0 {
				return -int64(n >> 1), i + 1
			}
			return int64(n >> 1), i + 1
		}
	}
	return 0, 0
}

func appendVLQ(out *strings.Builder, v int32) {
	n := uint64(v) << 1
	if v < 0 {
		n = uint64(-int64(v))<<1 | 1
	}
	for {
		d := n & 31
		if n >>= 5; n == 0 {
			out.WriteByte(digits[d])
			return
		}
		out.WriteByte(digits[d|32])
	}
}
