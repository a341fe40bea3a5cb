package kv

import (
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/bulkhead-run/bulkhead/value"
)

// entry is what is in memory of one key. It is immutable but for what the
// cache keeps in it.
type entry struct {
	key     string
	version uint64 // the sequence of its message
	size    int64  // of key and value
	expires time.Time
	gone    bool // deleted

	// Of the cache, under its lock.
	value      value.Wire
	prev, next *entry
}

func (e *entry) live(now time.Time) bool {
	return e != nil && !e.gone && (e.expires.IsZero() || now.Before(e.expires))
}

// index is a tenant's keys in memory. It moves forward only: an entry is
// replaced by a newer one. A deleted key stays until the watch has
// come to its deletion, so that nothing older brings it back.
type index struct {
	cache *cache

	mu      sync.RWMutex
	entries map[string]*entry
	order   []string // the keys of those that are not gone
	bytes   int64    // of those
}

func newIndex(c *cache) *index { return &index{cache: c, entries: map[string]*entry{}} }

func (x *index) get(key string) *entry {
	x.mu.RLock()
	defer x.mu.RUnlock()
	return x.entries[key]
}

// apply takes an entry over if it is newer than what is known.
func (x *index) apply(e *entry) {
	x.mu.Lock()
	defer x.mu.Unlock()
	old := x.entries[e.key]
	if old != nil && old.version >= e.version {
		return
	}
	if old != nil {
		x.drop(old)
	}
	x.entries[e.key] = e
	if !e.gone {
		x.bytes += e.size
		at, _ := slices.BinarySearch(x.order, e.key)
		x.order = slices.Insert(x.order, at, e.key)
	}
}

// drop takes an entry out of all but the map. The lock is held.
func (x *index) drop(e *entry) {
	x.cache.remove(e)
	if !e.gone {
		x.bytes -= e.size
		if at, ok := slices.BinarySearch(x.order, e.key); ok {
			x.order = slices.Delete(x.order, at, at+1)
		}
	}
}

// forget removes a key if nothing newer than e is known of it: the stream has
// nothing older left to deliver.
func (x *index) forget(e *entry) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if known := x.entries[e.key]; known != nil && known.version <= e.version {
		x.drop(known)
		delete(x.entries, e.key)
	}
}

// keep puts an entry's value into the cache while its version is current: the
// watch may have brought the entry first.
func (x *index) keep(e *entry, v value.Wire) {
	x.mu.RLock()
	defer x.mu.RUnlock()
	if known := x.entries[e.key]; known != nil && known.version == e.version {
		x.cache.put(known, v)
	}
}

// used returns how much the tenant stores.
func (x *index) used() (bytes int64, keys int) {
	x.mu.RLock()
	defer x.mu.RUnlock()
	return x.bytes, len(x.order)
}

// sweep forgets what has expired, and returns when the next key does, or the
// zero time.
func (x *index) sweep(now time.Time) (next time.Time) {
	x.mu.Lock()
	defer x.mu.Unlock()
	kept := x.order[:0]
	for _, key := range x.order {
		e := x.entries[key]
		if !e.live(now) {
			x.cache.remove(e)
			x.bytes -= e.size
			delete(x.entries, key)
			continue
		}
		kept = append(kept, key)
		if !e.expires.IsZero() && (next.IsZero() || e.expires.Before(next)) {
			next = e.expires
		}
	}
	clear(x.order[len(kept):])
	x.order = kept
	return next
}

// page returns up to limit live entries with the prefix, after the key after,
// and whether there are more.
func (x *index) page(prefix, after string, limit int, now time.Time) (found []*entry, more bool) {
	x.mu.RLock()
	defer x.mu.RUnlock()
	at, exact := slices.BinarySearch(x.order, max(prefix, after))
	if exact && after >= prefix {
		at++
	}
	for _, key := range x.order[at:] {
		if !strings.HasPrefix(key, prefix) {
			break
		}
		e := x.entries[key]
		if !e.live(now) {
			continue
		}
		if len(found) == limit {
			return found, true
		}
		found = append(found, e)
	}
	return found, false
}

func (x *index) clear() {
	x.mu.Lock()
	defer x.mu.Unlock()
	for _, e := range x.entries {
		x.cache.remove(e)
	}
	clear(x.entries)
	x.order, x.bytes = nil, 0
}
