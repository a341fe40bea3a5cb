//go:build unix

package store

import (
	"errors"
	"fmt"
	"syscall"

	"golang.org/x/sys/unix"
)

// JetStream gives a stream up for good once a write of it has failed, and tells
// nobody: the writer waits for an answer. So a file system is looked at before
// every write, and counts as full while this much is left.
const (
	reservedBytes = 8 << 20
	reservedFiles = 32
)

// ErrUnwritable means that the disk takes nothing at present: it is full, has no
// inodes left, is read-only, or fails. What is stored can be read all the same.
var ErrUnwritable = errors.New("the disk takes nothing")

// Unwritable reports whether an error comes of such a disk.
func Unwritable(err error) bool {
	for _, is := range []error{ErrUnwritable, syscall.ENOSPC, syscall.EDQUOT, syscall.EROFS, syscall.EIO} {
		if errors.Is(err, is) {
			return true
		}
	}
	return false
}

// room returns ErrUnwritable, with the reason, unless need bytes can be written
// below dir.
func room(dir string, need int) error {
	var fs unix.Statfs_t
	if err := unix.Statfs(dir, &fs); err != nil {
		return fmt.Errorf("%w: %s: %w", ErrUnwritable, dir, err)
	}
	switch {
	case fs.Flags&unix.ST_RDONLY != 0:
		return fmt.Errorf("%w: %s is on a read-only file system", ErrUnwritable, dir)
	case fs.Bavail*uint64(fs.Bsize) < uint64(reservedBytes+need):
		return fmt.Errorf("%w: the file system of %s has %d MiB left, %d must stay free", ErrUnwritable, dir, fs.Bavail*uint64(fs.Bsize)>>20, reservedBytes>>20)
	case fs.Files > 0 && fs.Ffree < reservedFiles:
		return fmt.Errorf("%w: the file system of %s has %d inodes left, %d must stay free", ErrUnwritable, dir, fs.Ffree, reservedFiles)
	}
	return nil
}
