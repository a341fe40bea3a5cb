package ipc

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"os"
	"runtime"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
	"google.golang.org/protobuf/proto"

	"github.com/bulkhead-run/bulkhead/ipc/sandboxpb"
)

// slotPair returns a slot, and its child's end as bytes.
func slotPair(t testing.TB) (*Slot, *os.File) {
	t.Helper()
	slot, theirs, err := NewSlot()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = errors.Join(slot.Close(), theirs.Close()) })
	return slot, theirs
}

func result(value []byte) *sandboxpb.FromSandbox {
	return &sandboxpb.FromSandbox{Frame: &sandboxpb.FromSandbox_Result{Result: &sandboxpb.Result{Invocation: 7, Value: value}}}
}

func TestSlot(t *testing.T) {
	slot, theirs := slotPair(t)
	fd, err := unix.FcntlInt(theirs.Fd(), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	_ = theirs.Close()
	child := OpenSlot(fd)
	defer child.Close()
	answered := make(chan error, 1)
	go func() {
		for {
			f, err := child.Recv()
			if err == nil {
				err = child.Send(result(f.GetInvoke().GetEvent()))
			}
			if err != nil {
				answered <- err
				return
			}
		}
	}()
	for _, size := range []int{0, 1, slotBuffer - 1, slotBuffer, slotBuffer + 1, trusted, keptBuffer + 1, 1 << 20, 6 << 20, 3} {
		event := bytes.Repeat([]byte{'e'}, size)
		if err := slot.Send(&sandboxpb.ToSandbox{Frame: &sandboxpb.ToSandbox_Invoke{Invoke: &sandboxpb.Invoke{Event: event}}}); err != nil {
			t.Fatal(err)
		}
		f, err := slot.Recv()
		if err != nil || f.GetResult().GetInvocation() != 7 || !bytes.Equal(f.GetResult().GetValue(), event) {
			t.Fatalf("%d bytes came back as %d, %v", size, len(f.GetResult().GetValue()), err)
		}
	}
	if err := slot.Send(&sandboxpb.ToSandbox{Frame: &sandboxpb.ToSandbox_Invoke{Invoke: &sandboxpb.Invoke{Event: make([]byte, MaxFrame)}}}); err == nil {
		t.Error("more than the most was sent")
	}
	if err := errors.Join(slot.Close(), slot.Close()); err != nil {
		t.Error(err)
	}
	if err := <-answered; !errors.Is(err, io.EOF) {
		t.Errorf("the child heard %v of the end", err)
	}
}

// Lines of log that follow each other closely come together, in their order, and
// before whatever is sent after them.
func TestSlotLogs(t *testing.T) {
	slot, theirs := slotPair(t)
	fd, err := unix.FcntlInt(theirs.Fd(), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	child := OpenSlot(fd)
	defer child.Close()
	log := func(message string) {
		t.Helper()
		if err := child.Send(&sandboxpb.FromSandbox{Frame: &sandboxpb.FromSandbox_Log{Log: &sandboxpb.Log{Message: message}}}); err != nil {
			t.Fatal(err)
		}
	}
	receive := func(from, to int) {
		t.Helper()
		for n := from; n < to; n++ {
			f, err := slot.Recv()
			if want := strconv.Itoa(n); err != nil || !strings.HasPrefix(f.GetLog().GetMessage(), want+" ") {
				t.Fatalf("got %.20q, %v in the place of line %s", f.GetLog().GetMessage(), err, want)
			}
		}
	}
	for n := range 100 {
		log(strconv.Itoa(n) + " line")
	}
	if err := child.Flush(); err != nil {
		t.Fatal(err)
	}
	receive(0, 100)
	for n := range 3 { // of which none can wait with another
		log(strconv.Itoa(n) + " " + strings.Repeat("x", maxHeld))
	}
	receive(0, 3)
	log("0 line")
	log("1 line")
	if err := errors.Join(child.Send(result([]byte("1"))), child.Flush()); err != nil {
		t.Fatal(err)
	}
	receive(0, 2)
	if f, err := slot.Recv(); err != nil || string(f.GetResult().GetValue()) != "1" {
		t.Errorf("after the log came %v, %v", f, err)
	}
}

func TestLogRoom(t *testing.T) {
	for _, tt := range []struct{ size, lines int }{{0, MaxLogLines}, {100, MaxLogLines}, {MaxLogMessage, MaxLogBytes / MaxLogMessage}, {MaxLogMessage - 1, MaxLogBytes / MaxLogMessage}} {
		var room LogRoom
		taken := 0
		for range 2 * MaxLogLines {
			if room.Take(strings.Repeat("x", tt.size)) {
				taken++
			}
		}
		if taken != tt.lines || room.Full() != (tt.lines == MaxLogLines) {
			t.Errorf("%d lines of %d bytes were taken, want %d", taken, tt.size, tt.lines)
		}
	}
}

// What a child can send that is no frame.
func TestSlotViolations(t *testing.T) {
	frame := func(length uint32, body string) string {
		return string(binary.LittleEndian.AppendUint32(nil, length)) + body
	}
	for _, tt := range []struct {
		name, sent string
		violation  string // or else it has gone
	}{
		{"nothing", "", ""},
		{"half a length", "\x01\x00", ""},
		{"half a frame", frame(100, "half"), ""},
		{"half of a large frame", frame(5<<20, strings.Repeat("x", 100<<10)), ""},
		{"too large", frame(MaxFrame+1, ""), "a frame of 6422529 bytes"},
		{"the largest number", frame(1<<32-1, ""), "a frame of 4294967295 bytes"},
		{"noise", frame(4, "\xff\xff\xff\xff"), "cannot be decoded"},
		{"large noise", frame(100<<10, strings.Repeat("\xff", 100<<10)), "cannot be decoded"},
		{"not UTF-8", frame(8, "\x12\x06\x12\x04\xff\xfe\xfd\xfc"), "cannot be decoded"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			slot, theirs := slotPair(t)
			go func() {
				_, _ = io.WriteString(theirs, tt.sent)
				_ = theirs.Close()
			}()
			_, err := slot.Recv()
			var violation *Violation
			switch {
			case err == nil:
				t.Error("it was taken for a frame")
			case tt.violation == "":
				if errors.As(err, &violation) || !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
					t.Errorf("got %v", err)
				}
			case !errors.As(err, &violation) || !strings.Contains(violation.Reason, tt.violation):
				t.Errorf("got %v, want %q", err, tt.violation)
			}
		})
	}
}

func invoke(size int) *sandboxpb.ToSandbox {
	return &sandboxpb.ToSandbox{Frame: &sandboxpb.ToSandbox_Invoke{Invoke: &sandboxpb.Invoke{Event: make([]byte, size)}}}
}

// A child that does not read holds up nobody until maxUnsent bytes wait for it,
// and then whoever sends more, until its end.
func TestSlotNobodyReads(t *testing.T) {
	slot, theirs := slotPair(t)
	for sent := 0; sent < maxUnsent; sent += 1000 {
		if err := slot.Send(invoke(1000)); err != nil {
			t.Fatal(err)
		}
	}
	const size = 100 << 10
	sent, count := make(chan error, 1), 0
	go func() {
		for ; ; count++ {
			if err := slot.Send(invoke(size)); err != nil {
				sent <- err
				return
			}
		}
	}()
	for stuck := false; !stuck; runtime.Gosched() {
		slot.unsent.mu.Lock()
		stuck = len(slot.unsent.queue) > maxUnsent
		slot.unsent.mu.Unlock()
	}
	_ = theirs.Close()
	if err := <-sent; !errors.Is(err, unix.EPIPE) && !errors.Is(err, unix.ECONNRESET) {
		t.Errorf("sending to a dead child: %v", err)
	}
	// What the drain goroutine has in hand is not in the queue.
	if most := (2*maxUnsent + 1<<20) / size; count > most {
		t.Errorf("%d frames were kept for it, more than %d", count, most)
	}
}

// What was kept arrives whole and in order, once the child reads.
func TestSlotReadsLate(t *testing.T) {
	slot, theirs := slotPair(t)
	fd, err := unix.FcntlInt(theirs.Fd(), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	child := OpenSlot(fd)
	defer child.Close()
	const count = 5000
	for n := range count {
		f := invoke(n % 500)
		f.GetInvoke().Invocation = uint64(n)
		if err := slot.Send(f); err != nil {
			t.Fatal(err)
		}
	}
	for n := range count {
		f, err := child.Recv()
		if err != nil || f.GetInvoke().GetInvocation() != uint64(n) || len(f.GetInvoke().GetEvent()) != n%500 {
			t.Fatalf("frame %d is %d of %d bytes, %v", n, f.GetInvoke().GetInvocation(), len(f.GetInvoke().GetEvent()), err)
		}
	}
}

// FuzzSlot: whatever bytes a child sends, they are frames, a violation, or the
// end; and no frame is larger than what was sent.
func FuzzSlot(f *testing.F) {
	raw, err := proto.Marshal(result([]byte("1")))
	if err != nil {
		f.Fatal(err)
	}
	framed := append(binary.LittleEndian.AppendUint32(nil, uint32(len(raw))), raw...)
	f.Add(framed)
	f.Add(append(framed, framed...))
	f.Add([]byte{0, 0, 0, 0})
	f.Add([]byte{0xff, 0xff, 0x61, 0})
	f.Fuzz(func(t *testing.T, sent []byte) {
		slot, theirs := slotPair(t)
		go func() {
			_, _ = theirs.Write(sent)
			_ = theirs.Close()
		}()
		total := 0
		for {
			frame, err := slot.Recv()
			if err != nil {
				return
			}
			if total += slotHeader + len(frame.GetResult().GetValue()); total > len(sent) {
				t.Fatalf("%d bytes in frames of %d bytes", total, len(sent))
			}
		}
	})
}
