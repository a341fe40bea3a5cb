package quickjs

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"unsafe"

	"golang.org/x/sys/unix"
)

const (
	// codeName is the file with the machine code of QuickJS as it lies in memory.
	codeName = "quickjs-" + linkedSHA256 + ".code"
	// leastCode is less than that code has, and more than any other that wazero
	// makes, in bytes.
	leastCode = 1 << 20
)

// shareCode puts a file in dir in the place of the memory that holds the machine
// code, so that all processes have one copy of its 5 MiB, half of what an idle
// one would have for itself. The file holds the very same, or is written anew;
// it is never changed. Where that cannot be, because the file system does not let
// programs run, say, the process goes on with its own copy. others is what
// codeSegments returned before the code was there.
func shareCode(dir string, others []segment) error {
	segments, err := codeSegments()
	if err != nil {
		return err
	}
	segments = slices.DeleteFunc(without(segments, others), func(s segment) bool { return s.end-s.start < leastCode })
	if len(segments) != 1 {
		return fmt.Errorf("quickjs: sharing the code: there are %d pieces of it", len(segments))
	}
	s := segments[0]
	code := unsafe.Slice((*byte)(*(*unsafe.Pointer)(unsafe.Pointer(&s.start))), s.end-s.start)
	path := filepath.Join(dir, codeName)
	err = mapCode(path, code)
	if errors.Is(err, errOtherCode) || errors.Is(err, os.ErrNotExist) {
		if err = writeCode(path, code); err == nil {
			err = mapCode(path, code)
		}
	}
	if err != nil {
		return fmt.Errorf("quickjs: sharing the code: %w", err)
	}
	return nil
}

var errOtherCode = errors.New("the file has other code")

// mapCode puts a file in the place of code, if it holds the same.
func mapCode(path string, code []byte) error {
	file, err := os.Open(path)
	if err != nil {
		return err
	}
	defer file.Close()
	if info, err := file.Stat(); err != nil || info.Size() != int64(len(code)) {
		return errors.Join(err, errOtherCode)
	}
	theirs, err := unix.Mmap(int(file.Fd()), 0, len(code), unix.PROT_READ, unix.MAP_SHARED)
	if err != nil {
		return err
	}
	same := bytes.Equal(theirs, code)
	if err := unix.Munmap(theirs); err != nil {
		return err
	}
	if !same {
		return errOtherCode
	}
	_, err = unix.MmapPtr(int(file.Fd()), 0, unsafe.Pointer(&code[0]), uintptr(len(code)), unix.PROT_READ|unix.PROT_EXEC, unix.MAP_PRIVATE|unix.MAP_FIXED)
	return err
}

// writeCode writes the file whole, in the place of another. Processes that use
// that one keep it.
func writeCode(path string, code []byte) error {
	file, err := os.CreateTemp(filepath.Dir(path), "fill-")
	if err != nil {
		return err
	}
	_, err = file.Write(code)
	if err = errors.Join(err, file.Chmod(0o400), file.Close()); err == nil {
		err = os.Rename(file.Name(), path)
	}
	if err != nil {
		return errors.Join(err, os.Remove(file.Name()))
	}
	return nil
}

// segment is a stretch of memory, whole pages.
type segment struct{ start, end uintptr }

// codeSegments returns the memory in which wazero has put machine code, QuickJS's
// and other, in the order of addresses.
func codeSegments() (segments []segment, err error) {
	text, err := os.ReadFile("/proc/self/maps")
	if err != nil {
		return nil, fmt.Errorf("quickjs: reading the mappings: %w", err)
	}
	for line := range strings.Lines(string(text)) {
		// 7fb662198000-7fb662656000 r-xp 00000000 00:00 0
		f := strings.Fields(line)
		if len(f) != 5 || f[1] != "r-xp" {
			continue
		}
		var s segment
		if _, err := fmt.Sscanf(f[0], "%x-%x", &s.start, &s.end); err != nil {
			return nil, fmt.Errorf("quickjs: reading the mappings: %w", err)
		}
		segments = append(segments, s)
	}
	return segments, nil
}

// without returns what of the segments is in none of others, both in order. Linux
// tells of two mappings side by side as of one: what has been compiled may have
// come to lie beside what a closed engine has not given back yet.
func without(segments, others []segment) (rest []segment) {
	for _, s := range segments {
		for _, o := range others {
			if o.end <= s.start || o.start >= s.end {
				continue
			}
			if o.start > s.start {
				rest = append(rest, segment{s.start, o.start})
			}
			s.start = min(o.end, s.end)
		}
		if s.start < s.end {
			rest = append(rest, s)
		}
	}
	return rest
}
