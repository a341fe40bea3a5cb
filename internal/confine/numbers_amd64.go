package confine

import "golang.org/x/sys/unix"

// ownNumbers are calls that newer architectures do not have any more.
var ownNumbers = map[string]uint32{
	"lstat":    unix.SYS_LSTAT,
	"open":     unix.SYS_OPEN,
	"readlink": unix.SYS_READLINK,
	"stat":     unix.SYS_STAT,
	"unlink":   unix.SYS_UNLINK,
}
