package ipc

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"golang.org/x/sys/unix"
	"google.golang.org/protobuf/proto"

	"github.com/bulkhead-run/bulkhead/internal/prompt"
	"github.com/bulkhead-run/bulkhead/ipc/sandboxpb"
)

const (
	slotHeader = 4 // bytes: the length of the message that follows, little-endian
	slotBuffer = 4 << 10
	// keptBuffer is the largest buffer that is kept for the next frame.
	keptBuffer = 64 << 10
	// trusted is how much memory a length alone is worth: more is taken as
	// the bytes come.
	trusted = 64 << 10
	// A Log that comes within logPause of others that were sent waits for more, up
	// to maxHeld bytes: a write for each would wake the supervisor for every line.
	logPause = time.Millisecond
	maxHeld  = 16 << 10
)

// Slot is the supervisor's end of an execution slot: a socket of its own on
// which frames pass as they are, so that whoever waits for one is woken by the
// kernel. A gRPC stream would add, on each side and for each frame, a goroutine
// that writes and one that reads. One Send and one Recv at a time.
type Slot struct {
	frames
	unsent unsent
}

// SandboxSlot is the child's end. One Send or Flush and one Recv at a time.
type SandboxSlot struct {
	frames
	held   []byte    // Logs that wait, as they will be sent
	logged time.Time // when some were sent last
}

// NewSlot returns a slot, and the file that its child has to be sent. The caller
// closes both: the file once it has been sent, for the child's death ends the
// slot only when nobody else holds its end.
func NewSlot() (*Slot, *os.File, error) {
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		return nil, nil, fmt.Errorf("a socket for a slot: %w", err)
	}
	s := &Slot{frames: newFrames(pair[0])}
	if err := s.unsent.init(s.conn); err != nil {
		return nil, nil, errors.Join(err, s.Close(), unix.Close(pair[1]))
	}
	return s, os.NewFile(uintptr(pair[1]), "slot"), nil
}

// OpenSlot returns the slot at a descriptor, which it takes over. The caller
// closes it.
func OpenSlot(fd int) *SandboxSlot { return &SandboxSlot{frames: newFrames(fd)} }

// Send sends a frame. When the child does not read it keeps up to maxUnsent
// bytes, and then waits; the child's end, or Close, makes it fail.
func (s *Slot) Send(f *sandboxpb.ToSandbox) error {
	out, err := s.encode(f)
	if err == nil {
		err = s.unsent.write(out)
	}
	if err != nil {
		return fmt.Errorf("sending a frame: %w", err)
	}
	return nil
}

// Recv returns the next frame. The error is a *Violation when the child sent
// what is none; anything else means that it has gone.
func (s *Slot) Recv() (*sandboxpb.FromSandbox, error) {
	var f sandboxpb.FromSandbox
	if err := s.recv(&f); err != nil {
		return nil, err
	}
	return &f, nil
}

// Send sends a frame, and before it the Logs that wait; a Log that follows
// others closely waits itself, until Flush at the latest. Send waits for as long
// as the supervisor does not read.
func (s *SandboxSlot) Send(f *sandboxpb.FromSandbox) error {
	out, err := s.encode(f)
	if err != nil {
		return fmt.Errorf("sending a frame: %w", err)
	}
	if len(s.held) > 0 || f.GetLog() != nil {
		s.held = append(s.held, out...)
		if f.GetLog() != nil && len(s.held) < maxHeld && time.Since(s.logged) < logPause {
			return nil
		}
		return s.Flush()
	}
	return s.write(out)
}

// Flush sends the Logs that wait. It is called often while JavaScript runs, and
// before any wait.
func (s *SandboxSlot) Flush() error {
	if len(s.held) == 0 {
		return nil
	}
	err := s.write(s.held)
	s.logged = time.Now()
	if s.held = s.held[:0]; cap(s.held) > keptBuffer {
		s.held = nil
	}
	return err
}

func (s *SandboxSlot) write(out []byte) error {
	if _, err := s.bytes.Write(out); err != nil {
		return fmt.Errorf("sending a frame: %w", err)
	}
	return nil
}

// Recv returns the next frame.
func (s *SandboxSlot) Recv() (*sandboxpb.ToSandbox, error) {
	var f sandboxpb.ToSandbox
	if err := s.recv(&f); err != nil {
		return nil, err
	}
	return &f, nil
}

// frames are messages on a stream of bytes, each behind its length.
type frames struct {
	conn  *os.File
	bytes *prompt.Socket
	in    *bufio.Reader
	out   []byte
}

func newFrames(fd int) frames {
	conn := os.NewFile(uintptr(fd), "slot")
	bytes, err := prompt.New(conn)
	if err != nil {
		panic("BUG: " + err.Error()) // it is open
	}
	return frames{conn: conn, bytes: bytes, in: bufio.NewReaderSize(bytes, slotBuffer)}
}

// Close ends the slot; a call that waits fails. It may be called often.
func (c *frames) Close() error {
	err := c.conn.Close()
	if errors.Is(err, os.ErrClosed) {
		return nil
	}
	return err
}

// encode returns a message behind its length, valid until the next call.
func (c *frames) encode(m proto.Message) ([]byte, error) {
	out, err := proto.MarshalOptions{}.MarshalAppend(append(c.out[:0], make([]byte, slotHeader)...), m)
	if err != nil {
		return nil, err
	}
	length := len(out) - slotHeader
	if length > MaxFrame {
		return nil, fmt.Errorf("it has %d bytes; the most is %d", length, MaxFrame)
	}
	binary.LittleEndian.PutUint32(out, uint32(length))
	if cap(out) <= keptBuffer {
		c.out = out
	}
	return out, nil
}

func (c *frames) recv(m proto.Message) error {
	header, err := c.in.Peek(slotHeader)
	if err != nil {
		return fmt.Errorf("receiving a frame: %w", err)
	}
	length := int(binary.LittleEndian.Uint32(header))
	if length > MaxFrame {
		return &Violation{Frame: "Slot", Reason: fmt.Sprintf("a frame of %d bytes; the most is %d", length, MaxFrame)}
	}
	_, _ = c.in.Discard(slotHeader)
	if length <= slotBuffer {
		raw, err := c.in.Peek(length)
		if err != nil {
			return fmt.Errorf("receiving a frame: %w", err)
		}
		err = decodeFrame(raw, m)
		_, _ = c.in.Discard(length)
		return err
	}
	raw, err := c.large(length)
	if err != nil {
		return fmt.Errorf("receiving a frame: %w", err)
	}
	return decodeFrame(raw, m)
}

// large reads length bytes into memory that grows with what has come.
func (c *frames) large(length int) ([]byte, error) {
	raw := make([]byte, 0, min(length, trusted))
	for len(raw) < length {
		if len(raw) == cap(raw) {
			raw = append(make([]byte, 0, min(length, 2*cap(raw))), raw...)
		}
		n, err := io.ReadFull(c.in, raw[len(raw):cap(raw)])
		raw = raw[:len(raw)+n]
		if err != nil {
			return nil, err
		}
	}
	return raw, nil
}

func decodeFrame(raw []byte, m proto.Message) error {
	if err := proto.Unmarshal(raw, m); err != nil {
		return &Violation{Frame: "Slot", Reason: "a frame cannot be decoded: " + Clip(err.Error(), MaxDetail)}
	}
	return nil
}
