package kv

import (
	"sync"

	"github.com/bulkhead-run/bulkhead/value"
)

// overhead is what an entry in the cache counts beside its value.
const overhead = 128

// cache holds the values used last, of all tenants, in a ring of their entries.
type cache struct {
	most int64

	mu   sync.Mutex
	held int64
	head entry // head.next is the one used last
}

func newCache(most int64) *cache {
	c := &cache{most: most}
	c.head.prev, c.head.next = &c.head, &c.head
	return c
}

func (c *cache) get(e *entry) (value.Wire, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if e.next == nil {
		return nil, false
	}
	c.unlink(e)
	c.link(e)
	return e.value, true
}

// put keeps the value of an entry. What is too large for the cache is not kept.
func (c *cache) put(e *entry, v value.Wire) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if e.next != nil || int64(len(v))+overhead > c.most {
		return
	}
	e.value = v
	c.link(e)
	c.held += int64(len(v)) + overhead
	for c.held > c.most {
		c.evict(c.head.prev)
	}
}

func (c *cache) remove(e *entry) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if e.next != nil {
		c.evict(e)
	}
}

func (c *cache) evict(e *entry) {
	c.held -= int64(len(e.value)) + overhead
	c.unlink(e)
	e.value = nil
}

func (c *cache) link(e *entry) {
	e.prev, e.next = &c.head, c.head.next
	e.prev.next, e.next.prev = e, e
}

func (c *cache) unlink(e *entry) {
	e.prev.next, e.next.prev = e.next, e.prev
	e.prev, e.next = nil, nil
}
