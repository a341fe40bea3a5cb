package value

import (
	"encoding/json"
	"errors"
	"math/big"
	"time"
)

const (
	// MaxSize is how many bytes of wire form or CBOR are read, and how many
	// bytes of JSON or CBOR are made of a value in which much is shared.
	MaxSize = 8 << 20
	// MaxValues is how many values one value may hold.
	MaxValues = 1 << 20
	// MaxDepth is how deep arrays and objects may lie in each other in JSON.
	// The wire form of other values has no such limit.
	MaxDepth = 10_000
)

var (
	// ErrMalformed means that bytes are not what they should be.
	ErrMalformed = errors.New("value: malformed")
	// ErrLimit means that a value is larger or deeper than this package takes.
	ErrLimit = errors.New("value: too large")
	// ErrCircular means that a value has no JSON form: it contains itself.
	ErrCircular = errors.New("value: circular")
)

// Wire is a value on its way between the processes: JSON, or, after a NUL
// byte, what JSON cannot hold. Empty stands for undefined. [Decode] and
// [Encode] are its Go side.
type Wire []byte

// IsJSON reports whether w is JSON as it is: not empty, not tagged.
func (w Wire) IsJSON() bool { return len(w) > 0 && w[0] != tagged }

// tagged begins a wire form that is not JSON.
const tagged = 0

type undefined struct{}

func (undefined) String() string               { return "undefined" }
func (undefined) MarshalJSON() ([]byte, error) { return []byte("null"), nil }

// Undefined is JavaScript's undefined; nil is null.
var Undefined any = undefined{}

// invalidDate is a Date whose time value is NaN. A valid one is a [time.Time] in
// UTC, in whole milliseconds.
type invalidDate struct{}

func (invalidDate) String() string               { return "Invalid Date" }
func (invalidDate) MarshalJSON() ([]byte, error) { return []byte("null"), nil }

// InvalidDate is a Date that holds no time. A valid one is a [time.Time].
var InvalidDate any = invalidDate{}

// ArrayBuffer is an ArrayBuffer's content; []byte stands for a Uint8Array.
type ArrayBuffer []byte

// TypedArray is a typed array other than Uint8Array, or a DataView: a copy of
// the bytes that it shows, in little-endian order.
type TypedArray struct {
	Kind  string // "Int8Array", ..., "BigUint64Array", "DataView"
	Bytes []byte
}

// elementSize is the size of an element by the kind of typed array.
var elementSize = map[string]int{
	"Int8Array": 1, "Uint8Array": 1, "Uint8ClampedArray": 1, "DataView": 1, "ArrayBuffer": 1,
	"Int16Array": 2, "Uint16Array": 2, "Float16Array": 2,
	"Int32Array": 4, "Uint32Array": 4, "Float32Array": 4,
	"Float64Array": 8, "BigInt64Array": 8, "BigUint64Array": 8,
}

// Map is a JavaScript Map: its pairs in order of insertion.
type Map struct{ Entries []Entry }

// Entry is a pair of a Map.
type Entry struct{ Key, Value any }

// Set is a JavaScript Set: its values in order of insertion.
type Set struct{ Values []any }

// RegExp is a regular expression in JavaScript's syntax.
type RegExp struct {
	Source, Flags string
	LastIndex     float64
}

// Error is a JavaScript error.
type Error struct {
	Name, Message, Stack string
	// Cause is what caused it, nil when it says nothing: a cause of null
	// counts as none.
	Cause any
	// Errors are those of an AggregateError; nil for any other.
	Errors []any
	// Properties are its further own enumerable properties; nil for none.
	Properties *Object
}

func (e *Error) Error() string {
	if e.Message == "" {
		return e.Name
	}
	return e.Name + ": " + e.Message
}

// Unwrap returns the cause, if it is an error too.
func (e *Error) Unwrap() error {
	err, _ := e.Cause.(*Error)
	if err == nil {
		return nil // not an error that holds a nil
	}
	return err
}

// identity returns what tells v from an equal value elsewhere, if it has an
// identity in JavaScript that Go can hold.
func identity(v any) (any, bool) {
	switch v := v.(type) {
	case *Object, *Map, *Set, *RegExp, *Error, *TypedArray:
		return v, true
	case []any:
		if len(v) > 0 {
			return &v[0], true
		}
	case []byte:
		if len(v) > 0 {
			return &v[0], true
		}
	case ArrayBuffer:
		if len(v) > 0 {
			return &v[0], true
		}
	case map[string]any:
		return mapAddress(v), true
	}
	return nil, false
}

// lift brings the further Go types that are taken to those of this package.
func lift(v any) (any, error) {
	switch v := v.(type) {
	case nil, bool, string, float64, undefined, invalidDate, time.Time, []any, []byte, ArrayBuffer:
		return v, nil
	case *Object:
		return nonNil(v, v == nil)
	case *Map:
		return nonNil(v, v == nil)
	case *Set:
		return nonNil(v, v == nil)
	case *RegExp:
		return nonNil(v, v == nil)
	case *Error:
		return nonNil(v, v == nil)
	case *TypedArray:
		return nonNil(v, v == nil)
	case *big.Int:
		return nonNil(v, v == nil)
	case int:
		return float64(v), nil
	case int64:
		return float64(v), nil
	case uint64:
		return float64(v), nil
	case map[string]any:
		return sorted(v), nil
	case Wire:
		return Decode(v)
	case json.RawMessage:
		return decodeJSON(v)
	}
	text, err := json.Marshal(v)
	if err != nil {
		return nil, err
	}
	return decodeJSON(text)
}

func nonNil(v any, isNil bool) (any, error) {
	if isNil {
		return nil, nil
	}
	return v, nil
}
