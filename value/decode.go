package value

import (
	"encoding/base64"
	"fmt"
	"math"
	"math/big"
	"time"
)

// The tagged form is a JSON array [root, entry, entry, ...]. Every entry is an
// object, described by an array that begins with its kind:
//
//	["o", key, slot, ...]                      an object
//	["a", slot, ...]                           an array
//	["m", key slot, value slot, ...]           a Map
//	["s", slot, ...]                           a Set
//	["d", milliseconds] or ["d"]               a Date, or an invalid one
//	["r", source, flags, lastIndex]            a RegExp
//	["b", kind, base64]                        a buffer or a view of one
//	["e", name, message, stack, cause slot, errors slot, key, slot, ...]
//
// The root and every slot are null, a boolean, a number or a string, which
// stand for themselves; [n] for entry n, counted from 0; [-1] to [-5], see
// special; or ["hex"], a BigInt.
const (
	slotUndefined = -1
	slotNaN       = -2
	slotInf       = -3
	slotMinusInf  = -4
	slotMinusZero = -5
)

var special = map[int]any{
	slotUndefined: Undefined, slotNaN: math.NaN(), slotInf: math.Inf(1), slotMinusInf: math.Inf(-1),
	slotMinusZero: math.Copysign(0, -1),
}

// maxTime is the range of a Date, in milliseconds from 1970 either way.
const maxTime = 8.64e15

// maxBigInt is the largest BigInt, in hexadecimal digits.
const maxBigInt = 1 << 18

// Decode turns a wire form into Go values: nil, bool, float64, string, []any,
// *[Object], *[big.Int], [time.Time], []byte and the types of this package. A
// string with lone surrogates holds each as the three bytes that UTF-8 would
// have for it, so that it is not valid UTF-8. What is shared in the value is
// shared in Go, cycles included. The error wraps [ErrMalformed] or [ErrLimit].
func Decode(w Wire) (any, error) {
	if len(w) == 0 {
		return Undefined, nil
	}
	if w.IsJSON() {
		return decodeJSON(w)
	}
	parsed, err := decodeJSON(w[1:])
	if err != nil {
		return nil, err
	}
	list, ok := parsed.([]any)
	if !ok || len(list) == 0 {
		return nil, malformed("it is no list")
	}
	d := decoder{entries: make([][]any, len(list)-1), made: make([]any, len(list)-1)}
	for n, e := range list[1:] {
		if d.entries[n], ok = e.([]any); !ok {
			return nil, malformed("entry %d is no array", n)
		}
		if d.made[n], err = create(d.entries[n]); err != nil {
			return nil, fmt.Errorf("entry %d: %w", n, err)
		}
	}
	for n := range d.entries {
		if err := d.fill(n); err != nil {
			return nil, fmt.Errorf("entry %d: %w", n, err)
		}
	}
	return d.slot(list[0])
}

func malformed(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrMalformed, fmt.Sprintf(format, args...))
}

type decoder struct {
	entries [][]any
	made    []any
}

// create makes an entry's value; what contains others is still empty.
func create(e []any) (any, error) {
	texts := make([]string, 0, 3)
	for _, v := range e[:min(len(e), 4)] {
		s, ok := v.(string)
		if !ok {
			break
		}
		texts = append(texts, s)
	}
	if len(texts) == 0 {
		return nil, malformed("it has no kind")
	}
	switch kind := texts[0]; {
	case kind == "o" && len(e)%2 == 1:
		return &Object{}, nil
	case kind == "a":
		return make([]any, len(e)-1), nil
	case kind == "m" && len(e)%2 == 1:
		return &Map{Entries: make([]Entry, len(e)/2)}, nil
	case kind == "s":
		return &Set{Values: make([]any, len(e)-1)}, nil
	case kind == "d" && len(e) <= 2:
		return date(e[1:])
	case kind == "r" && len(e) == 4 && len(texts) >= 3:
		last, ok := e[3].(float64)
		if !ok {
			return nil, malformed("its lastIndex is no number")
		}
		return &RegExp{Source: texts[1], Flags: texts[2], LastIndex: last}, nil
	case kind == "b" && len(e) == 3 && len(texts) == 3:
		return buffer(texts[1], texts[2])
	case kind == "e" && len(e) >= 6 && len(e)%2 == 0 && len(texts) == 4:
		return &Error{Name: texts[1], Message: texts[2], Stack: texts[3]}, nil
	}
	return nil, malformed("it has an unknown kind, or the wrong form")
}

func date(of []any) (any, error) {
	if len(of) == 0 {
		return InvalidDate, nil
	}
	ms, ok := of[0].(float64)
	if !ok || ms != math.Trunc(ms) || math.Abs(ms) > maxTime {
		return nil, malformed("its time is out of range")
	}
	return time.UnixMilli(int64(ms)).UTC(), nil
}

func buffer(kind, text string) (any, error) {
	data, err := base64.StdEncoding.DecodeString(text)
	if err != nil {
		return nil, malformed("its bytes are not base64")
	}
	return view(kind, data)
}

// view makes the Go value of a kind of buffer.
func view(kind string, data []byte) (any, error) {
	switch size := elementSize[kind]; {
	case size == 0 || len(data)%size != 0:
		return nil, malformed("%d bytes are no %.32q", len(data), kind)
	case kind == "Uint8Array":
		return data, nil
	case kind == "ArrayBuffer":
		return ArrayBuffer(data), nil
	}
	return &TypedArray{Kind: kind, Bytes: data}, nil
}

// fill gives entry n what it contains.
func (d *decoder) fill(n int) (err error) {
	slot := func(v any) any {
		made, fault := d.slot(v)
		if fault != nil && err == nil {
			err = fault
		}
		return made
	}
	properties := func(o *Object, of []any) {
		for i := 0; i+1 < len(of) && err == nil; i += 2 {
			key, ok := of[i].(string)
			if _, twice := o.Get(key); !ok || twice {
				err = malformed("a key is no string, or is there twice")
				return
			}
			o.Set(key, slot(of[i+1]))
		}
	}
	e := d.entries[n]
	switch v := d.made[n].(type) {
	case *Object:
		properties(v, e[1:])
	case []any:
		for i := range v {
			v[i] = slot(e[i+1])
		}
	case *Map:
		for i := range v.Entries {
			v.Entries[i] = Entry{slot(e[1+2*i]), slot(e[2+2*i])}
		}
	case *Set:
		for i := range v.Values {
			v.Values[i] = slot(e[i+1])
		}
	case *Error:
		if v.Cause = slot(e[4]); v.Cause == Undefined {
			v.Cause = nil
		}
		switch errs := slot(e[5]).(type) {
		case []any:
			v.Errors = errs
		case undefined:
		default:
			return malformed("its errors are no array")
		}
		if len(e) > 6 {
			v.Properties = &Object{}
			properties(v.Properties, e[6:])
		}
	}
	return err
}

func (d *decoder) slot(v any) (any, error) {
	box, ok := v.([]any)
	if !ok {
		if _, isObject := v.(*Object); isObject {
			return nil, malformed("a slot is an object")
		}
		return v, nil
	}
	if len(box) != 1 {
		return nil, malformed("a slot has %d parts", len(box))
	}
	switch at := box[0].(type) {
	case float64:
		if s, ok := special[int(at)]; ok && at == math.Trunc(at) {
			return s, nil
		}
		if at >= 0 && at < float64(len(d.made)) && at == math.Trunc(at) {
			return d.made[int(at)], nil
		}
	case string:
		if n, ok := parseBigInt(at); ok {
			return n, nil
		}
	}
	return nil, malformed("a slot points nowhere")
}

func parseBigInt(hex string) (*big.Int, bool) {
	digits := hex
	if digits != "" && digits[0] == '-' {
		digits = digits[1:]
	}
	if len(digits) == 0 || len(digits) > maxBigInt || digits[0] == '+' || digits[0] == '-' {
		return nil, false
	}
	for _, c := range []byte(digits) {
		if c == '_' {
			return nil, false
		}
	}
	return new(big.Int).SetString(hex, 16)
}
