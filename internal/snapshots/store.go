package snapshots

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"time"
)

// maxDescription bounds what describes a snapshot, in bytes.
const maxDescription = 1 << 20

// share is the part of the bound, as a divisor, up to which a tenant's snapshots
// do not go before those of others.
const share = 4

// noteAfter is how far the disk may be behind in when a file was used.
const noteAfter = 10 * time.Minute

// newDir is where files are written; no tenant has this name.
const newDir = ".new"

var (
	// ErrNotFound means that there is no such snapshot.
	ErrNotFound = errors.New("no such snapshot")
	// ErrTooLarge means that a snapshot alone is over the store's bound.
	ErrTooLarge = errors.New("the snapshot is larger than all snapshots may be")
)

// DamagedError means that a file was not what was written. It has been removed.
type DamagedError struct {
	Path string
	Err  error
}

func (e *DamagedError) Error() string { return e.Path + ": " + e.Err.Error() }
func (e *DamagedError) Unwrap() error { return e.Err }

// Key names a snapshot: what of a function was evaluated, which versions that
// differ in other things share, and the fingerprint of the processes that can
// use it. The four are fit to be parts of a file's name.
type Key struct{ Tenant, Function, Image, Fingerprint string }

func (k Key) name() string { return k.Function + "@" + k.Image + "-" + k.Fingerprint }

func (k Key) image() image { return image{k.Tenant, k.Function, k.Image} }

var (
	keyPattern = regexp.MustCompile(`^[a-z0-9][a-z0-9-]{0,62}@[0-9a-f]{32}-[0-9a-f]{32}$`)
	// oldPattern is that of files of earlier versions of Bulkhead.
	oldPattern    = regexp.MustCompile(`^[a-z0-9][a-z0-9-]{0,62}@[0-9a-f]{12}-[0-9a-f]{32}$`)
	tenantPattern = regexp.MustCompile(`^[a-z0-9][a-z0-9-]{0,62}$`)
)

func (k Key) check() error {
	if !tenantPattern.MatchString(k.Tenant) || !keyPattern.MatchString(k.name()) {
		return fmt.Errorf("%q of %q is not a snapshot's name", k.name(), k.Tenant)
	}
	return nil
}

// image is what has at most one snapshot.
type image struct{ tenant, function, image string }

// entry is one file.
type entry struct {
	key  Key
	size int64
	used time.Time
	// noted is what of used the disk knows: the order in which files go has to
	// survive a restart, more or less.
	noted time.Time
	// sound is the file that is known to be what was written, if any.
	sound identity
}

// Store is a folder of snapshots. Its methods may be called from many
// goroutines. It holds nothing open.
type Store struct {
	dir string
	max int64

	mu      sync.Mutex
	entries map[image]entry
	size    int64
}

// Open opens the folder, which it makes when it is missing, for one process at
// a time. The files in it may have max bytes together; those that were used
// least recently go first, of a tenant with more than a quarter before those of
// others. What is left of unfinished files is removed, and so
// is every snapshot that keep, which may be nil, does not want.
func Open(dir string, max int64, keep func(Key) bool) (*Store, error) {
	s := &Store{dir: dir, max: max, entries: make(map[image]entry)}
	if err := errors.Join(os.RemoveAll(s.path(newDir)), os.MkdirAll(s.path(newDir), 0o700)); err != nil {
		return nil, fmt.Errorf("snapshots: %w", err)
	}
	tenants, err := os.ReadDir(dir)
	if err != nil {
		return nil, fmt.Errorf("snapshots: %w", err)
	}
	for _, t := range tenants {
		if t.IsDir() && tenantPattern.MatchString(t.Name()) {
			if err := s.read(t.Name(), keep); err != nil {
				return nil, fmt.Errorf("snapshots: %w", err)
			}
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s, s.shrink()
}

// read takes note of a tenant's files. Others than ours are left alone.
func (s *Store) read(tenant string, keep func(Key) bool) error {
	files, err := os.ReadDir(s.path(tenant))
	if err != nil {
		return err
	}
	for _, f := range files {
		if f.Type().IsRegular() && oldPattern.MatchString(f.Name()) {
			if err := os.Remove(s.path(tenant, f.Name())); err != nil {
				return err
			}
			continue
		}
		if !keyPattern.MatchString(f.Name()) || !f.Type().IsRegular() {
			continue
		}
		name, rest, _ := strings.Cut(f.Name(), "@")
		is, fingerprint, _ := strings.Cut(rest, "-")
		k := Key{tenant, name, is, fingerprint}
		info, err := f.Info()
		if err != nil {
			return err
		}
		e := entry{key: k, size: info.Size(), used: info.ModTime(), noted: info.ModTime()}
		other, twice := s.entries[k.image()]
		if keep != nil && !keep(k) || twice && other.used.After(e.used) {
			if err := s.unlink(k); err != nil {
				return err
			}
			continue
		}
		if err := s.put(e); err != nil {
			return err
		}
	}
	s.prune(tenant)
	return nil
}

func (s *Store) path(parts ...string) string {
	return filepath.Join(append([]string{s.dir}, parts...)...)
}

// put makes e the image's one file. The lock is held, if there is another.
func (s *Store) put(e entry) error {
	f := e.key.image()
	old, replaced := s.entries[f]
	s.entries[f] = e
	s.size += e.size - old.size
	if replaced && old.key != e.key {
		return s.unlink(old.key)
	}
	return nil
}

// shrink removes files until they are within the bound: those that were used
// least recently, but first of tenants that take more than their share. The
// lock is held.
func (s *Store) shrink() error {
	var errs []error
	for s.size > s.max {
		takes := make(map[string]int64)
		for f, e := range s.entries {
			takes[f.tenant] += e.size
		}
		var next image
		for f, e := range s.entries {
			greedy, other := takes[f.tenant] > s.max/share, takes[next.tenant] > s.max/share
			if next == (image{}) || greedy && !other || greedy == other && e.used.Before(s.entries[next].used) {
				next = f
			}
		}
		errs = append(errs, s.drop(next))
	}
	return errors.Join(errs...)
}

// drop removes an image's file, if it has one. The lock is held.
func (s *Store) drop(f image) error {
	e, ok := s.entries[f]
	if !ok {
		return nil
	}
	delete(s.entries, f)
	s.size -= e.size
	err := s.unlink(e.key)
	s.prune(f.tenant)
	return err
}

func (s *Store) unlink(k Key) error {
	if err := os.Remove(s.path(k.Tenant, k.name())); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("snapshots: %w", err)
	}
	return nil
}

// prune removes a tenant's folder if it is empty.
func (s *Store) prune(tenant string) { _ = os.Remove(s.path(tenant)) }

// Snapshot is a stored snapshot.
type Snapshot struct {
	// File begins with the memory. It is open for reading; the caller closes
	// it.
	File        *os.File
	Description []byte
}

// Open returns a snapshot. The error is ErrNotFound, a *DamagedError or the
// system's own.
func (s *Store) Open(k Key) (*Snapshot, error) {
	s.mu.Lock()
	e, ok := s.entries[k.image()]
	if ok && e.key == k {
		e.used = time.Now()
		s.entries[k.image()] = e
	}
	s.mu.Unlock()
	if !ok || e.key != k {
		return nil, ErrNotFound
	}
	path := s.path(k.Tenant, k.name())
	f, err := os.Open(path)
	if err != nil {
		// Somebody has deleted it, or may not read it: what is not there is
		// not damaged.
		s.Remove(k)
		if errors.Is(err, fs.ErrNotExist) {
			return nil, ErrNotFound
		}
		return nil, fmt.Errorf("snapshots: %w", err)
	}
	here, err := identify(f)
	var description []byte
	if err == nil {
		description, err = read(f, k, here.size, here != e.sound)
	}
	if err != nil {
		_ = f.Close()
		s.Remove(k)
		return nil, &DamagedError{path, err}
	}
	noted := e.noted
	if e.used.Sub(e.noted) > noteAfter && os.Chtimes(path, time.Time{}, e.used) == nil {
		noted = e.used
	}
	if noted != e.noted || here != e.sound {
		s.vouch(k, f, noted)
	}
	return &Snapshot{f, description}, nil
}

// vouch takes note that an open file is what was written.
func (s *Store) vouch(k Key, f *os.File, noted time.Time) {
	here, err := identify(f)
	if err != nil {
		return // then it is verified again
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if e, ok := s.entries[k.image()]; ok && e.key == k {
		e.sound, e.noted = here, noted
		s.entries[k.image()] = e
	}
}

// Remove removes a snapshot, if it is there.
func (s *Store) Remove(k Key) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if f := k.image(); s.entries[f].key == k {
		_ = s.drop(f) // what cannot be deleted is found at the next Open
	}
}

// RemoveFunction removes the snapshots of a function, but for images that keep,
// which may be nil, wants.
func (s *Store) RemoveFunction(tenant, name string, keep func(image string) bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for f := range s.entries {
		if f.tenant == tenant && f.function == name && (keep == nil || !keep(f.image)) {
			_ = s.drop(f)
		}
	}
}

// Size returns how many snapshots there are, and their size in bytes.
func (s *Store) Size() (files int, bytes int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.entries), s.size
}
