package supervisor

import (
	"container/list"
	"context"
	"sync"
)

// What is parsed may take this much, in bytes: source maps, and environments. A
// tenant that throws from many functions pushes out its own maps first.
const (
	maxMaps               = 128 << 20
	maxTenantMaps         = 24 << 20
	maxEnvironments       = 32 << 20
	maxTenantEnvironments = 8 << 20
)

// partCache keeps parts of versions parsed: what the registry has under a
// digest. Parsing is work that a tenant can cause, so each has one part parsed
// at a time.
type partCache[T interface{ Size() int }] struct {
	parse          func([]byte) (T, error)
	max, maxTenant int // bytes
	turns          *keyedLock

	mu      sync.Mutex
	entries map[partKey]*list.Element
	recent  *list.List // of *partEntry[T]; the latest used is in front
	size    int
	tenants map[string]int // what each takes
}

type partKey struct{ tenant, digest string }

type partEntry[T any] struct {
	partKey
	part T
}

func newPartCache[T interface{ Size() int }](limit, tenantLimit int, parse func([]byte) (T, error)) *partCache[T] {
	return &partCache[T]{parse: parse, max: limit, maxTenant: tenantLimit, turns: newKeyedLock(),
		entries: make(map[partKey]*list.Element), recent: list.New(), tenants: make(map[string]int)}
}

// get returns a tenant's part, reading it when it is not there.
func (c *partCache[T]) get(ctx context.Context, tenant, digest string, read func(context.Context) ([]byte, error)) (part T, err error) {
	key := partKey{tenant, digest}
	if part, ok := c.lookup(key); ok {
		return part, nil
	}
	unlock, err := c.turns.lock(ctx, tenant)
	if err != nil {
		return part, err
	}
	defer unlock()
	if part, ok := c.lookup(key); ok {
		return part, nil
	}
	data, err := read(ctx)
	if err != nil {
		return part, err
	}
	if part, err = c.parse(data); err != nil {
		return part, err
	}
	c.add(key, part)
	return part, nil
}

func (c *partCache[T]) lookup(key partKey) (part T, ok bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	e := c.entries[key]
	if e == nil {
		return part, false
	}
	c.recent.MoveToFront(e)
	return e.Value.(*partEntry[T]).part, true
}

func (c *partCache[T]) add(key partKey, part T) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.entries[key] = c.recent.PushFront(&partEntry[T]{key, part})
	c.size += part.Size()
	c.tenants[key.tenant] += part.Size()
	for e := c.recent.Back(); e != nil && c.tenants[key.tenant] > c.maxTenant; {
		previous := e.Prev()
		if e.Value.(*partEntry[T]).tenant == key.tenant {
			c.remove(e)
		}
		e = previous
	}
	for c.size > c.max {
		c.remove(c.recent.Back())
	}
}

func (c *partCache[T]) remove(e *list.Element) {
	entry := c.recent.Remove(e).(*partEntry[T])
	delete(c.entries, entry.partKey)
	c.size -= entry.part.Size()
	if c.tenants[entry.tenant] -= entry.part.Size(); c.tenants[entry.tenant] == 0 {
		delete(c.tenants, entry.tenant)
	}
}
