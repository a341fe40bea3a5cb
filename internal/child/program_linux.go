package child

import (
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// spareFDs is how many descriptors Go may use in a child, above those that it
// hands over, before it executes the program.
const spareFDs = 16

// Hold keeps the program at path until Close: what is started by that path is the
// same program also when another file has taken its place, as in an upgrade. Its
// process is named by a number until it calls confine.SetName. Hold is called
// before the first start.
func (s *Starter) Hold(path string) error {
	fd, err := unix.Open(path, unix.O_PATH|unix.O_CLOEXEC, 0)
	if err != nil {
		return &os.PathError{Op: "open", Path: path, Err: err}
	}
	file := os.NewFile(uintptr(fd), path)
	if !isBinary(fd) { // an interpreter reads its script by name
		return file.Close()
	}
	if s.held == nil {
		s.held = make(map[string]*os.File)
	}
	s.held[path] = file
	return nil
}

func isBinary(fd int) bool {
	f, err := os.Open(byDescriptor(fd))
	if err != nil {
		return false
	}
	defer f.Close()
	var magic [4]byte
	_, err = f.Read(magic[:])
	return err == nil && string(magic[:]) == "\x7fELF"
}

func byDescriptor(fd int) string { return fmt.Sprintf("/proc/self/fd/%d", fd) }

// find returns by what path to execute a program, in a child that gets files.
// release is called when it has been.
func (s *Starter) find(path string, files []*os.File) (found string, release func(), err error) {
	held := s.held[path]
	if held == nil {
		return path, func() {}, nil
	}
	// Go moves files about in the child, over whatever it finds next to them.
	least := len(files)
	for _, f := range files {
		least = max(least, int(f.Fd()))
	}
	fd, err := unix.FcntlInt(held.Fd(), unix.F_DUPFD_CLOEXEC, least+len(files)+spareFDs)
	if errors.Is(err, unix.EINVAL) { // beyond what this process may have
		err = unix.EMFILE
	}
	if err != nil {
		return "", nil, &os.PathError{Op: "fork/exec", Path: path, Err: err}
	}
	return byDescriptor(fd), func() { _ = unix.Close(fd) }, nil
}
