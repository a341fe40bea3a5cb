package storage

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"gocloud.dev/blob"
	"gocloud.dev/blob/fileblob"
)

// folder is what a bucket in a folder needs beside the driver: that nothing
// leads out of it, that what is there is on disk, and that no empty folders
// are left. A nil folder is for other buckets and does nothing.
type folder struct {
	root *os.Root
	// dirs is held for reading while a folder is made and a file in it, and
	// for writing while empty ones are removed.
	dirs sync.RWMutex
}

func openBucket(ctx context.Context, url string) (*blob.Bucket, *folder, error) {
	if strings.Contains(url, "://") && !strings.HasPrefix(url, "file://") {
		b, err := blob.OpenBucket(ctx, url)
		return b, nil, err
	}
	dir, err := filepath.Abs(strings.TrimPrefix(url, "file://"))
	if err != nil {
		return nil, nil, err
	}
	b, err := fileblob.OpenBucket(dir, &fileblob.Options{CreateDir: true, DirFileMode: 0o700, NoTempDir: true})
	if err != nil {
		return nil, nil, err
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, nil, errors.Join(err, b.Close())
	}
	return b, &folder{root: root}, nil
}

func (f *folder) close() error {
	if f == nil {
		return nil
	}
	return f.root.Close()
}

// check refuses a name below which a symbolic link leads out of the folder.
// What is not there is no error.
func (f *folder) check(name string) error {
	if f == nil {
		return nil
	}
	for ; name != "."; name = path.Dir(name) {
		info, err := f.root.Lstat(name)
		switch {
		case errors.Is(err, fs.ErrNotExist):
		case err != nil:
			return fmt.Errorf("storage: %w", err)
		case info.Mode()&fs.ModeSymlink != 0:
			return fmt.Errorf("storage: %s is a symbolic link, which is not followed", name)
		}
	}
	return nil
}

// sync waits until the disk has the folders down to the one of a name.
func (f *folder) sync(name string) error {
	if f == nil {
		return nil
	}
	for dir := path.Dir(name); ; dir = path.Dir(dir) {
		d, err := f.root.Open(dir)
		if err != nil {
			return err
		}
		if err := errors.Join(d.Sync(), d.Close()); err != nil {
			return err
		}
		if dir == "." {
			return nil
		}
	}
}

// modified returns when a file that has just been written was, or about when.
func (f *folder) modified(name string) time.Time {
	if f != nil {
		if info, err := f.root.Stat(name); err == nil {
			return info.ModTime()
		}
	}
	return time.Now()
}

// prune removes the folders above a name that are empty, but for the tenant's.
func (f *folder) prune(name string) {
	if f == nil {
		return
	}
	f.dirs.Lock()
	defer f.dirs.Unlock()
	for dir := path.Dir(name); strings.Contains(dir, "/"); dir = path.Dir(dir) {
		if f.root.Remove(dir) != nil {
			return // it is not empty
		}
	}
}

// making is held while a file is made.
func (f *folder) making() (done func()) {
	if f == nil {
		return func() {}
	}
	f.dirs.RLock()
	return f.dirs.RUnlock
}
