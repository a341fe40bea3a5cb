package webapi

import (
	"encoding/base64"
	"errors"
	"strings"
	"unicode/utf8"

	"golang.org/x/text/encoding"
	"golang.org/x/text/encoding/htmlindex"
	"golang.org/x/text/transform"
)

// textLabel is label(label): an encoding's name by one of its labels.
func textLabel(a Args) (any, error) {
	_, name, err := encodingOf(a.Text(0))
	return name, err
}

func encodingOf(label string) (encoding.Encoding, string, error) {
	unknown := rangeError("The encoding label %q is not known", clip(label))
	e, err := htmlindex.Get(strings.Trim(label, "\t\n\f\r "))
	if err != nil {
		return nil, "", unknown
	}
	name, err := htmlindex.Name(e)
	if err != nil || name == "replacement" {
		return nil, "", unknown
	}
	return e, name, nil
}

// textEncode is encode(text): UTF-8.
func textEncode(a Args) (any, error) { return []byte(a.Text(0)), nil }

type decoded struct {
	Text string `json:"text"`
	Rest int    `json:"rest"` // how many bytes at the end await more
}

// textDecode is decode(label, bytes, fatal, more): with more, bytes at the end
// that may be the start of a character are left for the next call. The result
// is text, or an object where bytes are left.
func textDecode(a Args) (any, error) {
	e, name, err := encodingOf(a.Text(0))
	if err != nil {
		return nil, err
	}
	data, fatal, more := a.Bytes(1), a.Int(2) != 0, a.Int(3) != 0
	var text string
	var used int
	switch name {
	case "utf-8":
		used = len(data)
		if more {
			used -= partial(data)
		}
		if fatal && !utf8.Valid(data[:used]) {
			return nil, errNotEncoded(name)
		}
		text = lossy(data[:used])
	case "utf-16le", "utf-16be":
		var bad bool
		text, used, bad = decodeUTF16(data, name == "utf-16be", more)
		if fatal && bad {
			return nil, errNotEncoded(name)
		}
	default:
		if text, used, err = decodeOther(e, data, more); err != nil {
			return nil, err
		}
		if fatal && strings.ContainsRune(text, utf8.RuneError) && name != "gb18030" {
			return nil, errNotEncoded(name)
		}
	}
	if rest := len(data) - used; rest > 0 {
		return decoded{text, rest}, nil
	}
	return text, nil
}

func errNotEncoded(name string) error { return typeError("The data is not valid %s", name) }

func decodeOther(e encoding.Encoding, data []byte, more bool) (string, int, error) {
	d := e.NewDecoder()
	var out []byte
	used := 0
	buf := make([]byte, 4096)
	for {
		n, m, err := d.Transform(buf, data[used:], !more)
		out = append(out, buf[:n]...)
		used += m
		switch {
		case errors.Is(err, transform.ErrShortDst):
		case errors.Is(err, transform.ErrShortSrc), err == nil:
			return string(out), used, nil
		default:
			return "", 0, typeError("The data cannot be decoded")
		}
	}
}

func decodeUTF16(data []byte, big, more bool) (string, int, bool) {
	unit := func(n int) rune {
		if big {
			return rune(data[n])<<8 | rune(data[n+1])
		}
		return rune(data[n+1])<<8 | rune(data[n])
	}
	var b strings.Builder
	bad := false
	n := 0
	for n+1 < len(data) {
		r := unit(n)
		switch {
		case r >= 0xd800 && r < 0xdc00 && n+3 < len(data) && unit(n+2)>>10 == 0x37:
			r = 0x10000 + (r-0xd800)<<10 + unit(n+2) - 0xdc00
			n += 2
		case r >= 0xd800 && r < 0xdc00 && n+3 >= len(data) && more:
			return b.String(), n, bad
		case r >= 0xd800 && r < 0xe000:
			r, bad = utf8.RuneError, true
		}
		b.WriteRune(r)
		n += 2
	}
	if n < len(data) && !more {
		b.WriteRune(utf8.RuneError)
		return b.String(), len(data), true
	}
	return b.String(), n, bad
}

// partial returns how many bytes at the end of data may be the start of a
// character.
func partial(data []byte) int {
	for n := 1; n <= 3 && n <= len(data); n++ {
		c := data[len(data)-n]
		if utf8.RuneStart(c) {
			if !utf8.FullRune(data[len(data)-n:]) {
				return n
			}
			return 0
		}
	}
	return 0
}

// lossy is the Encoding Standard's UTF-8 decode: U+FFFD for each maximal
// subpart of an ill-formed sequence.
func lossy(b []byte) string {
	if utf8.Valid(b) {
		return string(b)
	}
	var out strings.Builder
	for len(b) > 0 {
		r, n := utf8.DecodeRune(b)
		if r == utf8.RuneError && n == 1 {
			n = subpart(b)
		}
		out.WriteRune(r)
		b = b[n:]
	}
	return out.String()
}

func subpart(b []byte) int {
	low, high, need := byte(0x80), byte(0xbf), 0
	switch c := b[0]; {
	case c >= 0xc2 && c <= 0xdf:
		need = 1
	case c >= 0xe0 && c <= 0xef:
		need = 2
		if c == 0xe0 {
			low = 0xa0
		} else if c == 0xed {
			high = 0x9f
		}
	case c >= 0xf0 && c <= 0xf4:
		need = 3
		if c == 0xf0 {
			low = 0x90
		} else if c == 0xf4 {
			high = 0x8f
		}
	}
	n := 1
	for ; n <= need && n < len(b) && b[n] >= low && b[n] <= high; n++ {
		low, high = 0x80, 0xbf
	}
	return n
}

// btoa is btoa(text): base64 of text whose characters are bytes.
func btoa(a Args) (any, error) {
	text := a.Text(0)
	raw := make([]byte, 0, len(text))
	for _, r := range text {
		if r > 0xff {
			return nil, domError("InvalidCharacterError", "btoa: the string has a character outside Latin-1")
		}
		raw = append(raw, byte(r))
	}
	return base64.StdEncoding.EncodeToString(raw), nil
}

// atob is atob(text): the Infra Standard's forgiving-base64 decode, as text
// whose characters are bytes.
func atob(a Args) (any, error) {
	raw, ok := forgiving(a.Text(0))
	if !ok {
		return nil, domError("InvalidCharacterError", "atob: the string is not base64")
	}
	var b strings.Builder
	for _, c := range raw {
		b.WriteRune(rune(c))
	}
	return b.String(), nil
}

func forgiving(text string) ([]byte, bool) {
	text = strings.Map(func(r rune) rune {
		if strings.ContainsRune("\t\n\f\r ", r) {
			return -1
		}
		return r
	}, text)
	if len(text)%4 == 0 {
		text = strings.TrimSuffix(strings.TrimSuffix(text, "="), "=")
	}
	if len(text)%4 == 1 {
		return nil, false
	}
	raw, err := base64.RawStdEncoding.DecodeString(text)
	return raw, err == nil
}

// base64Encode is encode(bytes, url): base64, or unpadded base64url.
func base64Encode(a Args) (any, error) {
	if a.Int(1) != 0 {
		return base64.RawURLEncoding.EncodeToString(a.Bytes(0)), nil
	}
	return base64.StdEncoding.EncodeToString(a.Bytes(0)), nil
}

// base64Decode is decode(text): the bytes of base64.
func base64Decode(a Args) (any, error) {
	raw, ok := forgiving(a.Text(0))
	if !ok {
		return nil, typeError("not base64")
	}
	return raw, nil
}
