package handshake

import (
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// DirPrefix begins the names of directories for sockets in SocketBase: a
// supervisor removes those whose owner is dead.
const DirPrefix = "bh-"

// maxBase leaves room in the 108 bytes of a socket's path for what is put
// below the base.
const maxBase = 40

// SocketBase returns the directory for directories for sockets: that of the
// service, as systemd gives it one, or the user's, or that of temporary files.
func SocketBase() string {
	for _, base := range []string{os.Getenv("RUNTIME_DIRECTORY"), os.Getenv("XDG_RUNTIME_DIR"), os.TempDir()} {
		if base == "" || !filepath.IsAbs(base) || len(base) > maxBase {
			continue
		}
		if unix.Access(base, unix.W_OK|unix.X_OK) == nil {
			return base
		}
	}
	return "/tmp"
}
