package wire

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"github.com/fxamacker/cbor/v2"
)

// ErrMalformed means that the other side sent what is no message.
var ErrMalformed = errors.New("malformed frame")

// Conn carries messages. One goroutine may read while another writes.
type Conn struct {
	conn io.ReadWriteCloser
	in   *bufio.Reader
	max  int
	buf  []byte
}

// NewConn makes a Conn that reads frames of at most max bytes. Close closes c.
func NewConn(c io.ReadWriteCloser, max int) *Conn {
	return &Conn{conn: c, in: bufio.NewReaderSize(c, 16<<10), max: max}
}

// Close ends what reads and writes.
func (c *Conn) Close() error { return c.conn.Close() }

var encoding = func() cbor.EncMode {
	mode, err := cbor.EncOptions{}.EncMode()
	if err != nil {
		panic("BUG: " + err.Error())
	}
	return mode
}()

var decoding = func() cbor.DecMode {
	mode, err := cbor.DecOptions{
		DupMapKey:         cbor.DupMapKeyEnforcedAPF,
		IndefLength:       cbor.IndefLengthForbidden,
		TagsMd:            cbor.TagsForbidden,
		IntDec:            cbor.IntDecConvertSignedOrFail,
		ExtraReturnErrors: cbor.ExtraDecErrorUnknownField,
		MaxNestedLevels:   8,
		MaxMapPairs:       16,
		MaxArrayElements:  1 << 20,
	}.DecMode()
	if err != nil {
		panic("BUG: " + err.Error())
	}
	return mode
}()

// Write sends a message.
func (c *Conn) Write(message any) error {
	data, err := encoding.Marshal(message)
	if err != nil {
		return fmt.Errorf("encode: %w", err)
	}
	c.buf = append(binary.BigEndian.AppendUint32(c.buf[:0], uint32(len(data))), data...)
	_, err = c.conn.Write(c.buf)
	if cap(c.buf) > 64<<10 {
		c.buf = nil
	}
	return err
}

// Read receives a message. An error that wraps ErrMalformed means that the
// other side broke the rules; any other, that it is gone.
func (c *Conn) Read(message any) error {
	var head [4]byte
	if _, err := io.ReadFull(c.in, head[:]); err != nil {
		return err
	}
	size := binary.BigEndian.Uint32(head[:])
	if size == 0 || int64(size) > int64(c.max) {
		return fmt.Errorf("%w: it has %d bytes; from 1 to %d are allowed", ErrMalformed, size, c.max)
	}
	data := make([]byte, size)
	if _, err := io.ReadFull(c.in, data); err != nil {
		return err
	}
	if err := decoding.Unmarshal(data, message); err != nil {
		return fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	return nil
}
