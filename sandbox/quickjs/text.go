package quickjs

import (
	"encoding/binary"
	"math"
	"strconv"
	"unicode/utf16"
	"unicode/utf8"
)

// Where JSString keeps what text reads, in the binary named by moduleSHA256.
const (
	stringLength = 4  // JSString.len, and whether characters have 16 bits
	stringHash   = 8  // JSString.hash, kind and atom_type
	stringData   = 20 // the characters, or else
	stringParent = 20 // JSStringSlice.parent
	stringStart  = 24 // JSStringSlice.start, in bytes
	stringWide   = 1 << 31
	stringSlice  = 1 << 29 // JSString.kind is JS_STRING_SLICE
	stringAtom   = 30      // the lowest bit of two
	atomString   = 1
)

// text writes the string at an address.
func (w *plainWalk) text(at uint32) bool {
	head, start := w.load(at+stringLength), uint64(at)+stringData
	if w.load(at+stringHash)&stringSlice != 0 {
		start = uint64(w.load(at+stringParent)) + stringData + uint64(w.load(at+stringStart))
	}
	// Each character takes a byte at least: further ones would be cut off.
	n := min(uint64(head&^stringWide), uint64(max(w.most-len(w.out), 0))+1)
	wide := head&stringWide != 0
	if wide {
		n *= 2
	}
	if start+n > uint64(len(w.mem)) {
		return false
	}
	w.out = append(w.out, '"')
	if wide {
		w.out = appendWide(w.out, w.mem[start:start+n])
	} else {
		w.out = appendLatin1(w.out, w.mem[start:start+n])
	}
	w.out = append(w.out, '"')
	return true
}

func appendLatin1(out, chars []byte) []byte {
	for len(chars) > 0 {
		n := 0
		for n < len(chars) && plainChar(uint16(chars[n])) {
			n++
		}
		out = append(out, chars[:n]...)
		if n == len(chars) {
			break
		}
		out = appendChar(out, rune(chars[n]))
		chars = chars[n+1:]
	}
	return out
}

func appendWide(out, chars []byte) []byte {
	for len(chars) >= 2 {
		c := rune(binary.LittleEndian.Uint16(chars))
		chars = chars[2:]
		if utf16.IsSurrogate(c) && len(chars) >= 2 {
			if whole := utf16.DecodeRune(c, rune(binary.LittleEndian.Uint16(chars))); whole != utf8.RuneError {
				c, chars = whole, chars[2:]
			}
		}
		out = appendChar(out, c)
	}
	return out
}

// plainChar tells whether a character is one byte, and stands for itself.
func plainChar(c uint16) bool { return c >= ' ' && c < utf8.RuneSelf && c != '"' && c != '\\' }

func appendChar(out []byte, c rune) []byte {
	const hex = "0123456789abcdef"
	switch {
	case c == '"' || c == '\\':
		return append(out, '\\', byte(c))
	case c == '\b':
		return append(out, `\b`...)
	case c == '\f':
		return append(out, `\f`...)
	case c == '\n':
		return append(out, `\n`...)
	case c == '\r':
		return append(out, `\r`...)
	case c == '\t':
		return append(out, `\t`...)
	case c < ' ' || utf16.IsSurrogate(c):
		return append(out, '\\', 'u', hex[c>>12], hex[c>>8&15], hex[c>>4&15], hex[c&15])
	default:
		return utf8.AppendRune(out, c)
	}
}

// appendNumber writes a number as JavaScript does.
func appendNumber(out []byte, f float64) []byte {
	if abs := math.Abs(f); abs == 0 || abs >= 1e-6 && abs < 1e21 {
		return strconv.AppendFloat(out, f, 'f', -1, 64)
	}
	out = strconv.AppendFloat(out, f, 'e', -1, 64)
	if n := len(out); n >= 4 && out[n-4] == 'e' && out[n-2] == '0' { // e-07
		out = append(out[:n-2], out[n-1])
	}
	return out
}
