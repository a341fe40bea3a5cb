package confine

import (
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// emptyRoot leaves the process with no file system but an empty, read-only one
// in memory or, if it keeps its directory, that one alone. Descriptors that are
// open stay: they need no path.
//
// The threads share their root and their mount namespace, so that one call is for
// all. In a mount namespace of its own the old root is taken away altogether: there is
// nothing left to come back to. Where there is none, root can still leave
// the file system for the working directory, which whoever started the process
// removes.
func (l *locker) emptyRoot() (detail string, err error) {
	if l.KeepDir {
		detail = "its own directory"
	}
	if namespaced() {
		err = l.pivot()
	} else {
		detail += " (chroot)"
		err = chroot()
	}
	if errors.Is(err, unix.EPERM) || errors.Is(err, unix.EACCES) || errors.Is(err, unix.EINVAL) || errors.Is(err, unix.ENODEV) {
		return "", unavailable("%w", err)
	}
	if err != nil {
		return "", err
	}
	return detail, l.lookAround()
}

// pivot makes a mount the root of the mount namespace and takes the old one away.
func (l *locker) pivot() error {
	// What is mounted here must not show where we came from.
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return fmt.Errorf("making mounts private: %w", err)
	}
	const flags = unix.MS_NOSUID | unix.MS_NODEV | unix.MS_NOEXEC
	dir, err := os.Getwd()
	if err != nil {
		return fmt.Errorf("the working directory: %w", err)
	}
	if l.KeepDir {
		if err := unix.Mount(dir, dir, "", unix.MS_BIND, ""); err != nil {
			return fmt.Errorf("binding the directory: %w", err)
		}
		// Flags that the file system has must stay, or a user namespace may not.
		var fs unix.Statfs_t
		if err := unix.Statfs(dir, &fs); err != nil {
			return fmt.Errorf("the directory's file system: %w", err)
		}
		kept := uintptr(fs.Flags) & (unix.ST_RELATIME | unix.ST_NOATIME | unix.ST_NODIRATIME)
		if err := unix.Mount("", dir, "", unix.MS_REMOUNT|unix.MS_BIND|flags|mountFlags(kept), ""); err != nil {
			return fmt.Errorf("binding the directory: %w", err)
		}
	} else if err := unix.Mount("empty", dir, "tmpfs", flags|unix.MS_RDONLY, "size=4k,nr_inodes=1,mode=0555"); err != nil {
		return fmt.Errorf("mounting an empty file system: %w", err)
	}
	if err := unix.Chdir(dir); err != nil {
		return fmt.Errorf("entering it: %w", err)
	}
	// The old root comes to lie over the new one, from where it is taken.
	if err := unix.PivotRoot(".", "."); err != nil {
		return fmt.Errorf("pivot_root: %w", err)
	}
	if err := unix.Unmount(".", unix.MNT_DETACH); err != nil {
		return fmt.Errorf("taking the old root away: %w", err)
	}
	if err := unix.Chdir("/"); err != nil {
		return fmt.Errorf("entering the new root: %w", err)
	}
	return nil
}

// mountFlags are what mount calls the flags of statfs.
func mountFlags(st uintptr) (ms uintptr) {
	for from, to := range map[uintptr]uintptr{
		unix.ST_RELATIME: unix.MS_RELATIME, unix.ST_NOATIME: unix.MS_NOATIME, unix.ST_NODIRATIME: unix.MS_NODIRATIME,
	} {
		if st&from != 0 {
			ms |= to
		}
	}
	return ms
}

func chroot() error {
	if err := unix.Chroot("."); err != nil {
		return fmt.Errorf("chroot: %w", err)
	}
	if err := unix.Chdir("/"); err != nil {
		return fmt.Errorf("entering the new root: %w", err)
	}
	return nil
}

// lookAround shows that the old root is out of reach, and that the new one can
// not be written to, or is the directory.
func (l *locker) lookAround() error {
	for _, path := range []string{"/proc/self/status", "../proc", "/etc", "/usr"} {
		if _, err := os.Lstat(path); !errors.Is(err, unix.ENOENT) {
			return fmt.Errorf("%s is still there (%v)", path, err)
		}
	}
	if l.KeepDir || !namespaced() {
		return nil
	}
	entries, err := os.ReadDir("/")
	if err != nil || len(entries) > 0 {
		return fmt.Errorf("the root is not empty: %d entries (%v)", len(entries), err)
	}
	if err := unix.Mkdir("/d", 0o700); !errors.Is(err, unix.EROFS) {
		return fmt.Errorf("the root can be written to (%v)", err)
	}
	return nil
}
