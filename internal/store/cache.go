package store

import (
	"cmp"
	"context"
	"errors"
	"math"
	"slices"
	"sync"
)

// cache is the copy of all records in memory. Once it is loaded, the goroutine
// that watches the bucket is its only writer, so it moves forward in the
// bucket's own order.
type cache struct {
	mu      sync.RWMutex
	tenants map[string]*tenantSlot
	unknown map[string]bool // keys that are of no record
	// revision is that of the newest entry seen.
	revision uint64
	// changed is closed and replaced after every entry.
	changed chan struct{}
	// ended is closed when the bucket is not watched any more.
	ended chan struct{}
}

// slot is what is known of one key. It is absent while revision is 0.
type slot[T any] struct {
	revision uint64
	record   T
	err      error // the record is damaged
}

type tenantSlot struct {
	slot[Tenant]
	// deleted: the tenant's deletion is recorded; what functions are left
	// below it are to go too.
	deleted   bool
	functions map[string]slot[Function]
}

func newCache() *cache {
	return &cache{
		tenants: map[string]*tenantSlot{},
		unknown: map[string]bool{},
		changed: make(chan struct{}),
		ended:   make(chan struct{}),
	}
}

// entry is the state of one key.
type entry struct {
	key      string
	revision uint64
	value    []byte
	gone     bool
	err      error // the value could not be read
}

// unknownRevision is that of a record which could not be read.
const unknownRevision = math.MaxUint64

// apply returns the error of a damaged record.
func (c *cache) apply(e entry) error {
	err := e.err
	tenant, function, ok := parseKey(e.key)

	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case !ok && e.gone:
		delete(c.unknown, e.key)
	case !ok:
		c.unknown[e.key] = true
		err = errUnknownKey
	case function == "":
		t := c.slot(tenant)
		t.slot, t.deleted = slot[Tenant]{}, e.gone
		if !e.gone {
			t.revision = e.revision
			if err == nil {
				t.record, err = decodeTenant(tenant, e.value)
			}
			t.err = err
		}
	case e.gone:
		delete(c.slot(tenant).functions, function)
	default:
		f := slot[Function]{revision: e.revision}
		if err == nil {
			f.record, err = decodeFunction(tenant, function, e.value)
		}
		f.err = err
		c.slot(tenant).functions[function] = f
	}
	if e.revision != unknownRevision {
		c.revision = max(c.revision, e.revision)
	}
	close(c.changed)
	c.changed = make(chan struct{})
	return err
}

func (c *cache) slot(tenant string) *tenantSlot {
	t := c.tenants[tenant]
	if t == nil {
		t = &tenantSlot{functions: map[string]slot[Function]{}}
		c.tenants[tenant] = t
	}
	return t
}

// wait returns when ready does; it is called with the lock held for reading.
func (c *cache) wait(ctx context.Context, ready func() bool) error {
	for {
		c.mu.RLock()
		ok, changed := ready(), c.changed
		c.mu.RUnlock()
		if ok {
			return nil
		}
		select {
		case <-changed:
		case <-c.ended:
			return errors.New("the registry's connection ended")
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// keyRevision returns the revision of a tenant's record or, if function is not
// empty, of a function's; 0 when there is none. The lock is held.
func (c *cache) keyRevision(tenant, function string) uint64 {
	t := c.tenants[tenant]
	switch {
	case t == nil:
		return 0
	case function == "":
		return t.revision
	}
	return t.functions[function].revision
}

func (c *cache) revisionOf(tenant, function string) uint64 {
	c.mu.RLock()
	defer c.mu.RUnlock()
	return c.keyRevision(tenant, function)
}

// gone reports whether the deletion of a record has been seen. The lock is
// held.
func (c *cache) gone(tenant, function string) bool {
	if function == "" {
		return c.tenants[tenant] != nil && c.tenants[tenant].deleted
	}
	return c.keyRevision(tenant, function) == 0
}

func (c *cache) isDeleted(tenant string) bool {
	c.mu.RLock()
	defer c.mu.RUnlock()
	return c.gone(tenant, "")
}

func (c *cache) tenant(name string) (Tenant, error) {
	c.mu.RLock()
	defer c.mu.RUnlock()
	t, err := c.usable(name)
	if err != nil {
		return Tenant{}, err
	}
	return t.record, nil
}

// usable returns the tenant's slot if its record is there and sound. The lock
// is held.
func (c *cache) usable(tenant string) (*tenantSlot, error) {
	t := c.tenants[tenant]
	if t == nil || t.revision == 0 {
		return nil, notFound("tenant", tenant)
	}
	if t.err != nil {
		return nil, &RecordError{tenantKey(tenant), t.err}
	}
	return t, nil
}

func (c *cache) function(tenant, function string) (Function, error) {
	c.mu.RLock()
	defer c.mu.RUnlock()
	t, err := c.usable(tenant)
	if err != nil {
		return Function{}, err
	}
	f := t.functions[function]
	switch {
	case f.revision == 0:
		return Function{}, notFound("function", tenant+"/"+function)
	case f.err != nil:
		return Function{}, &RecordError{functionKey(tenant, function), f.err}
	}
	return f.record, nil
}

func (c *cache) allTenants() []Tenant {
	c.mu.RLock()
	all := make([]Tenant, 0, len(c.tenants))
	for name := range c.tenants {
		if t, err := c.usable(name); err == nil {
			all = append(all, t.record)
		}
	}
	c.mu.RUnlock()
	slices.SortFunc(all, func(a, b Tenant) int { return cmp.Compare(a.Name, b.Name) })
	return all
}

func (c *cache) allFunctions(tenant string) ([]Function, error) {
	c.mu.RLock()
	t, err := c.usable(tenant)
	if err != nil {
		c.mu.RUnlock()
		return nil, err
	}
	all := make([]Function, 0, len(t.functions))
	for _, f := range t.functions {
		if f.err == nil {
			all = append(all, f.record)
		}
	}
	c.mu.RUnlock()
	slices.SortFunc(all, func(a, b Function) int { return cmp.Compare(a.Function, b.Function) })
	return all, nil
}

func (c *cache) damaged() []*RecordError {
	c.mu.RLock()
	var all []*RecordError
	for key := range c.unknown {
		all = append(all, &RecordError{key, errUnknownKey})
	}
	for name, t := range c.tenants {
		if t.err != nil {
			all = append(all, &RecordError{tenantKey(name), t.err})
		}
		for function, f := range t.functions {
			switch {
			case f.err != nil:
				all = append(all, &RecordError{functionKey(name, function), f.err})
			case t.revision == 0 && !t.deleted:
				all = append(all, &RecordError{functionKey(name, function), errNoTenant})
			}
		}
	}
	c.mu.RUnlock()
	slices.SortFunc(all, func(a, b *RecordError) int { return cmp.Compare(a.Key, b.Key) })
	return all
}

// digests returns those of a function's code and source map, whatever state
// the tenant is in, or "" for what is not known.
func (c *cache) digests(tenant, function string) []string {
	c.mu.RLock()
	defer c.mu.RUnlock()
	t := c.tenants[tenant]
	if t == nil {
		return nil
	}
	return t.functions[function].record.digests()
}

// everyFunction returns the sound records of all functions.
func (c *cache) everyFunction() []Function {
	c.mu.RLock()
	defer c.mu.RUnlock()
	var all []Function
	for _, t := range c.tenants {
		for _, f := range t.functions {
			if f.err == nil && f.revision != 0 {
				all = append(all, f.record)
			}
		}
	}
	return all
}

// functionNames lists the functions below a tenant, damaged ones included,
// whatever state the tenant is in.
func (c *cache) functionNames(tenant string) []string {
	c.mu.RLock()
	defer c.mu.RUnlock()
	t := c.tenants[tenant]
	if t == nil {
		return nil
	}
	names := make([]string, 0, len(t.functions))
	for name := range t.functions {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// deletedTenants lists those whose deletion has not reached all functions.
func (c *cache) deletedTenants() []string {
	c.mu.RLock()
	defer c.mu.RUnlock()
	var names []string
	for name, t := range c.tenants {
		if t.deleted && len(t.functions) > 0 {
			names = append(names, name)
		}
	}
	return names
}

// uses reports whether a function of the tenant has this code or source map.
func (c *cache) uses(tenant, digest string) bool {
	return c.anyFunction(tenant, func(f slot[Function]) bool { return f.err == nil && f.record.uses(digest) })
}

// references reports whether a function of the tenant has this code or source
// map, or may: a damaged record does not tell.
func (c *cache) references(tenant, digest string) bool {
	return c.anyFunction(tenant, func(f slot[Function]) bool { return f.err != nil || f.record.uses(digest) })
}

func (c *cache) anyFunction(tenant string, is func(slot[Function]) bool) bool {
	c.mu.RLock()
	defer c.mu.RUnlock()
	t := c.tenants[tenant]
	if t == nil {
		return false
	}
	for _, f := range t.functions {
		if is(f) {
			return true
		}
	}
	return false
}
