package storage

import (
	"strings"
	"unicode/utf8"
)

// An object's name in the store is its key, segment by segment between
// slashes. A byte other than a letter, a digit, "-" or "_" becomes "=" and two
// hexadecimal digits; an empty segment becomes "=". A segment that is too long
// for a file's name is continued in the next one, and ends in "=". The last
// one ends in ".o", so that "a" and "a/b" can both be.
const (
	objectSuffix = ".o"
	maxSegment   = 200
	hexDigits    = "0123456789ABCDEF"
)

func encodeKey(key string) string {
	var b strings.Builder
	for i, segment := range strings.Split(key, "/") {
		if i > 0 {
			b.WriteByte('/')
		}
		if segment == "" {
			b.WriteByte('=')
		}
		length := 0
		for n := range len(segment) {
			c := segment[n]
			width := 3
			if plain(c) {
				width = 1
			}
			if length+width > maxSegment {
				b.WriteString("=/")
				length = 0
			}
			if length += width; width == 1 {
				b.WriteByte(c)
			} else {
				b.Write([]byte{'=', hexDigits[c>>4], hexDigits[c&15]})
			}
		}
	}
	return b.String() + objectSuffix
}

func plain(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '-' || c == '_'
}

// decodeKey is the inverse of encodeKey. It takes no other spelling.
func decodeKey(name string) (key string, ok bool) {
	rest, ok := strings.CutSuffix(name, objectSuffix)
	if !ok || len(name) > maxName {
		return "", false
	}
	var b strings.Builder
	open := true // nothing is to be put before the next piece
	for piece := range strings.SplitSeq(rest, "/") {
		if !open {
			b.WriteByte('/')
		}
		open = false
		if piece == "=" {
			continue
		}
		piece, open = strings.CutSuffix(piece, "=")
		for i := 0; i < len(piece); i++ {
			if piece[i] != '=' {
				b.WriteByte(piece[i])
				continue
			}
			if i+2 >= len(piece) {
				return "", false
			}
			high, low := strings.IndexByte(hexDigits, piece[i+1]), strings.IndexByte(hexDigits, piece[i+2])
			if high < 0 || low < 0 {
				return "", false
			}
			b.WriteByte(byte(high<<4 | low))
			i += 2
		}
	}
	key = b.String()
	return key, key != "" && len(key) <= maxKey && utf8.ValidString(key) && encodeKey(key) == name
}
