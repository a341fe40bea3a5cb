package recordings

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/google/uuid"
)

const (
	// MaxPerFunction is how many recordings of a function are kept, MaxTotal how
	// many bytes all take, and Keep how long each stays. The oldest go first.
	MaxPerFunction = 100
	MaxTotal       = 256 << 20
	Keep           = 7 * 24 * time.Hour

	suffix = ".rec"
)

// ErrNotFound means that there is no such recording.
var ErrNotFound = errors.New("there is no such recording")

// Entry is one recording of a list.
type Entry struct {
	ID, Tenant, Function string
	Time                 time.Time
	Size                 int64 // of its file, in bytes
}

// Store keeps recordings in a directory. Its methods may be called from many
// goroutines.
type Store struct {
	dir string

	mu      sync.Mutex
	entries []Entry // the oldest first
	total   int64
}

// Open makes the directory, of mode 0700, and looks what is there.
func Open(dir string) (*Store, error) {
	s := &Store{dir: dir}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("the recordings' directory: %w", err)
	}
	err := filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err != nil || !e.Type().IsRegular() {
			return err
		}
		rel, err := filepath.Rel(dir, path)
		if err != nil {
			return err
		}
		parts := strings.Split(filepath.ToSlash(rel), "/")
		id, is := strings.CutSuffix(e.Name(), suffix)
		info, infoErr := e.Info()
		if len(parts) != 3 || !is || uuid.Validate(id) != nil || infoErr != nil {
			if strings.HasPrefix(e.Name(), ".new-") {
				_ = os.Remove(path)
			}
			return nil
		}
		s.entries = append(s.entries, Entry{id, parts[0], parts[1], info.ModTime(), info.Size()})
		s.total += info.Size()
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("the recordings: %w", err)
	}
	slices.SortFunc(s.entries, func(a, b Entry) int { return cmp.Or(a.Time.Compare(b.Time), strings.Compare(a.ID, b.ID)) })
	s.mu.Lock()
	defer s.mu.Unlock()
	s.tidy(time.Now())
	return s, nil
}

func (s *Store) path(e Entry) string {
	return filepath.Join(s.dir, e.Tenant, e.Function, e.ID+suffix)
}

// Put keeps a recording. Its names are those of a function that exists.
func (s *Store) Put(r *Recording) error {
	if uuid.Validate(r.ID) != nil || !filepath.IsLocal(r.Tenant) || !filepath.IsLocal(r.Function) {
		return errForm
	}
	data, err := encode(r)
	if err != nil {
		return err
	}
	e := Entry{r.ID, r.Tenant, r.Function, time.Now(), int64(len(data))}
	s.mu.Lock()
	defer s.mu.Unlock()
	path := s.path(e)
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	f, err := os.CreateTemp(filepath.Dir(path), ".new-")
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	if err = errors.Join(err, f.Close()); err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		_ = os.Remove(f.Name())
		return err
	}
	s.entries = append(s.entries, e)
	s.total += e.Size
	s.tidy(e.Time)
	return nil
}

// tidy removes what is over a bound. The lock is held.
func (s *Store) tidy(now time.Time) {
	count := make(map[string]int)
	for i := range s.entries {
		count[s.entries[i].Tenant+"/"+s.entries[i].Function]++
	}
	s.remove(func(e Entry) bool {
		name := e.Tenant + "/" + e.Function
		over := count[name] > MaxPerFunction || s.total > MaxTotal || now.Sub(e.Time) > Keep
		if over {
			count[name]--
		}
		return over
	})
}

// remove removes the chosen ones; it is asked for the oldest first. The lock is
// held.
func (s *Store) remove(chosen func(Entry) bool) (n int) {
	kept := s.entries[:0]
	for _, e := range s.entries {
		if !chosen(e) {
			kept = append(kept, e)
			continue
		}
		_ = os.Remove(s.path(e))
		s.total -= e.Size
		n++
	}
	clear(s.entries[len(kept):])
	s.entries = kept
	return n
}

// List returns a tenant's recordings, of one function or of all, the latest
// first.
func (s *Store) List(tenant, function string) []Entry {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.tidy(time.Now())
	var all []Entry
	for _, e := range s.entries {
		if e.Tenant == tenant && (function == "" || e.Function == function) {
			all = append(all, e)
		}
	}
	slices.Reverse(all)
	return all
}

// Get reads a tenant's recording.
func (s *Store) Get(tenant, id string) (*Recording, error) {
	for _, e := range s.List(tenant, "") {
		if e.ID != id {
			continue
		}
		data, err := os.ReadFile(s.path(e))
		if errors.Is(err, fs.ErrNotExist) {
			break
		} else if err != nil {
			return nil, err
		}
		r, err := decode(data)
		if err == nil && (r.ID != e.ID || r.Tenant != e.Tenant || r.Function != e.Function) {
			err = errForm
		}
		return r, err
	}
	return nil, ErrNotFound
}

// Delete removes a tenant's recording; an empty id all of the tenant's.
func (s *Store) Delete(tenant, id string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if n := s.remove(func(e Entry) bool { return e.Tenant == tenant && (id == "" || e.ID == id) }); n == 0 && id != "" {
		return ErrNotFound
	}
	return nil
}
