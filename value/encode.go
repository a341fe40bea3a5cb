package value

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"math"
	"math/big"
	"strconv"
	"time"
)

// Encode is the inverse of [Decode]. It also takes map[string]any, whose keys
// are put in order; Go's other numbers, which become the nearest float64;
// [json.RawMessage] and [Wire], which pass as they are once they have been
// found to be in order; and whatever encoding/json takes, in that form.
//
// A slice, byte slice, map or pointer that occurs twice is shared in
// JavaScript too. The error wraps [ErrLimit], or is what encoding/json says.
func Encode(v any) (Wire, error) {
	switch v := v.(type) {
	case undefined:
		return nil, nil
	case json.RawMessage:
		return checked(v)
	case Wire:
		if v.IsJSON() {
			return checked(v)
		}
		_, err := Decode(v)
		return v, err
	}
	p := plainWriter{seen: make(map[any]bool)}
	switch plain, err := p.write(v); {
	case err != nil:
		return nil, err
	case plain:
		return p.out, nil
	}
	return pack(v)
}

func checked(text []byte) (Wire, error) {
	if !json.Valid(text) {
		_, err := decodeJSON(text)
		if err == nil {
			err = malformed("it is not JSON")
		}
		return nil, err
	}
	return text, nil
}

// isPlainNumber tells whether JSON has the number.
func isPlainNumber(f float64) bool {
	return !math.IsNaN(f) && !math.IsInf(f, 0) && !(f == 0 && math.Signbit(f))
}

// plainWriter writes JSON for as long as JSON loses nothing.
type plainWriter struct {
	out   []byte
	seen  map[any]bool
	depth int
}

// maxPlainDepth is where the writer leaves a value to the tagged form, which
// needs no recursion.
const maxPlainDepth = 500

func (p *plainWriter) write(v any) (plain bool, err error) {
	if id, ok := identity(v); ok {
		if p.seen[id] {
			return false, nil
		}
		p.seen[id] = true
	}
	if v, err = lift(v); err != nil {
		return false, err
	}
	if p.depth++; p.depth > maxPlainDepth {
		return false, nil
	}
	defer func() { p.depth-- }()
	switch v := v.(type) {
	case nil:
		p.out = append(p.out, "null"...)
	case bool:
		p.out = strconv.AppendBool(p.out, v)
	case float64:
		if !isPlainNumber(v) {
			return false, nil
		}
		p.out = appendNumber(p.out, v)
	case string:
		p.out = appendString(p.out, v)
	case []any:
		p.out = append(p.out, '[')
		for i, e := range v {
			if i > 0 {
				p.out = append(p.out, ',')
			}
			if plain, err := p.write(e); !plain {
				return false, err
			}
		}
		p.out = append(p.out, ']')
	case *Object:
		p.out = append(p.out, '{')
		for i, key := range v.keys {
			if i > 0 {
				p.out = append(p.out, ',')
			}
			p.out = append(appendString(p.out, key), ':')
			if plain, err := p.write(v.values[key]); !plain {
				return false, err
			}
		}
		p.out = append(p.out, '}')
	default:
		return false, nil
	}
	return true, nil
}

// packer writes the tagged form.
type packer struct {
	out  []byte
	todo []any // the values of the entries, in order
	at   map[any]int
}

func pack(v any) (Wire, error) {
	p := &packer{at: make(map[any]int), out: []byte{tagged, '['}}
	if err := p.slot(v); err != nil {
		return nil, err
	}
	for n := 0; n < len(p.todo); n++ {
		p.out = append(p.out, ',')
		if err := p.entry(p.todo[n]); err != nil {
			return nil, err
		}
		p.todo[n] = nil
		if len(p.out) > MaxSize {
			return nil, fmt.Errorf("%w: over %d bytes", ErrLimit, MaxSize)
		}
	}
	return append(p.out, ']'), nil
}

func (p *packer) special(n int) {
	p.out = append(strconv.AppendInt(append(p.out, '['), int64(n), 10), ']')
}

// slot writes a value, or where its entry will be.
func (p *packer) slot(v any) error {
	id, shared := identity(v)
	if n, known := p.at[id]; shared && known {
		p.special(n)
		return nil
	}
	v, err := lift(v)
	if err != nil {
		return err
	}
	switch v := v.(type) {
	case nil:
		p.out = append(p.out, "null"...)
	case bool:
		p.out = strconv.AppendBool(p.out, v)
	case string:
		p.out = appendString(p.out, v)
	case undefined:
		p.special(slotUndefined)
	case float64:
		p.number(v)
	case *big.Int:
		p.out = append(append(v.Append(append(p.out, `["`...), 16), '"'), ']')
	default:
		if len(p.todo) >= MaxValues {
			return fmt.Errorf("%w: over %d values", ErrLimit, MaxValues)
		}
		if shared {
			p.at[id] = len(p.todo)
		}
		p.special(len(p.todo))
		p.todo = append(p.todo, v)
	}
	return nil
}

func (p *packer) number(f float64) {
	switch {
	case math.IsNaN(f):
		p.special(slotNaN)
	case math.IsInf(f, 1):
		p.special(slotInf)
	case math.IsInf(f, -1):
		p.special(slotMinusInf)
	case !isPlainNumber(f):
		p.special(slotMinusZero)
	default:
		p.out = appendNumber(p.out, f)
	}
}

// list writes an entry's further parts.
func (p *packer) list(values ...any) error {
	for _, v := range values {
		p.out = append(p.out, ',')
		if err := p.slot(v); err != nil {
			return err
		}
	}
	return nil
}

func (p *packer) properties(o *Object) error {
	if o == nil {
		return nil
	}
	for key, v := range o.All() {
		p.out = appendString(append(p.out, ','), key)
		if err := p.list(v); err != nil {
			return err
		}
	}
	return nil
}

func (p *packer) entry(v any) (err error) {
	open := func(kind string) { p.out = append(append(append(p.out, `["`...), kind...), '"') }
	switch v := v.(type) {
	case *Object:
		open("o")
		err = p.properties(v)
	case []any:
		open("a")
		err = p.list(v...)
	case *Map:
		open("m")
		for _, e := range v.Entries {
			if err = p.list(e.Key, e.Value); err != nil {
				return err
			}
		}
	case *Set:
		open("s")
		err = p.list(v.Values...)
	case time.Time:
		open("d")
		if ms := v.UnixMilli(); math.Abs(float64(ms)) <= maxTime {
			p.out = strconv.AppendInt(append(p.out, ','), ms, 10)
		}
	case invalidDate:
		open("d")
	case *RegExp:
		open("r")
		last := v.LastIndex
		if !isPlainNumber(last) {
			last = 0
		}
		err = p.list(v.Source, v.Flags, last)
	case *Error:
		open("e")
		var cause, errs = v.Cause, Undefined
		if cause == nil {
			cause = Undefined
		}
		if v.Errors != nil {
			errs = v.Errors
		}
		if err = p.list(v.Name, v.Message, v.Stack, cause, errs); err == nil {
			err = p.properties(v.Properties)
		}
	default:
		open("b")
		err = p.buffer(v)
	}
	p.out = append(p.out, ']')
	return err
}

func (p *packer) buffer(v any) error {
	kind, data, err := bytesOf(v)
	if err != nil {
		return err
	}
	p.out = append(appendString(append(p.out, ','), kind), `,"`...)
	p.out = append(base64.StdEncoding.AppendEncode(p.out, data), '"')
	return nil
}

func bytesOf(v any) (kind string, data []byte, err error) {
	switch v := v.(type) {
	case []byte:
		return "Uint8Array", v, nil
	case ArrayBuffer:
		return "ArrayBuffer", v, nil
	case *TypedArray:
		_, err := view(v.Kind, v.Bytes)
		return v.Kind, v.Bytes, err
	}
	return "", nil, fmt.Errorf("value: a %T cannot be encoded", v) // lift has let something through
}
