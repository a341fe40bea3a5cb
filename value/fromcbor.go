package value

import (
	"encoding/binary"
	"fmt"
	"math"
	"math/big"
	"slices"
	"time"
	"unicode/utf8"
)

// FromCBOR returns the wire form of a CBOR item: one of those that [ToCBOR]
// makes, or what another encoder makes of maps, arrays, numbers and the tags
// of RFC 8949 and RFC 8746. A map with a key that is no text becomes a Map,
// a whole number beyond ±(2^53-1) a BigInt. Unknown tags, indefinite lengths,
// duplicate keys and text that is not UTF-8 are refused. The error wraps
// [ErrMalformed] or [ErrLimit].
func FromCBOR(data []byte) (Wire, error) {
	v, err := decodeCBOR(data)
	if err != nil {
		return nil, err
	}
	return Encode(v)
}

func decodeCBOR(data []byte) (any, error) {
	if len(data) > MaxSize {
		return nil, fmt.Errorf("%w: %d bytes; the most is %d", ErrLimit, len(data), MaxSize)
	}
	if err := strict.Wellformed(data); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	r := &cborReader{data: data}
	return r.item(-1)
}

// cborReader makes values of data that is known to be well formed.
type cborReader struct {
	data   []byte
	at     int
	values int
	shared []any // what tag 28 marks; nil while there is nothing to refer to
}

func (r *cborReader) head() (major byte, n uint64, info byte) {
	b := r.data[r.at]
	r.at++
	major, info = b&0xe0, b&31
	switch info {
	case 24:
		n = uint64(r.data[r.at])
		r.at++
	case 25:
		n = uint64(binary.BigEndian.Uint16(r.data[r.at:]))
		r.at += 2
	case 26:
		n = uint64(binary.BigEndian.Uint32(r.data[r.at:]))
		r.at += 4
	case 27:
		n = binary.BigEndian.Uint64(r.data[r.at:])
		r.at += 8
	default:
		n = uint64(info)
	}
	return major, n, info
}

func (r *cborReader) take(n uint64) []byte {
	b := r.data[r.at : r.at+int(n)]
	r.at += int(n)
	return b
}

// item reads one item. share is the number that tag 28 gave it, or -1: what
// can contain itself is entered there before its content is read.
func (r *cborReader) item(share int) (any, error) {
	if r.values++; r.values > MaxValues {
		return nil, fmt.Errorf("%w: over %d values", ErrLimit, MaxValues)
	}
	major, n, info := r.head()
	switch major {
	case majorUint:
		if n > maxSafe {
			return new(big.Int).SetUint64(n), nil
		}
		return float64(n), nil
	case majorNegative:
		if n >= maxSafe {
			return new(big.Int).Not(new(big.Int).SetUint64(n)), nil
		}
		return -1 - float64(n), nil
	case majorBytes:
		return r.note(share, slices.Clone(r.take(n))), nil
	case majorText:
		b := r.take(n)
		if !utf8.Valid(b) {
			return nil, malformed("text that is not UTF-8")
		}
		return string(b), nil
	case majorArray:
		list := make([]any, n)
		r.note(share, list)
		return list, r.fill(list)
	case majorMap:
		return r.mapping(int(n), share)
	case majorTag:
		return r.tagged(n, share)
	}
	return simple(n, info)
}

func (r *cborReader) note(share int, v any) any {
	if share >= 0 {
		r.shared[share] = v
	}
	return v
}

func simple(n uint64, info byte) (any, error) {
	switch info {
	case 20, 21:
		return info == 21, nil
	case 22:
		return nil, nil
	case 23:
		return Undefined, nil
	case 25:
		return half(uint16(n)), nil
	case 26:
		return float64(math.Float32frombits(uint32(n))), nil
	case 27:
		return math.Float64frombits(n), nil
	}
	return nil, malformed("unknown simple value %d", n)
}

func (r *cborReader) fill(list []any) (err error) {
	for i := range list {
		if list[i], err = r.item(-1); err != nil {
			return err
		}
	}
	return nil
}

// mapping reads a map: an object when all of its keys are text. One that tag 28
// marks has to show with its first key what it is.
func (r *cborReader) mapping(n, share int) (any, error) {
	o := &Object{}
	if n == 0 {
		return r.note(share, o), nil
	}
	if major, m, _ := r.peek(); major != majorText && (major != majorTag || m != tagWTF8) {
		m := &Map{}
		r.note(share, m)
		return m, r.entries(m, n)
	}
	r.note(share, o)
	for i := range n {
		key, err := r.item(-1)
		if err != nil {
			return nil, err
		}
		name, ok := key.(string)
		if !ok {
			if share >= 0 {
				return nil, malformed("a shared map with keys of several kinds has no tag 259")
			}
			m := &Map{}
			for k, v := range o.All() {
				m.Entries = append(m.Entries, Entry{k, v})
			}
			v, err := r.item(-1)
			if err != nil {
				return nil, err
			}
			m.Entries = append(m.Entries, Entry{key, v})
			return m, r.entries(m, n-i-1)
		}
		if _, twice := o.Get(name); twice {
			return nil, malformed("key %.64q is there twice", name)
		}
		v, err := r.item(-1)
		if err != nil {
			return nil, err
		}
		o.Set(name, v)
	}
	return o, nil
}

func (r *cborReader) peek() (major byte, n uint64, info byte) {
	at := r.at
	major, n, info = r.head()
	r.at = at
	return major, n, info
}

// entries reads n further pairs of a Map.
func (r *cborReader) entries(m *Map, n int) error {
	seen := make(map[any]bool, n)
	for _, e := range m.Entries {
		if id, ok := keyIdentity(e.Key); ok {
			seen[id] = true
		}
	}
	for range n {
		key, err := r.item(-1)
		if err != nil {
			return err
		}
		if id, ok := keyIdentity(key); ok {
			if seen[id] {
				return malformed("a key is there twice")
			}
			seen[id] = true
		}
		v, err := r.item(-1)
		if err != nil {
			return err
		}
		m.Entries = append(m.Entries, Entry{key, v})
	}
	return nil
}

// keyIdentity returns what a Map tells keys apart by, for keys that may occur
// twice in different bytes.
func keyIdentity(key any) (any, bool) {
	switch key := key.(type) {
	case nil, bool, string, undefined:
		return key, true
	case float64:
		if key != key {
			return "NaN", true
		}
		return key, true
	case *big.Int:
		return [1]string{key.String()}, true
	}
	return identity(key)
}

func (r *cborReader) tagged(tag uint64, share int) (any, error) {
	switch tag {
	case tagShareable:
		if share >= 0 {
			return nil, malformed("tag 28 in itself")
		}
		r.shared = append(r.shared, nil)
		n := len(r.shared) - 1
		v, err := r.item(n)
		if err == nil && r.shared[n] == nil {
			r.shared[n] = v
		}
		return v, err
	case tagReference:
		major, n, _ := r.head()
		if major != majorUint || n >= uint64(len(r.shared)) || r.shared[n] == nil {
			return nil, malformed("tag 29 refers to nothing")
		}
		return r.shared[n], nil
	case tagSet:
		s := &Set{}
		r.note(share, s)
		list, err := r.list("tag 258")
		s.Values = list
		return s, err
	case tagMap:
		m := &Map{}
		r.note(share, m)
		major, n, _ := r.head()
		if major != majorMap {
			return nil, malformed("tag 259 is on no map")
		}
		return m, r.entries(m, int(n))
	case tagRegExp:
		list, err := r.list("tag 21066")
		if err != nil {
			return nil, err
		}
		return r.regExp(list, share)
	case tagJS:
		return r.ours(share)
	}
	v, err := r.item(-1)
	if err != nil {
		return nil, err
	}
	made, err := scalar(tag, v)
	return r.note(share, made), err
}

func (r *cborReader) list(what string) ([]any, error) {
	major, n, _ := r.head()
	if major != majorArray {
		return nil, malformed("%s is on no array", what)
	}
	list := make([]any, n)
	return list, r.fill(list)
}

// scalar makes the value of a tag whose content is bytes, text or a number.
func scalar(tag uint64, v any) (any, error) {
	switch content := v.(type) {
	case []byte:
		switch tag {
		case tagPositiveBig, tagNegativeBig:
			if len(content) > maxBigInt/2 {
				return nil, fmt.Errorf("%w: a BigInt of %d bytes", ErrLimit, len(content))
			}
			n := new(big.Int).SetBytes(content)
			if tag == tagNegativeBig {
				n.Not(n)
			}
			return n, nil
		case tagWTF8:
			return wtf8(content)
		}
		if kind, ok := arrayKinds[tag]; ok {
			if tag != arrayTags[kind][0] {
				swap(content, elementSize[kind])
			}
			return view(kind, content)
		}
	case string:
		if tag == tagDateText {
			t, err := time.Parse(time.RFC3339, content)
			if err != nil {
				return nil, malformed("tag 0 is on no date")
			}
			return t.Truncate(time.Millisecond).UTC(), nil
		}
	case float64:
		if tag == tagEpoch {
			ms := math.Round(content * 1000)
			if math.Abs(ms) <= maxTime {
				return time.UnixMilli(int64(ms)).UTC(), nil
			}
			return InvalidDate, nil
		}
	}
	return nil, malformed("tag %d is unknown, or on the wrong thing", tag)
}

// wtf8 checks that text is UTF-8 but for lone surrogates.
func wtf8(text []byte) (any, error) {
	s := string(text)
	for i := 0; i < len(s); {
		r, n := utf8.DecodeRuneInString(s[i:])
		if r == utf8.RuneError && n == 1 {
			u, ok := surrogate(s[i:])
			if !ok {
				return nil, malformed("tag 273 is on other bytes than WTF-8")
			}
			n = 3
			if next, ok := surrogate(s[i+3:]); ok && u < 0xdc00 && next >= 0xdc00 {
				return nil, malformed("tag 273 has a pair of surrogates")
			}
		}
		i += n
	}
	return s, nil
}

func swap(data []byte, size int) {
	for i := 0; i+size <= len(data); i += size {
		slices.Reverse(data[i : i+size])
	}
}

func (r *cborReader) regExp(list []any, share int) (any, error) {
	re := &RegExp{}
	r.note(share, re)
	ok := len(list) == 2 || len(list) == 3
	if ok {
		re.Source, ok = list[0].(string)
	}
	if ok {
		re.Flags, ok = list[1].(string)
	}
	if ok && len(list) == 3 {
		re.LastIndex, ok = list[2].(float64)
	}
	if !ok {
		return nil, malformed("tag 21066 is on no [source, flags]")
	}
	return re, nil
}

// ours reads what tagJS is on.
func (r *cborReader) ours(share int) (any, error) {
	wrong := func() (any, error) { return nil, malformed("tag %d has an unknown form", uint64(tagJS)) }
	major, n, _ := r.head()
	if major != majorArray || n < 2 {
		return wrong()
	}
	kind, err := r.item(-1)
	if err != nil {
		return nil, err
	}
	if kind != "Error" {
		content, err := r.item(-1)
		data, ok := content.([]byte)
		if err != nil || !ok || n != 2 || kind != "ArrayBuffer" && kind != "DataView" {
			return wrong()
		}
		v, err := view(kind.(string), data)
		return r.note(share, v), err
	}
	e := &Error{}
	r.note(share, e)
	list := make([]any, n-1)
	if err := r.fill(list); err != nil {
		return nil, err
	}
	if len(list) != 6 {
		return wrong()
	}
	texts := []*string{&e.Name, &e.Message, &e.Stack}
	for i, t := range texts {
		var ok bool
		if *t, ok = list[i].(string); !ok {
			return wrong()
		}
	}
	if list[3] != Undefined {
		e.Cause = list[3]
	}
	var ok bool
	if e.Errors, ok = list[4].([]any); !ok && list[4] != Undefined {
		return wrong()
	}
	if e.Properties, ok = list[5].(*Object); !ok && list[5] != Undefined {
		return wrong()
	}
	return e, nil
}
