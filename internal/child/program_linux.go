package child

import (
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// leastHeld is the least descriptor of a program's file: Go moves what a child
// gets to the lowest ones before it executes the program.
const leastHeld = 64

// Hold keeps the program at path, until Close, and returns a path to it for
// Options.Path. What is started by that is the same program also when another
// file has taken its place, as in an upgrade. Its process is named by a number
// until it calls confine.SetName.
func (s *Starter) Hold(path string) (string, error) {
	fd, err := unix.Open(path, unix.O_PATH|unix.O_CLOEXEC, 0)
	if err != nil {
		return "", &os.PathError{Op: "open", Path: path, Err: err}
	}
	high, err := unix.FcntlInt(uintptr(fd), unix.F_DUPFD_CLOEXEC, leastHeld)
	_ = unix.Close(fd)
	if err != nil {
		return "", &os.PathError{Op: "open", Path: path, Err: err}
	}
	s.held = append(s.held, os.NewFile(uintptr(high), path))
	held := fmt.Sprintf("/proc/self/fd/%d", high)
	if !isBinary(held) {
		return path, nil // an interpreter reads its script by name
	}
	return held, nil
}

func isBinary(path string) bool {
	f, err := os.Open(path)
	if err != nil {
		return false
	}
	defer f.Close()
	var magic [4]byte
	_, err = f.Read(magic[:])
	return err == nil && string(magic[:]) == "\x7fELF"
}
