package store

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
)

// The number of a directory's layout is kept in its file "format". That file is
// written once everything else exists, so its presence says that the buckets
// must be there. Older layouts are brought up to date by opening them.
const (
	// registryFormat is that of a registry; from journalFormat on it has a
	// journal, from versionsFormat on functions have records of their versions.
	registryFormat = 3
	journalFormat  = 2
	versionsFormat = 3
	// dataFormat is that of tenants' data.
	dataFormat = 1
)

// dirError tells what to do about a directory that cannot be used.
func dirError(dir string, err error) error {
	switch {
	case errors.Is(err, fs.ErrPermission):
		return fmt.Errorf("data directory %s is not writable (give this user write permission, or use another directory): %w", dir, err)
	case errors.Is(err, syscall.EROFS):
		return fmt.Errorf("data directory %s is on a read-only file system (use another directory): %w: %w", dir, fs.ErrPermission, err)
	case errors.Is(err, syscall.ENOTDIR):
		return fmt.Errorf("data directory %s: part of this path is not a directory (use another directory): %w", dir, err)
	}
	return fmt.Errorf("data directory %s: %w", dir, err)
}

// readFormat returns 0 for a directory that has no format yet, and an error for
// one above the newest that this version reads.
func readFormat(dir string, newest int) (int, error) {
	name := filepath.Join(dir, "format")
	text, err := os.ReadFile(name)
	if errors.Is(err, fs.ErrNotExist) {
		return 0, nil
	}
	if err != nil {
		return 0, dirError(dir, err)
	}
	format, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil || format < 1 {
		return 0, fmt.Errorf("%s: %w: want a number (restore the directory from a backup)", name, ErrCorrupt)
	}
	if format > newest {
		return 0, fmt.Errorf("data directory %s: %w: its format is %d, this version reads up to %d (upgrade, or use another directory)", dir, ErrNewerFormat, format, newest)
	}
	return format, nil
}

// writeFormat replaces the file in one step and waits for the disk.
func writeFormat(dir string, format int) error {
	name := filepath.Join(dir, "format")
	f, err := os.OpenFile(name+".new", os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return dirError(dir, err)
	}
	_, err = f.WriteString(strconv.Itoa(format) + "\n")
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return dirError(dir, err)
	}
	if err := os.Rename(f.Name(), name); err != nil {
		return dirError(dir, err)
	}
	return syncDir(dir)
}

// syncDir waits until the disk has the directory's entries.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return dirError(dir, err)
	}
	if err := errors.Join(d.Sync(), d.Close()); err != nil {
		return dirError(dir, err)
	}
	return nil
}
