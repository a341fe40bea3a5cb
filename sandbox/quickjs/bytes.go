package quickjs

import (
	"bytes"
	"encoding/binary"
)

// Len returns how many arguments there are.
func (a Args) Len() int { return max(int(a.argc), 0) }

// Bytes returns a copy of argument n when it is an ArrayBuffer of at most max
// bytes; ok is false otherwise, with its length.
func (a Args) Bytes(n, max int) (data []byte, length int, ok bool) {
	return a.i.Bytes(a.At(n), max)
}

// Slice returns a copy of length bytes of argument n from start on, when it is
// an ArrayBuffer that has them.
func (a Args) Slice(n, start, length int) (data []byte, ok bool) {
	at, size, ok := a.i.buffer(a.At(n))
	if !ok || start < 0 || length < 0 || start+length > size {
		return nil, false
	}
	return bytes.Clone(a.i.linear.bytes[at+start : at+start+length]), true
}

// Bytes returns a copy of v when it is an ArrayBuffer, not detached, of at most
// max bytes; ok is false otherwise, with its length. It never runs JavaScript.
func (i *Instance) Bytes(v Value, max int) (data []byte, length int, ok bool) {
	at, n, ok := i.buffer(v)
	if !ok || n > max {
		return nil, n, false
	}
	return bytes.Clone(i.linear.bytes[at : at+n]), n, true
}

// buffer returns where in memory an ArrayBuffer's bytes are.
func (i *Instance) buffer(v Value) (start, length int, ok bool) {
	if !v.IsObject() {
		return 0, 0, false
	}
	at, err := i.once("QJS_GetArrayBuffer", uint64(i.jsctx), uint64(v))
	if err != nil {
		return 0, 0, false
	}
	if uint32(at) == 0 {
		// What is no ArrayBuffer has thrown.
		_ = i.dropException()
		return 0, 0, false
	}
	p := uint64(uint32(at))
	if p+8 > uint64(len(i.linear.bytes)) {
		i.trapped = true
		return 0, 0, false
	}
	packed := binary.LittleEndian.Uint64(i.linear.bytes[p:])
	if err := i.free(uint32(at)); err != nil {
		return 0, 0, false
	}
	from, n := packed>>32, packed&0xffffffff
	if from+n > uint64(len(i.linear.bytes)) {
		i.trapped = true
		return 0, 0, false
	}
	return int(from), int(n), true
}

// NewArrayBuffer makes an ArrayBuffer with a copy of data. Running out of
// memory is an *Exception or ErrMemory.
func (i *Instance) NewArrayBuffer(data []byte) (Value, error) {
	p, err := i.write(data)
	if err != nil {
		return 0, err
	}
	v, err := i.once("JS_NewArrayBufferCopy", uint64(i.jsctx), uint64(p), uint64(len(data)))
	if err != nil {
		return 0, err
	}
	if err := i.release(p); err != nil {
		return 0, err
	}
	return i.check(Value(v))
}

// Engine returns the engine that made the instance.
func (i *Instance) Engine() *Engine { return i.engine }

// IsInt tells whether v is a number that Args.Int reads.
func (v Value) IsInt() bool { return v.tag() == tagInt || v.tag() == tagBool }
