package storage

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"io"

	"gocloud.dev/blob"
	"gocloud.dev/gcerrors"

	"github.com/bulkhead-run/bulkhead/platform"
	"github.com/bulkhead-run/bulkhead/policies"
	"github.com/bulkhead-run/bulkhead/value"
)

// APIs returns storage.put, storage.get, storage.head, storage.delete and
// storage.list. What each takes, returns and throws is in
// docs/platform-apis.md.
func (s *Storage) APIs() []platform.API {
	return []platform.API{
		{Name: "storage.put", DeleteTenant: s.DeleteTenant, Doc: "storage.put(key, body, {contentType, metadata, size}): store an object", ChecksItself: true, Func: s.put},
		{Name: "storage.get", Doc: "storage.get(key, {range}): an object, or undefined", Attributes: attributes, Func: s.get},
		{Name: "storage.head", Doc: "storage.head(key): an object without its body, or undefined", Attributes: attributes, Func: s.head},
		{Name: "storage.delete", Doc: "storage.delete(key): delete an object", Attributes: attributes, Func: s.delete},
		{Name: "storage.list", Doc: "storage.list({prefix, delimiter, limit, cursor}): list objects in order", Attributes: listAttributes, Func: s.listObjects},
	}
}

func attributes(args []json.RawMessage) (policies.Attributes, error) {
	key, err := objectKey(&platform.Call{Args: args})
	return policies.Attributes{Key: key}, err
}

// listAttributes gives the prefix as the key: a rule about keys that begin
// with something holds for a list of some of them.
func listAttributes(args []json.RawMessage) (policies.Attributes, error) {
	var o listOptions
	err := (&platform.Call{Args: args}).Options(0, "options", &o)
	return policies.Attributes{Key: o.Prefix}, err
}

func objectKey(call *platform.Call) (string, error) {
	key, err := call.Text(0, "key", maxKey)
	if err == nil && len(encodeKey(key)) > maxName {
		err = platform.TypeErrorf("argument 1 (key) is too long: a character that is no letter or digit counts as up to 9 of %d", maxName)
	}
	return key, err
}

// describe is what JavaScript sees of an object in a list.
func (o object) describe() *value.Object {
	return value.NewObject("key", o.key, "size", o.size, "uploaded", o.uploaded.UnixMilli())
}

func (s *Storage) head(ctx context.Context, call *platform.Call) (any, error) {
	return s.find(ctx, call, func(context.Context, string, *value.Object, int64) error { return nil })
}

type getOptions struct {
	Range *struct {
		Offset *int64 `json:"offset"`
		Length *int64 `json:"length"`
	} `json:"range"`
}

func (s *Storage) get(ctx context.Context, call *platform.Call) (any, error) {
	var o getOptions
	if err := call.Options(1, "options", &o); err != nil {
		return nil, err
	}
	return s.find(ctx, call, func(short context.Context, name string, result *value.Object, size int64) error {
		offset, length := int64(0), size
		if r := o.Range; r != nil {
			if r.Offset != nil {
				offset = *r.Offset
			}
			if r.Length != nil {
				length = *r.Length
			}
			if offset < 0 || offset > size || length < 0 {
				return platform.Errorf("RangeError", "range: the object has %d bytes; offset must be within, and length not below 0", size)
			}
			length = min(length, size-offset)
			result.Set("range", value.NewObject("offset", offset, "length", length))
		}
		if length <= s.o.MaxInline {
			body, err := s.read(short, name, offset, length)
			result.Set("body", body)
			return err
		}
		// The body is read for longer than this call takes.
		r, err := s.bucket.NewRangeReader(ctx, name, offset, length, nil)
		if err != nil {
			return err
		}
		if call.Streams == nil {
			_ = r.Close()
			return platform.Errorf("RangeError", "storage.get: a body of over %d bytes cannot be returned here; ask for a range", s.o.MaxInline)
		}
		id, err := call.Streams.Send(r)
		result.Set("stream", int64(id))
		return err
	})
}

func (s *Storage) read(ctx context.Context, name string, offset, length int64) ([]byte, error) {
	if length == 0 {
		return []byte{}, nil
	}
	r, err := s.bucket.NewRangeReader(ctx, name, offset, length, nil)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	body := make([]byte, length)
	_, err = io.ReadFull(r, body)
	return body, err
}

// find describes an object, to which more adds the body. It returns nil when
// there is none.
func (s *Storage) find(ctx context.Context, call *platform.Call, more func(ctx context.Context, name string, result *value.Object, size int64) error) (any, error) {
	key, err := objectKey(call)
	if err != nil {
		return nil, err
	}
	var result *value.Object
	err = s.with(ctx, call.Tenant, func(ctx context.Context, t *tenant) error {
		o, ok := t.index.get(key)
		if !ok {
			return nil
		}
		name := t.name + "/" + encodeKey(key)
		if err := s.folder.check(name); err != nil {
			return err
		}
		lock := s.lock(t, key)
		lock.RLock()
		defer lock.RUnlock()
		a, err := s.bucket.Attributes(ctx, name)
		if err == nil {
			found := describe(o, a)
			if err = more(ctx, name, found, a.Size); err == nil {
				result = found
			}
		}
		if gcerrors.Code(err) == gcerrors.NotFound {
			t.index.remove(key) // it was deleted behind our back, or just now
			return nil
		}
		return err
	})
	if result == nil || err != nil {
		return nil, err
	}
	return result, nil
}

func describe(o object, a *blob.Attributes) *value.Object {
	metadata := map[string]any{}
	for name, text := range a.Metadata {
		metadata[name] = text
	}
	o.size, o.uploaded = a.Size, a.ModTime
	d := o.describe()
	d.Set("etag", a.ETag)
	d.Set("contentType", a.ContentType)
	d.Set("metadata", metadata)
	return d
}

func (s *Storage) delete(ctx context.Context, call *platform.Call) (any, error) {
	key, err := objectKey(call)
	if err != nil {
		return nil, err
	}
	existed := false
	err = s.with(ctx, call.Tenant, func(ctx context.Context, t *tenant) error {
		if _, ok := t.index.get(key); !ok {
			return nil
		}
		name := t.name + "/" + encodeKey(key)
		if err := s.folder.check(name); err != nil {
			return err
		}
		lock := s.lock(t, key)
		lock.Lock()
		defer lock.Unlock()
		err := s.bucket.Delete(ctx, name)
		if err != nil && gcerrors.Code(err) != gcerrors.NotFound {
			return err
		}
		existed = err == nil
		t.index.remove(key)
		s.folder.prune(name)
		return nil
	})
	return existed, err
}

type listOptions struct {
	Prefix    string `json:"prefix"`
	Delimiter string `json:"delimiter"`
	Limit     *int   `json:"limit"`
	Cursor    string `json:"cursor"`
}

func (s *Storage) listObjects(ctx context.Context, call *platform.Call) (any, error) {
	var o listOptions
	if err := call.Options(0, "options", &o); err != nil {
		return nil, err
	}
	limit, err := platform.PageSize(o.Limit, usualPage, maxPage)
	if err != nil {
		return nil, err
	}
	if len(o.Prefix) > maxKey || len(o.Delimiter) > maxKey {
		return nil, platform.TypeErrorf("prefix and delimiter have at most %d bytes", maxKey)
	}
	after, err := base64.RawURLEncoding.DecodeString(o.Cursor)
	if err != nil || len(after) > maxKey {
		return nil, platform.TypeErrorf("cursor is none that storage.list returned")
	}
	result := value.NewObject()
	err = s.with(ctx, call.Tenant, func(_ context.Context, t *tenant) error {
		found, common, next := t.index.page(o.Prefix, o.Delimiter, string(after), limit)
		objects, prefixes := []any{}, []any{}
		for _, o := range found {
			objects = append(objects, o.describe())
		}
		for _, p := range common {
			prefixes = append(prefixes, p)
		}
		result.Set("objects", objects)
		result.Set("prefixes", prefixes)
		if next != "" {
			result.Set("cursor", base64.RawURLEncoding.EncodeToString([]byte(next)))
		}
		return nil
	})
	return result, err
}
