package confine

import "golang.org/x/sys/unix"

// ownNumbers are calls that take the place of older ones.
var ownNumbers = map[string]uint32{
	"newfstatat": unix.SYS_FSTATAT,
	"readlinkat": unix.SYS_READLINKAT,
	"unlinkat":   unix.SYS_UNLINKAT,
}
