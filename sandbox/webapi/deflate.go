package webapi

import (
	"bytes"
	"compress/flate"
	"encoding/binary"
)

// Streams are compressed and decompressed a piece at a time. What goes from one
// call to the next is bytes that JavaScript keeps: they are under the
// instance's memory limit, are part of snapshots, and need no cleaning up.

// window is how far back compressed data refers.
const window = 32 << 10

// maxPiece bounds the input of a call, and so how long it takes.
const maxPiece = 256 << 10

func knownFormat(format string) error {
	switch format {
	case "gzip", "deflate", "deflate-raw":
		return nil
	}
	return typeError("unsupported compression format %q", clip(format))
}

// piece is a call's result: the length of the state, how much of the input was
// used, both in four bytes, the state, the output.
func piece(state []byte, used int, out []byte) []byte {
	b := make([]byte, 0, 8+len(state)+len(out))
	b = binary.LittleEndian.AppendUint32(b, uint32(len(state)))
	b = binary.LittleEndian.AppendUint32(b, uint32(used))
	return append(append(b, state...), out...)
}

// deflateHeaders are the formats' first bytes; gzip's with no name and no time.
var deflateHeaders = map[string][]byte{
	"gzip":    {0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255},
	"deflate": {0x78, 0x9c},
}

// deflate is deflate(format, state or nothing, input, 1 at the end): the input
// compressed. The state is the checksum, and the input's last bytes.
func deflate(a Args) (any, error) {
	format, state, in := a.Text(0), a.Bytes(1), a.Bytes(2)
	if err := knownFormat(format); err != nil {
		return nil, err
	}
	if len(in) > maxPiece {
		return nil, rangeError("a piece is over %d bytes", maxPiece)
	}
	sum := newChecksum(format)
	var before []byte
	var out bytes.Buffer
	if len(state) >= 8 {
		sum = checksum{binary.LittleEndian.Uint32(state), binary.LittleEndian.Uint32(state[4:])}
		before = state[8:]
	} else {
		out.Write(deflateHeaders[format])
	}
	sum.add(format, in)
	w, err := flate.NewWriterDict(&out, flate.DefaultCompression, before)
	if err == nil {
		_, err = w.Write(in)
	}
	last := a.Int(3) != 0
	switch {
	case err != nil:
	case last:
		err = w.Close()
	default:
		err = w.Flush()
	}
	if err != nil {
		return nil, domError("OperationError", "compressing failed")
	}
	if last {
		out.Write(sum.trailer(format))
		return piece(nil, len(in), out.Bytes()), nil
	}
	state = binary.LittleEndian.AppendUint32(nil, sum.Sum)
	state = binary.LittleEndian.AppendUint32(state, sum.Size)
	return piece(append(state, tail(before, in)...), len(in), out.Bytes()), nil
}

// tail is the last bytes of a and b, as much as a window holds.
func tail(a, b []byte) []byte {
	if len(b) >= window {
		return b[len(b)-window:]
	}
	keep := min(len(a), window-len(b))
	return append(append(make([]byte, 0, keep+len(b)), a[len(a)-keep:]...), b...)
}
