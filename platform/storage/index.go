package storage

import (
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/bulkhead-run/bulkhead/platform"
)

// object is what is in memory of one.
type object struct {
	key      string
	size     int64
	uploaded time.Time
}

// index is what a tenant has in the store.
type index struct {
	mu      sync.Mutex
	objects map[string]object
	order   []string // keys
	bytes   int64    // of objects
	pending int64    // of bodies on their way in
	coming  int      // how many these are
}

func (x *index) get(key string) (object, bool) {
	x.mu.Lock()
	defer x.mu.Unlock()
	o, ok := x.objects[key]
	return o, ok
}

func (x *index) set(o object) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if old, ok := x.objects[o.key]; ok {
		x.bytes -= old.size
	} else {
		at, _ := slices.BinarySearch(x.order, o.key)
		x.order = slices.Insert(x.order, at, o.key)
	}
	x.objects[o.key] = o
	x.bytes += o.size
}

func (x *index) remove(key string) {
	x.mu.Lock()
	defer x.mu.Unlock()
	old, ok := x.objects[key]
	if !ok {
		return
	}
	x.bytes -= old.size
	delete(x.objects, key)
	if at, ok := slices.BinarySearch(x.order, key); ok {
		x.order = slices.Delete(x.order, at, at+1)
	}
}

// booking is room that a body on its way in takes.
type booking struct {
	x     *index
	o     *Options
	bytes int64
}

// book begins a booking. The error is a QuotaExceededError.
func (x *index) book(o *Options, key string) (*booking, error) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if _, replaces := x.objects[key]; !replaces && len(x.objects)+x.coming >= o.MaxObjects {
		return nil, platform.QuotaError("objects of storage", int64(o.MaxObjects), int64(len(x.objects)+x.coming), time.Time{})
	}
	x.coming++
	return &booking{x: x, o: o}, nil
}

// grow books further bytes. The old object counts until the new one is there.
func (b *booking) grow(n int64) error {
	b.x.mu.Lock()
	defer b.x.mu.Unlock()
	if used := b.x.bytes + b.x.pending; used+n > b.o.MaxBytes {
		return platform.QuotaError("bytes of storage", b.o.MaxBytes, used-b.bytes, time.Time{})
	}
	b.x.pending += n
	b.bytes += n
	return nil
}

func (b *booking) end() {
	b.x.mu.Lock()
	defer b.x.mu.Unlock()
	b.x.pending -= b.bytes
	b.x.coming--
}

// page returns up to limit objects and prefixes with the prefix, after the key
// after, and where to go on if there are more. Keys that have the delimiter
// after the prefix are told by what comes up to it, once.
func (x *index) page(prefix, delimiter, after string, limit int) (found []object, prefixes []string, next string) {
	x.mu.Lock()
	defer x.mu.Unlock()
	at, exact := slices.BinarySearch(x.order, max(prefix, after))
	if exact && after >= prefix {
		at++
	}
	last := after
	for ; at < len(x.order) && strings.HasPrefix(x.order[at], prefix); at++ {
		key := x.order[at]
		common := ""
		if delimiter != "" {
			if end := strings.Index(key[len(prefix):], delimiter); end >= 0 {
				common = key[:len(prefix)+end+len(delimiter)]
				if strings.HasPrefix(after, common) {
					continue // told on the page before
				}
			}
		}
		if common != "" && len(prefixes) > 0 && prefixes[len(prefixes)-1] == common {
			last = key
			continue
		}
		if len(found)+len(prefixes) == limit {
			return found, prefixes, last
		}
		if last = key; common != "" {
			prefixes = append(prefixes, common)
		} else {
			found = append(found, x.objects[key])
		}
	}
	return found, prefixes, ""
}
