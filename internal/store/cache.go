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
	functions map[string]*functionSlot
}

// functionSlot is a function with its versions. It may have versions and no
// record: a first deploy is under way, or a deletion.
type functionSlot struct {
	slot[*Function]
	versions map[string]slot[*Version]
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
	k, ok := parseKey(e.key)
	c.mu.Lock()
	defer c.mu.Unlock()
	err := e.err
	switch {
	case !ok && e.gone:
		delete(c.unknown, e.key)
	case !ok:
		c.unknown[e.key] = true
		err = errUnknownKey
	case k.function == "":
		t := c.slot(k.tenant)
		t.slot, t.deleted = slot[Tenant]{}, e.gone
		if !e.gone {
			t.slot = decoded(e, func(data []byte) (Tenant, error) { return decodeTenant(k.tenant, data) })
			err = t.err
		}
	default:
		err = c.slot(k.tenant).apply(k, e)
	}
	if e.revision != unknownRevision {
		c.revision = max(c.revision, e.revision)
	}
	close(c.changed)
	c.changed = make(chan struct{})
	return err
}

func decoded[T any](e entry, decode func([]byte) (T, error)) slot[T] {
	s := slot[T]{revision: e.revision, err: e.err}
	if s.err == nil {
		s.record, s.err = decode(e.value)
	}
	return s
}

// apply takes an entry of a function or a version.
func (t *tenantSlot) apply(k recordKey, e entry) (err error) {
	f := t.functions[k.function]
	if f == nil {
		f = &functionSlot{versions: map[string]slot[*Version]{}}
		t.functions[k.function] = f
	}
	switch {
	case k.version == "" && e.gone:
		f.slot = slot[*Function]{}
	case k.version == "":
		f.slot = decoded(e, func(data []byte) (*Function, error) { return decodeFunction(k, data) })
		err = f.err
	case e.gone:
		delete(f.versions, k.version)
	default:
		v := decoded(e, func(data []byte) (*Version, error) { return decodeVersion(k, data) })
		f.versions[k.version], err = v, v.err
	}
	if f.revision == 0 && len(f.versions) == 0 {
		delete(t.functions, k.function)
	}
	f.link()
	return err
}

// link makes a new record of a function that knows its versions: the old one
// may be in use.
func (f *functionSlot) link() {
	if f.record == nil {
		return
	}
	linked := *f.record
	linked.Versions = make([]*Version, 0, len(f.versions))
	for _, v := range f.versions {
		if v.err == nil {
			linked.Versions = append(linked.Versions, v.record)
		}
	}
	slices.SortFunc(linked.Versions, func(a, b *Version) int {
		return cmp.Or(b.Deployed.Compare(a.Deployed), cmp.Compare(a.Version, b.Version))
	})
	linked.live, linked.candidate = linked.Version(linked.Aliases[Live]), nil
	if linked.Split != nil {
		linked.candidate = linked.Version(linked.Split.Candidate)
	}
	f.record = &linked
}

func (c *cache) slot(tenant string) *tenantSlot {
	t := c.tenants[tenant]
	if t == nil {
		t = &tenantSlot{functions: map[string]*functionSlot{}}
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

// keyRevision returns the revision of a record, 0 when there is none. The lock
// is held.
func (c *cache) keyRevision(k recordKey) uint64 {
	t := c.tenants[k.tenant]
	if t == nil {
		return 0
	}
	if k.function == "" {
		return t.revision
	}
	f := t.functions[k.function]
	switch {
	case f == nil:
		return 0
	case k.version == "":
		return f.revision
	}
	return f.versions[k.version].revision
}

func (c *cache) revisionOf(k recordKey) uint64 {
	c.mu.RLock()
	defer c.mu.RUnlock()
	return c.keyRevision(k)
}

// gone reports whether the deletion of a record has been seen. The lock is
// held.
func (c *cache) gone(k recordKey) bool {
	if k.function == "" {
		return c.tenants[k.tenant] != nil && c.tenants[k.tenant].deleted
	}
	return c.keyRevision(k) == 0
}

func (c *cache) isDeleted(tenant string) bool {
	c.mu.RLock()
	defer c.mu.RUnlock()
	return c.gone(recordKey{tenant: tenant})
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
		return nil, &RecordError{recordKey{tenant: tenant}.String(), t.err}
	}
	return t, nil
}

func (c *cache) function(tenant, function string) (*Function, error) {
	c.mu.RLock()
	defer c.mu.RUnlock()
	t, err := c.usable(tenant)
	if err != nil {
		return nil, err
	}
	f := t.functions[function]
	switch {
	case f == nil || f.revision == 0:
		return nil, notFound("function", tenant+"/"+function)
	case f.err != nil:
		return nil, &RecordError{recordKey{tenant: tenant, function: function}.String(), f.err}
	}
	return f.record, nil
}

// version returns the record of a version, whatever its function's is.
func (c *cache) version(k recordKey) (*Version, error) {
	c.mu.RLock()
	defer c.mu.RUnlock()
	t, err := c.usable(k.tenant)
	if err != nil {
		return nil, err
	}
	var v slot[*Version]
	if f := t.functions[k.function]; f != nil {
		v = f.versions[k.version]
	}
	switch {
	case v.revision == 0:
		return nil, notFound("version", k.tenant+"/"+k.function+"@"+k.version)
	case v.err != nil:
		return nil, &RecordError{k.String(), v.err}
	}
	return v.record, nil
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

func (c *cache) allFunctions(tenant string) ([]*Function, error) {
	c.mu.RLock()
	t, err := c.usable(tenant)
	if err != nil {
		c.mu.RUnlock()
		return nil, err
	}
	all := make([]*Function, 0, len(t.functions))
	for _, f := range t.functions {
		if f.err == nil && f.revision != 0 {
			all = append(all, f.record)
		}
	}
	c.mu.RUnlock()
	slices.SortFunc(all, func(a, b *Function) int { return cmp.Compare(a.Function, b.Function) })
	return all, nil
}

// damaged lists the records that cannot be used.
func (c *cache) damaged() []*RecordError {
	c.mu.RLock()
	var all []*RecordError
	for key := range c.unknown {
		all = append(all, &RecordError{key, errUnknownKey})
	}
	for tenant, t := range c.tenants {
		if t.err != nil {
			all = append(all, &RecordError{recordKey{tenant: tenant}.String(), t.err})
		}
		for function, f := range t.functions {
			k := recordKey{tenant: tenant, function: function}
			switch {
			case f.err != nil:
				all = append(all, &RecordError{k.String(), f.err})
			case f.revision != 0 && t.revision == 0 && !t.deleted:
				all = append(all, &RecordError{k.String(), errNoTenant})
			}
			for version, v := range f.versions {
				if k.version = version; v.err != nil {
					all = append(all, &RecordError{k.String(), v.err})
				}
			}
		}
	}
	c.mu.RUnlock()
	slices.SortFunc(all, func(a, b *RecordError) int { return cmp.Compare(a.Key, b.Key) })
	return all
}

// everyVersion returns the sound records of all versions.
func (c *cache) everyVersion() []*Version {
	c.mu.RLock()
	defer c.mu.RUnlock()
	var all []*Version
	for _, t := range c.tenants {
		for _, f := range t.functions {
			for _, v := range f.versions {
				if v.err == nil {
					all = append(all, v.record)
				}
			}
		}
	}
	return all
}

// digests returns those of a version, whatever state the rest is in.
func (c *cache) digests(k recordKey) []string {
	c.mu.RLock()
	defer c.mu.RUnlock()
	if t := c.tenants[k.tenant]; t != nil && t.functions[k.function] != nil {
		if v := t.functions[k.function].versions[k.version].record; v != nil {
			return v.digests()
		}
	}
	return nil
}

// versionKeys returns those of a function's versions, damaged ones included,
// whatever state the rest is in.
func (c *cache) versionKeys(tenant, function string) []recordKey {
	c.mu.RLock()
	defer c.mu.RUnlock()
	var keys []recordKey
	if t := c.tenants[tenant]; t != nil && t.functions[function] != nil {
		for version := range t.functions[function].versions {
			keys = append(keys, recordKey{tenant, function, version})
		}
	}
	return keys
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

// unfinished lists the functions whose deletion, or whose first deploy, was cut
// short.
func (c *cache) unfinished() (keys []recordKey) {
	c.mu.RLock()
	defer c.mu.RUnlock()
	for tenant, t := range c.tenants {
		for function, f := range t.functions {
			if t.deleted || f.revision == 0 {
				keys = append(keys, recordKey{tenant: tenant, function: function})
			}
		}
	}
	return keys
}

// uses reports whether a version of the tenant has this code, source map or
// environment.
func (c *cache) uses(tenant, digest string) bool {
	return c.anyVersion(tenant, func(v slot[*Version]) bool { return v.err == nil && v.record.uses(digest) })
}

// references reports whether a version of the tenant has this code, source map
// or environment, or may: a damaged record does not tell.
func (c *cache) references(tenant, digest string) bool {
	return c.anyVersion(tenant, func(v slot[*Version]) bool { return v.err != nil || v.record.uses(digest) })
}

func (c *cache) anyVersion(tenant string, is func(slot[*Version]) bool) bool {
	c.mu.RLock()
	defer c.mu.RUnlock()
	t := c.tenants[tenant]
	if t == nil {
		return false
	}
	for _, f := range t.functions {
		for _, v := range f.versions {
			if is(v) {
				return true
			}
		}
	}
	return false
}
