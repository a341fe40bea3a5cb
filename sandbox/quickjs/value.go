package quickjs

import (
	"encoding/binary"
	"errors"
	"math"
)

// Value is a JavaScript value of one instance: a number, or an address in its
// memory. Values that an instance held when it was snapshotted mean the same
// in every instance restored from that snapshot.
type Value uint64

// The tags in a Value's upper half, in the binary named by moduleSHA256.
const (
	tagString    = -7
	tagModule    = -3
	tagObject    = -1
	tagInt       = 0
	tagBool      = 1
	tagNull      = 2
	tagUndefined = 3
	tagException = 6
)

// Undefined is JavaScript's undefined.
const Undefined = Value(tagUndefined << 32)

// Int returns a JavaScript number.
func Int(n int32) Value { return Value(uint32(n)) }

// Bool returns a JavaScript boolean.
func Bool(b bool) Value {
	if b {
		return Value(tagBool<<32 | 1)
	}
	return Value(tagBool << 32)
}

// Float returns a JavaScript number.
func Float(f float64) Value {
	if f == math.Trunc(f) && math.Abs(f) < 1<<31 && !(f == 0 && math.Signbit(f)) {
		return Int(int32(f))
	}
	if math.IsNaN(f) {
		return boxedNaN
	}
	return Value(math.Float64bits(f) - floatBias)
}

// QuickJS boxes a float by subtracting floatBias from its bits, so that no
// float looks like a tag.
const (
	floatBias = 0x7ff8000a << 32
	boxedNaN  = Value(0xfffffff6 << 32)
)

func (v Value) tag() int32 { return int32(v >> 32) }

// IsUndefined tells whether v is undefined.
func (v Value) IsUndefined() bool { return v.tag() == tagUndefined }

// IsObject tells whether v is an object of any kind, a function included.
func (v Value) IsObject() bool { return v.tag() == tagObject }

// IsException tells whether v is not a value but a C function's word for
// "something was thrown".
func (v Value) IsException() bool { return v.tag() == tagException }

// Args are the arguments of a host call. They are valid until it returns.
type Args struct {
	i    *Instance
	argv uint32
	argc int32
}

// At returns argument n, or Undefined when there is none. What Args points to
// may be anything, so the read is checked.
func (a Args) At(n int) Value {
	at := uint64(a.argv) + uint64(n)*8
	if n < 0 || n >= int(a.argc) || at+8 > uint64(len(a.i.linear.bytes)) {
		return Undefined
	}
	return Value(binary.LittleEndian.Uint64(a.i.linear.bytes[at:]))
}

// Int returns argument n when it is a number that fits 32 bits, and 0
// otherwise.
func (a Args) Int(n int) int32 {
	if v := a.At(n); v.tag() == tagInt || v.tag() == tagBool {
		return int32(v)
	}
	return 0
}

// Text returns a copy of argument n when it is a string of at most max bytes
// of UTF-8; ok is false otherwise, with its length.
func (a Args) Text(n int, max int) (text []byte, length int, ok bool) {
	v := a.At(n)
	if v.tag() != tagString {
		return nil, 0, false
	}
	return a.i.Text(v, max)
}

// errNotString means that a value is no string.
var errNotString = errors.New("quickjs: not a string")

// Text returns a copy of v when it is a string of at most max bytes of UTF-8;
// ok is false otherwise, with its length. It never runs JavaScript.
func (i *Instance) Text(v Value, max int) (text []byte, length int, ok bool) {
	if v.tag() != tagString {
		return nil, 0, false
	}
	at := i.scratch + scratchOut
	ptr, err := i.kept(fnToString, uint64(i.jsctx), uint64(at), uint64(v), 0)
	if err != nil || ptr == 0 {
		return nil, 0, false
	}
	n, err := i.load32(at)
	if err != nil {
		return nil, 0, false
	}
	mem := i.linear.bytes
	if uint64(uint32(ptr))+uint64(n) > uint64(len(mem)) {
		i.trapped = true
		return nil, 0, false
	}
	if int(n) <= max {
		text = make([]byte, n)
		copy(text, mem[uint32(ptr):])
		ok = true
	}
	if _, err := i.kept(fnFreeText, uint64(i.jsctx), ptr); err != nil {
		return nil, 0, false
	}
	return text, int(n), ok
}

// write puts data, with a NUL behind it, into memory: the scratch block, or a
// block of its own, which release frees.
func (i *Instance) write(data []byte) (uint32, error) {
	at := i.scratch + scratchText
	if len(data) > scratchLimit {
		var err error
		if at, err = i.malloc(uint32(len(data)) + 1); err != nil {
			return 0, err
		}
	}
	copy(i.linear.bytes[at:], data)
	i.linear.bytes[at+uint32(len(data))] = 0
	return at, nil
}

func (i *Instance) release(p uint32) error {
	if p == i.scratch+scratchText {
		return nil
	}
	return i.free(p)
}

// ParseJSON makes a value of JSON text. It never runs JavaScript. Text that
// is not JSON is an *Exception; running out of memory is ErrMemory.
func (i *Instance) ParseJSON(json []byte) (Value, error) {
	p, err := i.write(json)
	if err != nil {
		return 0, err
	}
	// Only error messages would show the file name, so any NUL-terminated
	// text does: the JSON's own end.
	v, err := i.kept(fnParseJSON, uint64(i.jsctx), uint64(p), uint64(len(json)), uint64(p)+uint64(len(json)))
	if err != nil {
		return 0, err
	}
	if err := i.release(p); err != nil {
		return 0, err
	}
	return i.check(Value(v))
}

// NewString makes a string of UTF-8. Running out of memory is an *Exception or
// ErrMemory.
func (i *Instance) NewString(text []byte) (Value, error) {
	p, err := i.write(text)
	if err != nil {
		return 0, err
	}
	v, err := i.kept(fnNewString, uint64(i.jsctx), uint64(p), uint64(len(text)))
	if err != nil {
		return 0, err
	}
	if err := i.release(p); err != nil {
		return 0, err
	}
	return i.check(Value(v))
}

// Free drops a reference that a function of this package returned.
func (i *Instance) Free(v Value) error {
	_, err := i.kept(fnFreeValue, uint64(i.jsctx), uint64(v))
	return err
}

// Dup takes another reference to v.
func (i *Instance) Dup(v Value) (Value, error) {
	d, err := i.once("QJS_CloneValue", uint64(i.jsctx), uint64(v))
	return Value(d), err
}
