package cgroup

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// Own is the directory of the group of version 2 that this process is in. It is
// an ErrUnavailable when there is none.
func Own() (string, error) {
	_, path, err := own()
	return path, err
}

// own returns where the hierarchy is mounted as well.
func own() (mount, path string, err error) {
	groups, err := os.ReadFile("/proc/self/cgroup")
	if err != nil {
		return "", "", fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	mounts, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return "", "", fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	group, ok := parseOwn(string(groups))
	mount, mounted := parseMount(string(mounts))
	if !ok || !mounted {
		return "", "", fmt.Errorf("%w: cgroup v2 is not mounted", ErrUnavailable)
	}
	return mount, filepath.Join(mount, group), nil
}

// Look tells what Open would find, and changes nothing: the controllers that
// the parent lacks, or why it cannot be used.
func Look(parent string) (missing []string, err error) {
	if parent == Auto {
		if parent, err = delegated(); err != nil {
			return nil, err
		}
	}
	controllers := "cgroup.controllers"
	if _, err := os.Stat(parent); errors.Is(err, fs.ErrNotExist) { // Open makes it
		parent, controllers = filepath.Dir(parent), "cgroup.subtree_control"
	}
	var kind unix.Statfs_t
	if err := unix.Statfs(parent, &kind); err != nil {
		return nil, fmt.Errorf("the control group %s: %w", parent, err)
	}
	if kind.Type != unix.CGROUP2_SUPER_MAGIC {
		return nil, fmt.Errorf("the control group %s: %w", parent, errNotV2)
	}
	if err := unix.Access(parent, unix.W_OK); err != nil {
		return nil, fmt.Errorf("the control group %s: %w", parent, err)
	}
	there, err := os.ReadFile(filepath.Join(parent, controllers))
	if err != nil {
		return nil, fmt.Errorf("the control group %s: %w", parent, err)
	}
	return lacking(string(there)), nil
}

// lacking are the controllers that limits need and that are not there.
func lacking(there string) (missing []string) {
	for _, c := range wanted {
		if !slices.Contains(strings.Fields(there), c) {
			missing = append(missing, c)
		}
	}
	return missing
}
