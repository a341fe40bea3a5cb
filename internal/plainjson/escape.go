package plainjson

import (
	"fmt"
	"io"
	"unicode"
	"unicode/utf8"
)

// Acts tells whether a character does something to a terminal instead of being
// shown: the control characters, and those that reorder text.
func Acts(r rune) bool {
	return unicode.IsControl(r) || r >= 0x202a && r <= 0x202e || r >= 0x2066 && r <= 0x2069 ||
		r == 0x200e || r == 0x200f || r == 0x61c || r == 0x2028 || r == 0x2029
}

// Escape writes every such character in the strings of a JSON text as its
// \u escape. White space between values stays. It returns text itself when
// there is nothing to escape.
func Escape(text []byte) []byte {
	var out []byte
	kept := 0
	for i := 0; i < len(text); {
		// No string of a JSON text holds a raw character below the space.
		if text[i] < 0x7f {
			i++
			continue
		}
		r, size := utf8.DecodeRune(text[i:])
		if Acts(r) {
			out = append(out, text[kept:i]...)
			out = fmt.Appendf(out, `\u%04x`, r)
			kept = i + size
		}
		i += size
	}
	if kept == 0 {
		return text
	}
	return append(out, text[kept:]...)
}

// NewWriter returns a writer to w for JSON texts, each in one Write, that are
// escaped on the way.
func NewWriter(w io.Writer) io.Writer { return writer{w} }

type writer struct{ w io.Writer }

func (w writer) Write(text []byte) (int, error) {
	if _, err := w.w.Write(Escape(text)); err != nil {
		return 0, err
	}
	return len(text), nil
}
