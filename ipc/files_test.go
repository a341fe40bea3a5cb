package ipc

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

func filePair(t *testing.T) (*FileSender, *FileReceiver) {
	t.Helper()
	before := openFiles(t)
	t.Cleanup(func() {
		if after := openFiles(t); after != before {
			t.Errorf("%d descriptors before, %d after", before, after)
		}
	})
	sender, theirs, err := NewFileSender()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = errors.Join(sender.Close(), theirs.Close()) })
	receiver := NewFileReceiver(int(theirs.Fd()))
	if receiver == nil {
		t.Fatal("the child's end is not recognised")
	}
	return sender, receiver
}

func openFiles(t *testing.T) int {
	t.Helper()
	list, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(list)
}

func readOnly(t *testing.T, text string) *os.File {
	t.Helper()
	path := filepath.Join(t.TempDir(), "f")
	if err := os.WriteFile(path, []byte(text), 0o400); err != nil {
		t.Fatal(err)
	}
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = f.Close() })
	return f
}

func TestFilesAreTakenByName(t *testing.T) {
	first, second := readOnly(t, "first"), readOnly(t, "second")
	sender, receiver := filePair(t)
	if _, err := receiver.Take("a"); !errors.Is(err, ErrNoFile) {
		t.Errorf("before anything was sent: %v", err)
	}
	for name, f := range map[string]*os.File{"": first, strings.Repeat("n", MaxName+1): first} {
		if err := sender.Send(name, f); err == nil {
			t.Errorf("a name of %d bytes was sent", len(name))
		}
	}
	if err := errors.Join(sender.Send("a", first), sender.Send("b", second)); err != nil {
		t.Fatal(err)
	}
	fd, err := receiver.Take("b") // the first is dropped
	if err != nil {
		t.Fatal(err)
	}
	got := os.NewFile(uintptr(fd), "got")
	defer got.Close()
	text, err := io.ReadAll(got)
	if err != nil || string(text) != "second" {
		t.Errorf("got %q, %v", text, err)
	}
	if _, err := unix.Write(fd, []byte("x")); !errors.Is(err, unix.EBADF) {
		t.Errorf("writing to it: %v", err)
	}
	if _, err := receiver.Take("a"); !errors.Is(err, ErrNoFile) {
		t.Errorf("the dropped file: %v", err)
	}
	if err := sender.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := receiver.Take("a"); !errors.Is(err, ErrNoFile) {
		t.Errorf("after the sender's end: %v", err)
	}
}

// A child that never takes what it is sent is found out after a few files.
func TestFilesNobodyTakes(t *testing.T) {
	f := readOnly(t, "")
	sender, _ := filePair(t)
	sent := 0
	var err error
	for ; err == nil && sent < 100; sent++ {
		err = sender.Send(fmt.Sprint(sent), f)
	}
	if !errors.Is(err, os.ErrDeadlineExceeded) || sent > 20 {
		t.Errorf("%d files were sent, then %v", sent, err)
	}
}

func TestNoFileReceiver(t *testing.T) {
	f := readOnly(t, "")
	if r := NewFileReceiver(int(f.Fd())); r != nil {
		t.Error("a file is taken for the socket")
	}
}
