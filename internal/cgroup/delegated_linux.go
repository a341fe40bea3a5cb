package cgroup

import (
	"fmt"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// delegated finds the group that systemd has given to this process: its own, or
// the one above, if systemd started it in a group below (DelegateSubgroup).
func delegated() (string, error) {
	mount, path, err := own()
	if err != nil {
		return "", err
	}
	for _, candidate := range []string{path, filepath.Dir(path)} {
		if candidate != mount && isDelegated(candidate) {
			return candidate, nil
		}
	}
	return "", fmt.Errorf("%w: %s is not delegated to the supervisor (systemd: Delegate=yes)", ErrUnavailable, path)
}

// isDelegated reports whether a group is marked by systemd, or belongs to this
// user, who is not root.
func isDelegated(path string) bool {
	for _, mark := range []string{"user.delegate", "trusted.delegate"} {
		var value [8]byte
		if n, err := unix.Getxattr(path, mark, value[:]); err == nil && n == 1 && value[0] == '1' {
			return unix.Access(path, unix.W_OK) == nil
		}
	}
	var info unix.Stat_t
	uid := os.Geteuid()
	return uid != 0 && unix.Stat(path, &info) == nil && int(info.Uid) == uid && unix.Access(filepath.Join(path, "cgroup.procs"), unix.W_OK) == nil
}
