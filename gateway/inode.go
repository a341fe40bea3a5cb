package gateway

import (
	"io/fs"
	"syscall"
)

// inode returns a file's number: one that was put in another's place has
// another.
func inode(info fs.FileInfo) any {
	if s, ok := info.Sys().(*syscall.Stat_t); ok {
		return s.Ino
	}
	return nil
}
