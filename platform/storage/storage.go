package storage

import (
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"io"
	"strings"
	"sync"
	"time"

	"gocloud.dev/blob"
	"gocloud.dev/gcerrors"

	"github.com/bulkhead-run/bulkhead/internal/store"
	"github.com/bulkhead-run/bulkhead/platform"
)

// loadTimeout bounds the listing of a tenant's objects.
const loadTimeout = time.Minute

// Storage is the platform API storage. It is safe for concurrent use.
type Storage struct {
	o      Options
	bucket *blob.Bucket
	folder *folder
	seed   maphash.Seed
	life   context.Context
	end    context.CancelFunc

	mu      sync.Mutex
	closed  bool
	tenants map[string]*tenant
	calls   sync.WaitGroup
}

// tenant is what is known of a tenant's objects.
type tenant struct {
	name  string
	index index
	slots chan struct{}
	// locks keep an object's content and attributes together: they are held
	// while one is put in place or removed, and for reading while one is opened.
	locks [16]sync.RWMutex

	// Set once ready is closed.
	ready chan struct{}
	err   error

	// Of Storage, under its lock.
	users int
	used  time.Time
}

// Open opens the store. The error says what is wrong with the URL, or is that
// of the folder or the cloud. The caller closes it.
func Open(ctx context.Context, o Options) (*Storage, error) {
	o.setDefaults()
	bucket, folder, err := openBucket(ctx, o.URL)
	if err != nil {
		return nil, fmt.Errorf("storage: open %s: %w", o.URL, err)
	}
	s := &Storage{o: o, bucket: bucket, folder: folder, seed: maphash.MakeSeed(), tenants: map[string]*tenant{}}
	s.life, s.end = context.WithCancel(context.Background())
	return s, nil
}

// Close ends the calls on their way and waits for them. Bodies that JavaScript
// is still reading are for their invocations to close.
func (s *Storage) Close() error {
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return nil
	}
	s.closed = true
	s.mu.Unlock()
	s.end()
	s.calls.Wait()
	return errors.Join(s.bucket.Close(), s.folder.close())
}

// DeleteTenant deletes all objects of a tenant. None of its functions may run.
func (s *Storage) DeleteTenant(ctx context.Context, name string) error {
	if err := store.CheckTenant(name); err != nil {
		return err
	}
	s.mu.Lock()
	delete(s.tenants, name)
	s.mu.Unlock()
	list := s.bucket.List(&blob.ListOptions{Prefix: name + "/"})
	for {
		o, err := list.Next(ctx)
		if err == io.EOF {
			break
		}
		if err == nil {
			err = s.bucket.Delete(ctx, o.Key)
		}
		if err != nil && gcerrors.Code(err) != gcerrors.NotFound {
			return fmt.Errorf("delete the objects of tenant %s: %w", name, err)
		}
	}
	if s.folder != nil {
		if err := s.folder.root.RemoveAll(name); err != nil {
			return fmt.Errorf("delete the objects of tenant %s: %w", name, err)
		}
	}
	return nil
}

// with runs do for a tenant: under a context that also ends with the Storage,
// and in one of the tenant's slots.
func (s *Storage) with(ctx context.Context, name string, do func(ctx context.Context, t *tenant) error) error {
	if err := store.CheckTenant(name); err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(s.life, cancel)()
	t, err := s.acquire(ctx, name)
	if err != nil {
		return s.ended(ctx, err)
	}
	defer s.release(t)
	select {
	case t.slots <- struct{}{}:
		defer func() { <-t.slots }()
	case <-ctx.Done():
		return s.ended(ctx, ctx.Err())
	}
	return s.ended(ctx, do(ctx, t))
}

// ended words the error of a call whose context has ended.
func (s *Storage) ended(ctx context.Context, err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(ctx.Err(), context.DeadlineExceeded):
		return &platform.Error{Name: "TimeoutError", Message: "storage: the invocation's deadline passed", Err: err}
	case ctx.Err() != nil:
		return &platform.Error{Name: "AbortError", Message: "storage: the call was canceled", Err: err}
	}
	return err
}

func (s *Storage) acquire(ctx context.Context, name string) (*tenant, error) {
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return nil, platform.Errorf("AbortError", "storage: the supervisor is closing")
	}
	s.calls.Add(1)
	t := s.tenants[name]
	if t == nil {
		t = &tenant{name: name, slots: make(chan struct{}, s.o.MaxConcurrent), ready: make(chan struct{})}
		t.index.objects = map[string]object{}
		s.makeRoom()
		s.tenants[name] = t
		t.users++ // of load
		s.calls.Add(1)
		go func() { s.load(t); s.release(t) }()
	}
	t.users++
	s.mu.Unlock()
	select {
	case <-t.ready:
		if t.err == nil {
			return t, nil
		}
		s.release(t)
		return nil, t.err
	case <-ctx.Done():
		s.release(t)
		return nil, ctx.Err()
	}
}

func (s *Storage) release(t *tenant) {
	s.mu.Lock()
	t.users--
	t.used = time.Now()
	s.mu.Unlock()
	s.calls.Done()
}

// makeRoom forgets the tenant unused for the longest when there are too many.
// The lock is held.
func (s *Storage) makeRoom() {
	if len(s.tenants) < s.o.MaxOpen {
		return
	}
	var oldest *tenant
	for _, t := range s.tenants {
		if t.users == 0 && (oldest == nil || t.used.Before(oldest.used)) {
			oldest = t
		}
	}
	if oldest != nil {
		delete(s.tenants, oldest.name)
	}
}

// load lists a tenant's objects, and removes what a crash left of others.
func (s *Storage) load(t *tenant) {
	defer close(t.ready)
	ctx, cancel := context.WithTimeout(s.life, loadTimeout)
	defer cancel()
	if t.err = s.folder.check(t.name); t.err == nil {
		t.err = s.list(ctx, t)
	}
	if t.err != nil {
		t.err = fmt.Errorf("list the objects of tenant %s: %w", t.name, t.err)
		s.mu.Lock()
		delete(s.tenants, t.name)
		s.mu.Unlock()
	}
}

func (s *Storage) list(ctx context.Context, t *tenant) error {
	list := s.bucket.List(&blob.ListOptions{Prefix: t.name + "/"})
	for {
		o, err := list.Next(ctx)
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		name := strings.TrimPrefix(o.Key, t.name+"/")
		if key, ok := decodeKey(name); ok {
			t.index.set(object{key, o.Size, o.ModTime})
		} else if s.folder != nil && strings.HasSuffix(name, ".tmp") {
			if err := s.bucket.Delete(ctx, o.Key); err != nil {
				s.o.Logger.Warn("cannot remove what a write left behind", "tenant", t.name, "object", o.Key, "error", err)
			}
		} else {
			s.o.Logger.Warn("what lies in the storage is no object of ours", "tenant", t.name, "object", o.Key)
		}
	}
}

// lock returns the lock of a key, which it shares with others.
func (s *Storage) lock(t *tenant, key string) *sync.RWMutex {
	return &t.locks[maphash.String(s.seed, key)%uint64(len(t.locks))]
}
