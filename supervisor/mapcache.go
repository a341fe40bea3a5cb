package supervisor

import (
	"container/list"
	"context"
	"sync"

	"github.com/bulkhead-run/bulkhead/internal/sourcemap"
)

// What parsed source maps may take, in bytes. A tenant that throws from many
// functions pushes out its own maps first.
const (
	maxMaps       = 128 << 20
	maxTenantMaps = 24 << 20
)

// mapCache keeps parsed source maps. Parsing is work that a tenant can cause
// by throwing, so each has one map parsed at a time.
type mapCache struct {
	turns *keyedLock

	mu      sync.Mutex
	entries map[mapKey]*list.Element
	recent  *list.List // of *mapEntry; the latest used is in front
	size    int
	tenants map[string]int // what each takes
}

type mapKey struct{ tenant, digest string }

type mapEntry struct {
	mapKey
	m *sourcemap.Map
}

func newMapCache() *mapCache {
	return &mapCache{turns: newKeyedLock(), entries: make(map[mapKey]*list.Element), recent: list.New(), tenants: make(map[string]int)}
}

// get returns a tenant's map, reading it when it is not there.
func (c *mapCache) get(ctx context.Context, tenant, digest string, read func(context.Context) ([]byte, error)) (*sourcemap.Map, error) {
	key := mapKey{tenant, digest}
	if m := c.lookup(key); m != nil {
		return m, nil
	}
	unlock, err := c.turns.lock(ctx, tenant)
	if err != nil {
		return nil, err
	}
	defer unlock()
	if m := c.lookup(key); m != nil {
		return m, nil
	}
	data, err := read(ctx)
	if err != nil {
		return nil, err
	}
	m, err := sourcemap.Parse(data)
	if err != nil {
		return nil, err
	}
	c.add(key, m)
	return m, nil
}

func (c *mapCache) lookup(key mapKey) *sourcemap.Map {
	c.mu.Lock()
	defer c.mu.Unlock()
	e := c.entries[key]
	if e == nil {
		return nil
	}
	c.recent.MoveToFront(e)
	return e.Value.(*mapEntry).m
}

func (c *mapCache) add(key mapKey, m *sourcemap.Map) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.entries[key] = c.recent.PushFront(&mapEntry{key, m})
	c.size += m.Size()
	c.tenants[key.tenant] += m.Size()
	for e := c.recent.Back(); e != nil && c.tenants[key.tenant] > maxTenantMaps; {
		previous := e.Prev()
		if e.Value.(*mapEntry).tenant == key.tenant {
			c.remove(e)
		}
		e = previous
	}
	for c.size > maxMaps {
		c.remove(c.recent.Back())
	}
}

func (c *mapCache) remove(e *list.Element) {
	entry := c.recent.Remove(e).(*mapEntry)
	delete(c.entries, entry.mapKey)
	c.size -= entry.m.Size()
	if c.tenants[entry.tenant] -= entry.m.Size(); c.tenants[entry.tenant] == 0 {
		delete(c.tenants, entry.tenant)
	}
}
