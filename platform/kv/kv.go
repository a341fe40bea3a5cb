package kv

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/bulkhead-run/bulkhead/platform"
	"github.com/bulkhead-run/bulkhead/value"
)

// KV is the platform API kv. It is safe for concurrent use.
type KV struct {
	o     Options
	cache *cache

	mu      sync.Mutex
	closed  bool
	tenants map[string]*tenant
	work    sync.WaitGroup // loading and closing of tenants, and calls
}

// New makes a KV. The caller closes it.
func New(o Options) *KV {
	o.setDefaults()
	return &KV{o: o, cache: newCache(o.CacheBytes), tenants: map[string]*tenant{}}
}

// Close waits for the calls on their way. Calls made later fail.
func (k *KV) Close() {
	k.mu.Lock()
	k.closed = true
	k.mu.Unlock()
	k.work.Wait()
	k.mu.Lock()
	defer k.mu.Unlock()
	for name, t := range k.tenants {
		t.close()
		delete(k.tenants, name)
	}
}

// DeleteTenant deletes all keys of a tenant. None of its functions may run.
func (k *KV) DeleteTenant(ctx context.Context, name string) error {
	k.mu.Lock()
	if t := k.tenants[name]; t != nil {
		k.retire(t)
	}
	k.mu.Unlock()
	return k.o.Data.DeleteTenantStream(ctx, kind, name)
}

// with runs do with the tenant's keys.
func (k *KV) with(ctx context.Context, name string, do func(*tenant) error) error {
	t, err := k.acquire(ctx, name)
	if err != nil {
		return ended(ctx, err)
	}
	defer k.release(t)
	err = do(t)
	if errors.Is(err, errUnsure) {
		k.mu.Lock()
		k.retire(t) // what memory holds may not be what the disk does
		k.mu.Unlock()
	}
	return ended(ctx, err)
}

// ended words the error of a call whose context has ended.
func ended(ctx context.Context, err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(ctx.Err(), context.DeadlineExceeded):
		return &platform.Error{Name: "TimeoutError", Message: "kv: the invocation's deadline passed", Err: err}
	case ctx.Err() != nil:
		return &platform.Error{Name: "AbortError", Message: "kv: the call was canceled", Err: err}
	}
	return err
}

// peek returns the value of a key as far as memory knows it: nothing of a tenant
// that has to be opened first, or of a value that has to be read.
func (k *KV) peek(name, key string) (v value.Wire, ok bool) {
	k.mu.Lock()
	defer k.mu.Unlock() // no tenant is closed meanwhile
	t := k.tenants[name]
	if t == nil || k.closed || !t.open() {
		return nil, false
	}
	t.used = time.Now()
	e := t.index.get(key)
	if !e.live(t.used) {
		return nil, true
	}
	return t.index.cache.get(e)
}

func (k *KV) acquire(ctx context.Context, name string) (*tenant, error) {
	k.mu.Lock()
	if k.closed {
		k.mu.Unlock()
		return nil, platform.Errorf("AbortError", "kv: the supervisor is closing")
	}
	k.work.Add(1)
	t := k.tenants[name]
	if t == nil {
		t = &tenant{name: name, index: newIndex(k.cache), turn: make(chan struct{}, 1), ready: make(chan struct{})}
		k.makeRoom()
		k.tenants[name] = t
		t.users++ // of load
		k.work.Go(func() { k.load(t) })
	}
	t.users++
	k.mu.Unlock()
	select {
	case <-t.ready:
		if t.err == nil {
			return t, nil
		}
		k.release(t)
		return nil, t.err
	case <-ctx.Done():
		k.release(t)
		return nil, fmt.Errorf("wait for the keys of tenant %s: %w", name, ctx.Err())
	}
}

func (k *KV) load(t *tenant) {
	ctx, cancel := context.WithTimeout(context.Background(), loadTimeout)
	defer cancel()
	t.err = t.load(ctx, k.o.Data)
	close(t.ready)
	k.mu.Lock()
	if t.err != nil {
		k.forget(t)
	}
	k.mu.Unlock()
	k.leave(t)
}

func (k *KV) release(t *tenant) {
	k.leave(t)
	k.work.Done()
}

func (k *KV) leave(t *tenant) {
	k.mu.Lock()
	defer k.mu.Unlock()
	t.users--
	t.used = time.Now()
	if t.stale && t.users == 0 && t.err == nil {
		k.work.Go(t.close)
	}
}

// retire closes a tenant as soon as nobody uses it. The lock is held.
func (k *KV) retire(t *tenant) {
	if t.stale {
		return
	}
	t.stale = true
	k.forget(t)
	if t.users == 0 {
		k.work.Go(t.close)
	}
}

func (k *KV) forget(t *tenant) {
	if k.tenants[t.name] == t {
		delete(k.tenants, t.name)
	}
}

// makeRoom retires the tenant unused for the longest when there are too many.
// The lock is held.
func (k *KV) makeRoom() {
	if len(k.tenants) < k.o.MaxOpen {
		return
	}
	var oldest *tenant
	for _, t := range k.tenants {
		if t.users == 0 && (oldest == nil || t.used.Before(oldest.used)) {
			oldest = t
		}
	}
	if oldest != nil {
		k.retire(oldest)
	}
}
