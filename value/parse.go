package value

import (
	"fmt"
	"math"
	"strconv"
	"unicode/utf16"
	"unicode/utf8"
)

// parser reads JSON. Unlike encoding/json it keeps the order of keys, and lone
// surrogates, which become their three bytes of generalized UTF-8 ("WTF-8").
type parser struct {
	text   []byte
	at     int
	depth  int
	values int
}

func decodeJSON(text []byte) (any, error) {
	if len(text) > MaxSize {
		return nil, fmt.Errorf("%w: %d bytes; the most is %d", ErrLimit, len(text), MaxSize)
	}
	p := &parser{text: text}
	v, err := p.value()
	if err != nil {
		return nil, err
	}
	if p.space(); p.at != len(text) {
		return nil, p.fault("text after the value")
	}
	return v, nil
}

func (p *parser) fault(what string) error {
	return fmt.Errorf("%w: %s at byte %d", ErrMalformed, what, p.at)
}

func (p *parser) space() {
	for p.at < len(p.text) && (p.text[p.at] == ' ' || p.text[p.at] == '\n' || p.text[p.at] == '\t' || p.text[p.at] == '\r') {
		p.at++
	}
}

// peek returns the next byte that is no space, 0 at the end.
func (p *parser) peek() byte {
	p.space()
	if p.at < len(p.text) {
		return p.text[p.at]
	}
	return 0
}

func (p *parser) take(c byte) bool {
	if p.peek() != c {
		return false
	}
	p.at++
	return true
}

func (p *parser) word(w string, v any) (any, error) {
	if len(p.text)-p.at < len(w) || string(p.text[p.at:p.at+len(w)]) != w {
		return nil, p.fault("no value")
	}
	p.at += len(w)
	return v, nil
}

func (p *parser) value() (any, error) {
	if p.values++; p.values > MaxValues {
		return nil, fmt.Errorf("%w: over %d values", ErrLimit, MaxValues)
	}
	switch c := p.peek(); c {
	case '{', '[':
		if p.depth++; p.depth > MaxDepth {
			return nil, fmt.Errorf("%w: over %d levels deep", ErrLimit, MaxDepth)
		}
		defer func() { p.depth-- }()
		if c == '{' {
			return p.object()
		}
		return p.array()
	case '"':
		return p.string()
	case 't':
		return p.word("true", true)
	case 'f':
		return p.word("false", false)
	case 'n':
		return p.word("null", nil)
	}
	return p.number()
}

func (p *parser) array() (any, error) {
	p.at++
	list := []any{}
	for !p.take(']') {
		if len(list) > 0 && !p.take(',') {
			return nil, p.fault("no comma")
		}
		v, err := p.value()
		if err != nil {
			return nil, err
		}
		list = append(list, v)
	}
	return list, nil
}

func (p *parser) object() (any, error) {
	p.at++
	o := &Object{}
	for first := true; !p.take('}'); first = false {
		if !first && !p.take(',') {
			return nil, p.fault("no comma")
		}
		if p.peek() != '"' {
			return nil, p.fault("no key")
		}
		key, err := p.string()
		if err != nil {
			return nil, err
		}
		if !p.take(':') {
			return nil, p.fault("no colon")
		}
		v, err := p.value()
		if err != nil {
			return nil, err
		}
		o.Set(key, v)
	}
	return o, nil
}

func (p *parser) digits() bool {
	start := p.at
	for p.at < len(p.text) && p.text[p.at] >= '0' && p.text[p.at] <= '9' {
		p.at++
	}
	return p.at > start
}

func (p *parser) has(set string) bool {
	for i := 0; p.at < len(p.text) && i < len(set); i++ {
		if p.text[p.at] == set[i] {
			p.at++
			return true
		}
	}
	return false
}

func (p *parser) number() (any, error) {
	start := p.at
	p.has("-")
	ok := p.has("0") || p.digits()
	if ok && p.has(".") {
		ok = p.digits()
	}
	if ok && p.has("eE") {
		p.has("+-")
		ok = p.digits()
	}
	if !ok {
		return nil, p.fault("no value")
	}
	// Too large a number is an infinity, as in JavaScript.
	f, err := strconv.ParseFloat(string(p.text[start:p.at]), 64)
	if err != nil && !math.IsInf(f, 0) {
		return nil, p.fault("no number")
	}
	return f, nil
}

func (p *parser) string() (string, error) {
	p.at++
	var out []byte
	for start := p.at; p.at < len(p.text); {
		switch c := p.text[p.at]; {
		case c == '"':
			out = append(out, p.text[start:p.at]...)
			p.at++
			return string(out), nil
		case c == '\\':
			out = append(out, p.text[start:p.at]...)
			p.at++
			var err error
			if out, err = p.escape(out); err != nil {
				return "", err
			}
			start = p.at
		case c < ' ':
			return "", p.fault("a control character in a string")
		case c < utf8.RuneSelf:
			p.at++
		default:
			r, n := utf8.DecodeRune(p.text[p.at:])
			if r == utf8.RuneError && n == 1 {
				return "", p.fault("text that is not UTF-8")
			}
			p.at += n
		}
	}
	return "", p.fault("a string without an end")
}

func (p *parser) escape(out []byte) ([]byte, error) {
	if p.at >= len(p.text) {
		return nil, p.fault("a string without an end")
	}
	c := p.text[p.at]
	p.at++
	switch c {
	case '"', '\\', '/':
		return append(out, c), nil
	case 'b':
		return append(out, '\b'), nil
	case 'f':
		return append(out, '\f'), nil
	case 'n':
		return append(out, '\n'), nil
	case 'r':
		return append(out, '\r'), nil
	case 't':
		return append(out, '\t'), nil
	case 'u':
		first, ok := p.hex()
		if !ok {
			break
		}
		if utf16.IsSurrogate(first) && p.at+1 < len(p.text) && p.text[p.at] == '\\' && p.text[p.at+1] == 'u' {
			back := p.at
			p.at += 2
			second, ok := p.hex()
			if r := utf16.DecodeRune(first, second); ok && r != utf8.RuneError {
				return utf8.AppendRune(out, r), nil
			}
			p.at = back
		}
		return appendWTF8(out, first), nil
	}
	return nil, p.fault("an unknown escape")
}

func (p *parser) hex() (rune, bool) {
	if p.at+4 > len(p.text) {
		return 0, false
	}
	n, err := strconv.ParseUint(string(p.text[p.at:p.at+4]), 16, 16)
	if err != nil {
		return 0, false
	}
	p.at += 4
	return rune(n), true
}

// appendWTF8 appends a rune that may be a surrogate.
func appendWTF8(out []byte, r rune) []byte {
	if utf16.IsSurrogate(r) {
		return append(out, 0xe0|byte(r>>12), 0x80|byte(r>>6)&0x3f, 0x80|byte(r)&0x3f)
	}
	return utf8.AppendRune(out, r)
}

// surrogate returns the surrogate that s begins with in WTF-8.
func surrogate(s string) (rune, bool) {
	if len(s) < 3 || s[0] != 0xed || s[1] < 0xa0 || s[1] > 0xbf || s[2] < 0x80 || s[2] > 0xbf {
		return 0, false
	}
	return 0xd000 | rune(s[1]&0x3f)<<6 | rune(s[2]&0x3f), true
}

// appendString appends s as JSON. What is neither UTF-8 nor a surrogate
// becomes U+FFFD.
func appendString(out []byte, s string) []byte {
	const digits = "0123456789abcdef"
	out = append(out, '"')
	start := 0
	for i := 0; i < len(s); {
		c := s[i]
		if c >= ' ' && c != '"' && c != '\\' && c < utf8.RuneSelf {
			i++
			continue
		}
		if c < utf8.RuneSelf {
			out = append(out, s[start:i]...)
			switch c {
			case '"', '\\':
				out = append(out, '\\', c)
			case '\n':
				out = append(out, '\\', 'n')
			case '\t':
				out = append(out, '\\', 't')
			case '\r':
				out = append(out, '\\', 'r')
			default:
				out = append(out, '\\', 'u', '0', '0', digits[c>>4], digits[c&15])
			}
			i++
			start = i
			continue
		}
		r, n := utf8.DecodeRuneInString(s[i:])
		if r != utf8.RuneError || n > 1 {
			i += n
			continue
		}
		out = append(out, s[start:i]...)
		if u, ok := surrogate(s[i:]); ok {
			out = append(out, '\\', 'u', digits[u>>12&15], digits[u>>8&15], digits[u>>4&15], digits[u&15])
			i += 3
		} else {
			out = append(out, "\ufffd"...)
			i++
		}
		start = i
	}
	return append(append(out, s[start:]...), '"')
}

// appendNumber appends a finite number as JavaScript writes it, but for -0.
func appendNumber(out []byte, f float64) []byte {
	if f == 0 {
		return append(out, '0')
	}
	if f == math.Trunc(f) && math.Abs(f) < 1e21 {
		return strconv.AppendFloat(out, f, 'f', -1, 64)
	}
	return strconv.AppendFloat(out, f, 'g', -1, 64)
}
