package escape

import (
	"fmt"
	"time"

	"golang.org/x/sys/unix"
)

var files = []Attempt{
	{Name: "open-file", Group: "files", Does: "open its own program for reading", Layers: []string{seccomp, landlock, emptyRoot}, try: func(*World) error {
		return opens("/proc/self/exe", unix.O_RDONLY)
	}},
	{Name: "open-root", Group: "files", Does: "list the root directory", Layers: []string{seccomp, landlock, emptyRoot}, try: func(*World) error {
		fd, err := unix.Open("/", unix.O_RDONLY|unix.O_DIRECTORY, 0)
		if err != nil {
			return err
		}
		buf := make([]byte, 4096)
		n, err := unix.ReadDirent(fd, buf)
		if err != nil {
			return err
		}
		if _, found, _ := unix.ParseDirent(buf[:n], -1, nil); found == 0 {
			return fmt.Errorf("it is empty: %w", unix.ENOENT)
		}
		return nil
	}},
	{Name: "proc-self", Group: "files", Does: "read its own map of memory", Layers: []string{seccomp, landlock, emptyRoot}, try: func(*World) error {
		return opens("/proc/self/maps", unix.O_RDONLY)
	}},
	{Name: "proc-other", Group: "files", Does: "read a neighbour's command line", Layers: []string{seccomp, landlock, emptyRoot}, try: func(w *World) error {
		return opens(fmt.Sprintf("/proc/%d/cmdline", w.Victim), unix.O_RDONLY)
	}},
	{Name: "proc-init", Group: "files", Does: "read the status of process 1", Layers: []string{seccomp, landlock, emptyRoot}, try: func(*World) error {
		return opens("/proc/1/status", unix.O_RDONLY)
	}},
	{Name: "create-file", Group: "files", Does: "create a file", Layers: []string{seccomp, landlock, emptyRoot, user}, try: func(w *World) error {
		return opens(fmt.Sprintf("%s/created-%d", w.Dir, time.Now().UnixNano()), unix.O_RDWR|unix.O_CREAT)
	}},
	{Name: "make-directory", Group: "files", Does: "make a directory", Layers: []string{seccomp, landlock, emptyRoot, user}, try: func(w *World) error {
		return unix.Mkdir(fmt.Sprintf("%s/made-%d", w.Dir, time.Now().UnixNano()), 0o700)
	}},
	{Name: "look-up", Group: "files", Does: "ask whether a file exists", Layers: []string{seccomp, emptyRoot, user}, try: func(w *World) error {
		return unix.Faccessat(unix.AT_FDCWD, w.Dir, unix.F_OK, 0)
	}},
	{Name: "device", Group: "files", Does: "open the kernel's random device", Layers: []string{seccomp, landlock, emptyRoot}, try: func(*World) error {
		return opens("/dev/urandom", unix.O_RDONLY)
	}},
	{Name: "watch-files", Group: "files", Does: "watch files (inotify)", Layers: []string{seccomp}, try: func(*World) error {
		_, err := unix.InotifyInit1(unix.IN_CLOEXEC)
		return err
	}},
}

func opens(path string, flags int) error {
	fd, err := unix.Open(path, flags|unix.O_CLOEXEC, 0o600)
	if err == nil {
		_ = unix.Close(fd)
	}
	return err
}
