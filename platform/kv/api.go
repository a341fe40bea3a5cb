package kv

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"slices"
	"time"

	"github.com/bulkhead-run/bulkhead/platform"
	"github.com/bulkhead-run/bulkhead/policies"
	"github.com/bulkhead-run/bulkhead/value"
)

const maxTTL = 10 * 365 * 24 * time.Hour

// APIs returns kv.get, kv.getWithVersion, kv.put, kv.delete and kv.list. What
// each takes, returns and throws is in docs/platform-apis.md.
func (k *KV) APIs() []platform.API {
	return []platform.API{
		{Name: "kv.get", Doc: "kv.get(key): the value of a key, or undefined", Attributes: keyAttributes, AtOnce: k.getAtOnce, Func: k.get},
		{Name: "kv.getWithVersion", Doc: "kv.getWithVersion(key): {value, version, expires}, or undefined", Attributes: keyAttributes, Func: k.getWithVersion},
		{Name: "kv.put", DeleteTenant: k.DeleteTenant, Doc: "kv.put(key, value, {ttl, ifVersion, ifAbsent}): set a key", Attributes: putAttributes, Func: k.put},
		{Name: "kv.delete", Doc: "kv.delete(key, {ifVersion}): delete a key", Attributes: keyAttributes, Func: k.delete},
		{Name: "kv.list", Doc: "kv.list({prefix, limit, cursor}): list keys in order", Attributes: listAttributes, Func: k.list},
	}
}

func keyAttributes(args []json.RawMessage) (policies.Attributes, error) {
	key, err := (&platform.Call{Args: args}).Text(0, "key", maxKey)
	return policies.Attributes{Key: key}, err
}

func putAttributes(args []json.RawMessage) (policies.Attributes, error) {
	a, err := keyAttributes(args)
	if len(args) > 1 {
		a.Size = int64(len(args[1]))
	}
	return a, err
}

// listAttributes gives the prefix as the key: a rule about keys that begin
// with something holds for a list of some of them.
func listAttributes(args []json.RawMessage) (policies.Attributes, error) {
	var o listOptions
	err := (&platform.Call{Args: args}).Options(0, "options", &o)
	return policies.Attributes{Key: o.Prefix, Prefix: true}, err
}

func (k *KV) get(ctx context.Context, call *platform.Call) (any, error) {
	_, v, err := k.read(ctx, call)
	return v, err
}

// getAtOnce is get for a key whose value is in memory, or that does not exist.
func (k *KV) getAtOnce(call *platform.Call) (any, bool) {
	key, err := call.Text(0, "key", maxKey)
	if err != nil {
		return nil, false
	}
	v, ok := k.peek(call.Tenant, key)
	return v, ok
}

func (k *KV) getWithVersion(ctx context.Context, call *platform.Call) (any, error) {
	e, v, err := k.read(ctx, call)
	if e == nil || err != nil {
		return nil, err
	}
	o := value.NewObject("value", v, "version", e.version)
	if !e.expires.IsZero() {
		o.Set("expires", e.expires.UnixMilli())
	}
	return o, nil
}

func (k *KV) read(ctx context.Context, call *platform.Call) (e *entry, v value.Wire, err error) {
	key, err := call.Text(0, "key", maxKey)
	if err != nil {
		return nil, nil, err
	}
	err = k.with(ctx, call.Tenant, func(t *tenant) error {
		e, v, err = t.read(ctx, key)
		return err
	})
	return e, v, err
}

type putOptions struct {
	TTL       *float64 `json:"ttl"`
	IfVersion *uint64  `json:"ifVersion"`
	IfAbsent  bool     `json:"ifAbsent"`
}

func (k *KV) put(ctx context.Context, call *platform.Call) (any, error) {
	key, err := call.Text(0, "key", maxKey)
	if err != nil {
		return nil, err
	}
	v, err := call.Value(1, "value", k.o.MaxValue)
	if err != nil {
		return nil, err
	}
	var o putOptions
	if err := call.Options(2, "options", &o); err != nil {
		return nil, err
	}
	c, err := newCondition(o.IfVersion, o.IfAbsent)
	if err != nil {
		return nil, err
	}
	var expires time.Time
	if o.TTL != nil {
		ttl, err := platform.Seconds("ttl", *o.TTL, time.Millisecond, maxTTL)
		if err != nil {
			return nil, err
		}
		expires = time.Now().Add(ttl).Round(0) // a time of day, as JetStream keeps it
	}
	var e *entry
	err = k.with(ctx, call.Tenant, func(t *tenant) error {
		e, err = t.write(ctx, key, slices.Clone(v), expires, false, c, func(old *entry) error {
			return k.room(t, old, int64(len(key)+len(v)))
		})
		return err
	})
	if err != nil {
		return nil, err
	}
	return value.NewObject("version", e.version), nil
}

func newCondition(version *uint64, absent bool) (condition, error) {
	c := condition{absent: absent}
	if version != nil {
		if c.version = *version; c.version == 0 || absent {
			return c, platform.TypeErrorf("ifVersion must be a version, and not beside ifAbsent")
		}
	}
	return c, nil
}

// room returns a QuotaExceededError unless there is room for a message of that
// size in place of old.
func (k *KV) room(t *tenant, old *entry, size int64) error {
	if k.fits(t, old, size, time.Time{}) == nil {
		return nil
	}
	return k.fits(t, old, size, t.index.sweep(time.Now()))
}

func (k *KV) fits(t *tenant, old *entry, size int64, resets time.Time) error {
	bytes, keys := t.index.used()
	free, slots := int64(0), 0
	if old != nil && !old.gone && t.index.get(old.key) == old {
		free, slots = old.size, 1
	}
	switch {
	case keys-slots >= k.o.MaxKeys:
		return platform.QuotaError("keys of kv", int64(k.o.MaxKeys), int64(keys), resets)
	case bytes-free+size > k.o.MaxBytes:
		return platform.QuotaError("bytes of kv", k.o.MaxBytes, bytes, resets)
	}
	return nil
}

type deleteOptions struct {
	IfVersion *uint64 `json:"ifVersion"`
}

func (k *KV) delete(ctx context.Context, call *platform.Call) (any, error) {
	key, err := call.Text(0, "key", maxKey)
	if err != nil {
		return nil, err
	}
	var o deleteOptions
	if err := call.Options(1, "options", &o); err != nil {
		return nil, err
	}
	c, err := newCondition(o.IfVersion, false)
	if err != nil {
		return nil, err
	}
	var e *entry
	err = k.with(ctx, call.Tenant, func(t *tenant) error {
		e, err = t.write(ctx, key, nil, time.Time{}, true, c, func(*entry) error { return nil })
		return err
	})
	return e != nil, err
}

type listOptions struct {
	Prefix string `json:"prefix"`
	Limit  *int   `json:"limit"`
	Cursor string `json:"cursor"`
}

func (k *KV) list(ctx context.Context, call *platform.Call) (any, error) {
	var o listOptions
	if err := call.Options(0, "options", &o); err != nil {
		return nil, err
	}
	limit, err := platform.PageSize(o.Limit, usualPage, maxPage)
	if err != nil {
		return nil, err
	}
	if len(o.Prefix) > maxKey {
		return nil, platform.TypeErrorf("prefix has %d bytes; the most is %d", len(o.Prefix), maxKey)
	}
	after, err := base64.RawURLEncoding.DecodeString(o.Cursor)
	if err != nil || len(after) > maxKey {
		return nil, platform.TypeErrorf("cursor is none that kv.list returned")
	}
	keys := []any{}
	result := value.NewObject()
	err = k.with(ctx, call.Tenant, func(t *tenant) error {
		found, more := t.index.page(o.Prefix, string(after), limit, time.Now())
		for _, e := range found {
			item := value.NewObject("key", e.key, "version", e.version)
			if !e.expires.IsZero() {
				item.Set("expires", e.expires.UnixMilli())
			}
			keys = append(keys, item)
		}
		result.Set("keys", keys)
		if more {
			result.Set("cursor", encodeKey(found[len(found)-1].key))
		}
		return nil
	})
	return result, err
}
