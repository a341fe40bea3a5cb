package supervisor

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/bulkhead-run/bulkhead/internal/handshake"
)

// runtimeDir is the supervisor's private directory for sockets. It holds one
// directory for each child that is being started, and a lock by which another
// supervisor can tell whether its owner is alive.
type runtimeDir struct {
	path string
	lock *os.File
}

const runtimeLock = "lock"

// newRuntimeDir makes the directory, after having removed those whose owners
// are dead.
func newRuntimeDir() (*runtimeDir, error) {
	base := handshake.SocketBase()
	sweepRuntimeDirs(base)
	path, err := os.MkdirTemp(base, handshake.DirPrefix)
	if err != nil {
		return nil, fmt.Errorf("directory for sockets: %w", err)
	}
	// The lock is taken before it has the name by which others look for it.
	lock, err := os.CreateTemp(path, "new")
	if err == nil {
		err = unix.Flock(int(lock.Fd()), unix.LOCK_EX|unix.LOCK_NB)
	}
	if err == nil {
		err = os.Rename(lock.Name(), filepath.Join(path, runtimeLock))
	}
	if err != nil {
		if lock != nil {
			_ = lock.Close()
		}
		_ = os.RemoveAll(path)
		return nil, fmt.Errorf("directory for sockets: %w", err)
	}
	return &runtimeDir{path: path, lock: lock}, nil
}

// child makes a directory for one child.
func (d *runtimeDir) child() (string, error) { return os.MkdirTemp(d.path, "p") }

func (d *runtimeDir) close() error {
	return errors.Join(os.RemoveAll(d.path), d.lock.Close())
}

func sweepRuntimeDirs(base string) {
	paths, _ := filepath.Glob(filepath.Join(base, handshake.DirPrefix+"*"))
	for _, path := range paths {
		info, err := os.Lstat(path)
		if err != nil || !info.IsDir() {
			continue
		}
		if stat, ok := info.Sys().(*syscall.Stat_t); !ok || int(stat.Uid) != os.Getuid() {
			continue
		}
		lock, err := os.OpenFile(filepath.Join(path, runtimeLock), os.O_RDWR|syscall.O_NOFOLLOW, 0)
		if err != nil {
			// Its owner may be just about to lock it.
			if errors.Is(err, os.ErrNotExist) && time.Since(info.ModTime()) > time.Minute {
				_ = os.RemoveAll(path)
			}
			continue
		}
		if unix.Flock(int(lock.Fd()), unix.LOCK_EX|unix.LOCK_NB) == nil {
			_ = os.RemoveAll(path)
		}
		_ = lock.Close()
	}
}
