package storage_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	_ "gocloud.dev/blob/memblob" // mem://

	"github.com/bulkhead-run/bulkhead/internal/store"
	"github.com/bulkhead-run/bulkhead/platform"
	"github.com/bulkhead-run/bulkhead/platform/platformtest"
	"github.com/bulkhead-run/bulkhead/platform/storage"
	"github.com/bulkhead-run/bulkhead/value"
)

type object = map[string]any

func open(t testing.TB, url string, o storage.Options) *storage.Storage {
	t.Helper()
	o.URL = url
	s, err := storage.Open(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

func caller(t testing.TB, s *storage.Storage, tenant string) *platformtest.Caller {
	return &platformtest.Caller{T: t, APIs: s.APIs(), Tenant: tenant, Function: "f", Streams: &platformtest.Streams{}}
}

func member(t testing.TB, v any, name string) any {
	t.Helper()
	o, ok := v.(*value.Object)
	if !ok {
		t.Fatalf("%v is no object", v)
	}
	m, _ := o.Get(name)
	return m
}

// body returns an object's body, however it comes.
func body(t testing.TB, c *platformtest.Caller, v any) string {
	t.Helper()
	if id := member(t, v, "stream"); id != nil {
		return string(c.Streams.Read(t, platform.StreamID(id.(float64))))
	}
	b, ok := member(t, v, "body").([]byte)
	if !ok {
		t.Fatalf("%v has no body", v)
	}
	return string(b)
}

func TestObjects(t *testing.T) {
	for name, url := range map[string]string{"folder": filepath.Join(t.TempDir(), "objects"), "file URL": "file://" + t.TempDir(), "memory": "mem://"} {
		t.Run(name, func(t *testing.T) {
			c := caller(t, open(t, url, storage.Options{MaxInline: 100}), "acme")
			long := strings.Repeat("long body ", 100)
			for _, w := range []struct {
				body                    any
				options                 object
				want, wantType, metaOfX string
			}{
				{"text é", nil, "text é", "text/plain; charset=utf-8", ""},
				{"", nil, "", "text/plain; charset=utf-8", ""},
				{[]byte{0, 1, 255}, nil, "\x00\x01\xff", "application/octet-stream", ""},
				{value.ArrayBuffer("buffer"), object{"contentType": "image/png"}, "buffer", "image/png", ""},
				{&value.TypedArray{Kind: "Int8Array", Bytes: []byte("view")}, object{"metadata": object{"x": "é y"}}, "view", "application/octet-stream", "é y"},
				{long, nil, long, "text/plain; charset=utf-8", ""},
				{float64(c.Streams.Offer(strings.NewReader(long))), object{"size": len(long)}, long, "application/octet-stream", ""},
				{float64(c.Streams.Offer(iotestOneByte{strings.NewReader(long)})), object{"contentType": "text/css"}, long, "text/css", ""},
			} {
				put := c.Must("storage.put", "dir/key", w.body, w.options)
				if member(t, put, "size") != float64(len(w.want)) || c.Seen.Key != "dir/key" {
					t.Errorf("put: %v, attributes %+v", put, c.Seen)
				}
				got := c.Must("storage.get", "dir/key")
				if b := body(t, c, got); b != w.want {
					t.Errorf("got %q, want %q", b, w.want)
				}
				head := c.Must("storage.head", "dir/key")
				if name != "memory" && member(t, head, "uploaded") != member(t, put, "uploaded") {
					t.Errorf("put says %v, head %v", put, head)
				}
				if member(t, head, "contentType") != w.wantType || member(t, head, "size") != float64(len(w.want)) || member(t, head, "body") != nil {
					t.Errorf("head: %v", head)
				}
				if x := member(t, member(t, head, "metadata"), "x"); (w.metaOfX != "" || x != nil) && x != w.metaOfX {
					t.Errorf("metadata x is %v, want %v", x, w.metaOfX)
				}
			}
			if c.Must("storage.delete", "dir/key") != true || c.Must("storage.delete", "dir/key") != false {
				t.Error("delete is wrong")
			}
			if c.Must("storage.get", "dir/key") != value.Undefined || c.Must("storage.head", "dir/key") != value.Undefined {
				t.Error("a deleted object is there")
			}
		})
	}
}

// iotestOneByte reads one byte at a time.
type iotestOneByte struct{ r io.Reader }

func (o iotestOneByte) Read(p []byte) (int, error) { return o.r.Read(p[:min(1, len(p))]) }

func TestRange(t *testing.T) {
	c := caller(t, open(t, t.TempDir(), storage.Options{MaxInline: 4}), "acme")
	c.Must("storage.put", "k", "0123456789")
	for _, w := range []struct {
		r    object
		want string
	}{
		{object{"offset": 2, "length": 3}, "234"}, {object{"offset": 8}, "89"}, {object{"length": 2}, "01"},
		{object{"offset": 8, "length": 100}, "89"}, {object{"offset": 10}, ""}, {object{"length": 0}, ""}, {object{"offset": 1}, "123456789"},
	} {
		if got := body(t, c, c.Must("storage.get", "k", object{"range": w.r})); got != w.want {
			t.Errorf("%v: got %q, want %q", w.r, got, w.want)
		}
	}
	for _, r := range []object{{"offset": 11}, {"offset": -1}, {"length": -1}} {
		c.Fails("RangeError", "storage.get", "k", object{"range": r})
	}
}

func keys(t testing.TB, v any, list string) (all []string) {
	t.Helper()
	for _, o := range member(t, v, list).([]any) {
		if s, ok := o.(string); ok {
			all = append(all, s)
		} else {
			all = append(all, member(t, o, "key").(string))
		}
	}
	return all
}

func TestList(t *testing.T) {
	dir := t.TempDir()
	names := []string{"a", "a/1", "a/2", "a/b/1", "a/b/2", "b.txt", "c//x", "é"}
	c := caller(t, open(t, dir, storage.Options{}), "acme")
	for _, name := range names {
		c.Must("storage.put", name, name)
	}
	for range 2 {
		if got := keys(t, c.Must("storage.list"), "objects"); !reflect.DeepEqual(got, names) {
			t.Errorf("got %q", got)
		}
		for _, w := range []struct {
			o                 object
			objects, prefixes []string
		}{
			{object{"prefix": "a/"}, names[1:5], nil},
			{object{"delimiter": "/"}, []string{"a", "b.txt", "é"}, []string{"a/", "c/"}},
			{object{"prefix": "a/", "delimiter": "/"}, []string{"a/1", "a/2"}, []string{"a/b/"}},
			{object{"prefix": "none"}, nil, nil},
		} {
			for limit := 1; limit < 10; limit++ {
				var objects, prefixes []string
				w.o["limit"] = limit
				delete(w.o, "cursor")
				for {
					page := c.Must("storage.list", w.o)
					o, p := keys(t, page, "objects"), keys(t, page, "prefixes")
					if len(o)+len(p) > limit {
						t.Errorf("%v: %d on a page", w.o, len(o)+len(p))
					}
					objects, prefixes = append(objects, o...), append(prefixes, p...)
					cursor := member(t, page, "cursor")
					if cursor == nil {
						break
					}
					w.o["cursor"] = cursor
				}
				if !reflect.DeepEqual(objects, w.objects) || !reflect.DeepEqual(prefixes, w.prefixes) {
					t.Errorf("%v: got %q and %q", w.o, objects, prefixes)
				}
			}
		}
		// The same after a restart.
		c = caller(t, open(t, dir, storage.Options{}), "acme")
	}
}

func TestQuotas(t *testing.T) {
	dir := t.TempDir()
	o := storage.Options{MaxBytes: 1000, MaxObjects: 3, MaxObject: 800}
	c := caller(t, open(t, dir, o), "acme")
	stream := func(n int) float64 { return float64(c.Streams.Offer(bytes.NewReader(make([]byte, n)))) }
	c.Must("storage.put", "a", strings.Repeat("a", 600))
	for range 2 {
		for _, b := range []any{strings.Repeat("b", 500), stream(500)} {
			e := c.Fails("QuotaExceededError", "storage.put", "b", b)
			if e.Properties["limit"] != int64(1000) || e.Properties["used"] != int64(600) {
				t.Errorf("got %v", e.Properties)
			}
		}
		// What was counted is counted again after a restart.
		c = caller(t, open(t, dir, o), "acme")
	}
	c.Must("storage.put", "a", "small")
	c.Must("storage.put", "b", stream(500))
	c.Must("storage.put", "c", "")
	if e := c.Fails("QuotaExceededError", "storage.put", "d", ""); e.Properties["limit"] != int64(3) {
		t.Errorf("got %v", e.Properties)
	}
	caller(t, open(t, dir, o), "other").Must("storage.put", "d", strings.Repeat("d", 800))
	c.Must("storage.delete", "c")
	c.Must("storage.put", "d", "")
	c.Fails("TypeError", "storage.put", "b", strings.Repeat("x", 801))
	c.Fails("TypeError", "storage.put", "b", stream(10), object{"size": 801})
	c.Must("storage.delete", "b")
	c.Fails("TypeError", "storage.put", "b", stream(801))
}

// Of a body that is cut short, nothing is ever seen, and what was there stays.
func TestCutShort(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir, storage.Options{MaxBytes: 10_000})
	c := caller(t, s, "acme")
	c.Must("storage.put", "kept", "old")
	pipe := func(n int, err error) float64 {
		return float64(c.Streams.Offer(io.MultiReader(bytes.NewReader(make([]byte, n)), failing{err})))
	}
	for _, key := range []string{"kept", "new/deep/key"} {
		c.Fails("AbortError", "storage.put", key, pipe(5000, errors.New("aborted")))
		c.Fails("TypeError", "storage.put", key, pipe(5000, io.EOF), object{"size": 6000})
		c.Fails("TypeError", "storage.put", key, pipe(5000, io.EOF), object{"size": 4000})
		c.Fails("QuotaExceededError", "storage.put", key, pipe(12_000, io.EOF))
	}
	ctx, cancel := context.WithCancel(t.Context())
	_, err := c.CallContext(ctx, "storage.put", "kept", float64(c.Streams.Offer(io.MultiReader(strings.NewReader("begun"), calling{cancel}))))
	var known *platform.Error
	if !errors.As(err, &known) || known.Name != "AbortError" {
		t.Errorf("a canceled call: %v", err)
	}
	if got := body(t, c, c.Must("storage.get", "kept")); got != "old" {
		t.Errorf("got %q", got)
	}
	if got := keys(t, c.Must("storage.list"), "objects"); !reflect.DeepEqual(got, []string{"kept"}) {
		t.Errorf("got %q", got)
	}
	if got := files(t, dir); len(got) != 2 { // the object and its attributes
		t.Errorf("left behind: %q", got)
	}
	c.Must("storage.put", "whole", strings.Repeat("x", 9000)) // nothing is booked any more
}

type failing struct{ err error }

func (f failing) Read([]byte) (int, error) { return 0, f.err }

type calling struct{ f func() }

func (c calling) Read([]byte) (int, error) { c.f(); return 0, io.EOF }

func files(t testing.TB, dir string) (all []string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			all = append(all, path)
		}
		if info, e := d.Info(); e == nil && d.IsDir() && path != dir && info.Mode().Perm() != 0o700 {
			t.Errorf("%s has mode %v", path, info.Mode())
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// What a killed supervisor left is removed at the next use.
func TestLeftovers(t *testing.T) {
	dir := t.TempDir()
	caller(t, open(t, dir, storage.Options{}), "acme").Must("storage.put", "a/b", "x")
	left := filepath.Join(dir, "acme", "a", "c.o.18af00.tmp")
	if err := os.WriteFile(left, []byte("half"), 0o600); err != nil {
		t.Fatal(err)
	}
	c := caller(t, open(t, dir, storage.Options{}), "acme")
	if got := keys(t, c.Must("storage.list"), "objects"); !reflect.DeepEqual(got, []string{"a/b"}) {
		t.Errorf("got %q", got)
	}
	if _, err := os.Stat(left); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("it is still there: %v", err)
	}
	c.Must("storage.delete", "a/b")
	entries, err := os.ReadDir(filepath.Join(dir, "acme"))
	if err != nil || len(entries) != 0 {
		t.Errorf("empty folders are left: %v, %v", entries, err)
	}
}

// Whatever a key is made of, it is one tenant's, one object, and below the
// tenant's folder.
func TestHostileKeys(t *testing.T) {
	dir := t.TempDir()
	outside := filepath.Join(dir, "outside")
	if err := os.WriteFile(outside, []byte("of the host"), 0o600); err != nil {
		t.Fatal(err)
	}
	root := filepath.Join(dir, "objects")
	s := open(t, root, storage.Options{})
	a, b := caller(t, s, "acme"), caller(t, s, "other")
	all := []string{
		".", "..", "/", "//", "../other/k", "../../outside", "/etc/passwd", "a", "a/", "a/b", "a//b", "a/./b", "a/../b", "*", ">", "a\x00b", "\x00",
		"k.attrs", "k", "k.o", "k.tmp", "é", "e\u0301", "K", "\\", "..\\x", "=", "=2E", "a=", " ", "\r\n", "CON", "-", "__proto__", "__0x2f__",
		strings.Repeat("x", 512), strings.Repeat("x", 200), strings.Repeat("x", 201), strings.Repeat("d/", 250), strings.Repeat("é", 140),
	}
	for i, key := range all {
		a.Must("storage.put", key, fmt.Sprint(i))
	}
	for i, key := range all {
		if got := body(t, a, a.Must("storage.get", key)); got != fmt.Sprint(i) {
			t.Errorf("%q is %s, want %d", key, got, i)
		}
		if got := b.Must("storage.get", key); got != value.Undefined {
			t.Errorf("tenant other reads %q: %v", key, got)
		}
		if got := b.Must("storage.delete", key); got != false {
			t.Errorf("tenant other deletes %q", key)
		}
	}
	c := caller(t, open(t, root, storage.Options{}), "acme")
	if got := keys(t, c.Must("storage.list"), "objects"); len(got) != len(all) {
		t.Errorf("%d of %d keys after a restart", len(got), len(all))
	}
	for _, path := range files(t, dir) {
		if path != outside && !strings.HasPrefix(path, filepath.Join(root, "acme")+"/") {
			t.Errorf("there is %s", path)
		}
	}
	for _, tenant := range []string{"", "..", "a/b", "*", "A"} {
		if _, err := caller(t, s, tenant).Call("storage.get", "k"); !errors.Is(err, store.ErrInvalid) {
			t.Errorf("tenant %q: %v", tenant, err)
		}
	}
	for _, key := range all {
		a.Must("storage.delete", key)
	}
	if left := files(t, root); len(left) != 0 {
		t.Errorf("left: %q", left)
	}
}

func TestSymbolicLinks(t *testing.T) {
	dir := t.TempDir()
	root, outside := filepath.Join(dir, "objects"), filepath.Join(dir, "outside")
	c := caller(t, open(t, root, storage.Options{}), "acme")
	c.Must("storage.put", "d/k", "inside")
	if err := os.Mkdir(outside, 0o700); err != nil {
		t.Fatal(err)
	}
	secret := filepath.Join(outside, "k.o")
	if err := os.WriteFile(secret, []byte("of the host"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(os.RemoveAll(filepath.Join(root, "acme", "d")), os.Symlink(outside, filepath.Join(root, "acme", "d"))); err != nil {
		t.Fatal(err)
	}
	for _, call := range []func() (any, error){
		func() (any, error) { return c.Call("storage.get", "d/k") },
		func() (any, error) { return c.Call("storage.put", "d/k", "new") },
		func() (any, error) { return c.Call("storage.delete", "d/k") },
	} {
		if v, err := call(); err == nil {
			t.Errorf("a link is followed: %v", v)
		}
	}
	if text, err := os.ReadFile(secret); string(text) != "of the host" {
		t.Errorf("the file outside is %q, %v", text, err)
	}
}

func TestWrongArguments(t *testing.T) {
	c := caller(t, open(t, t.TempDir(), storage.Options{}), "acme")
	for _, w := range []struct {
		names, api string
		args       []any
	}{
		{"key", "storage.get", nil}, {"key", "storage.get", []any{""}}, {"key", "storage.get", []any{1}},
		{"key", "storage.get", []any{strings.Repeat("k", 513)}}, {"key", "storage.get", []any{strings.Repeat(".", 400)}},
		{"key", "storage.put", []any{"lone \xed\xa0\x80", "x"}},
		{"body", "storage.put", []any{"k"}}, {"body", "storage.put", []any{"k", nil}}, {"body", "storage.put", []any{"k", object{}}},
		{"body", "storage.put", []any{"k", 1.5}}, {"body", "storage.put", []any{"k", -1}}, {"stream", "storage.put", []any{"k", 99}},
		{"size", "storage.put", []any{"k", "x", object{"size": 1}}},
		{"contentType", "storage.put", []any{"k", "x", object{"contentType": "text/html\r\nX: y"}}},
		{"contentType", "storage.put", []any{"k", "x", object{"contentType": 1}}},
		{"metadata", "storage.put", []any{"k", "x", object{"metadata": object{"A B": "x"}}}},
		{"metadata", "storage.put", []any{"k", "x", object{"metadata": object{"a": "x\ny"}}}},
		{"metadata", "storage.put", []any{"k", "x", object{"metadata": object{"a": 1}}}},
		{"metadata", "storage.put", []any{"k", "x", object{"metadata": object{"a": strings.Repeat("x", 2048)}}}},
		{"ttl", "storage.put", []any{"k", "x", object{"ttl": 1}}},
		{"range", "storage.get", []any{"k", object{"range": "0-1"}}},
		{"limit", "storage.list", []any{object{"limit": 0}}}, {"cursor", "storage.list", []any{object{"cursor": "*"}}},
		{"prefix", "storage.list", []any{object{"prefix": strings.Repeat("x", 513)}}},
	} {
		if e := c.Fails("TypeError", w.api, w.args...); !strings.Contains(e.Message, w.names) {
			t.Errorf("%s%.80v: %q does not name %s", w.api, w.args, e.Message, w.names)
		}
	}
}

// Readers beside writers see whole objects with their own attributes.
func TestConcurrent(t *testing.T) {
	s := open(t, t.TempDir(), storage.Options{})
	put := func(n int) error {
		_, err := caller(t, s, "acme").Call("storage.put", "k", strings.Repeat(fmt.Sprint(n), 1000+n), object{"metadata": object{"n": fmt.Sprint(n)}})
		return err
	}
	if err := put(1); err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	for w := range 4 {
		wg.Go(func() {
			for range 20 {
				if w%2 == 0 {
					if err := put(w); err != nil {
						t.Error(err)
					}
					continue
				}
				v, err := caller(t, s, "acme").Call("storage.get", "k")
				if err != nil {
					t.Error(err)
					return
				}
				b, n := member(t, v, "body").([]byte), member(t, member(t, v, "metadata"), "n").(string)
				if string(b[:1]) != n || fmt.Sprint(len(b)) != "100"+n {
					t.Errorf("%d bytes of %c with metadata of %s", len(b), b[0], n)
				}
			}
		})
	}
	wg.Wait()
}

func TestDeleteTenantAndEviction(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir, storage.Options{MaxOpen: 2})
	for i := range 9 {
		c := caller(t, s, fmt.Sprint("t", i%3))
		c.Must("storage.put", fmt.Sprint("d/", i), "x")
		if got := keys(t, c.Must("storage.list"), "objects"); len(got) != i/3+1 {
			t.Errorf("t%d has %q", i%3, got)
		}
	}
	for range 2 {
		if err := s.DeleteTenant(t.Context(), "t1"); err != nil {
			t.Fatal(err)
		}
	}
	if got := keys(t, caller(t, s, "t1").Must("storage.list"), "objects"); len(got) != 0 {
		t.Errorf("t1 has %q", got)
	}
	if got := keys(t, caller(t, s, "t2").Must("storage.list"), "objects"); len(got) != 3 {
		t.Errorf("t2 has %q", got)
	}
	if err := s.DeleteTenant(t.Context(), ".."); !errors.Is(err, store.ErrInvalid) {
		t.Errorf("got %v", err)
	}
}

func TestClosedAndLeaks(t *testing.T) {
	before := runtime.NumGoroutine()
	for range 3 {
		s, err := storage.Open(t.Context(), storage.Options{URL: t.TempDir()})
		if err != nil {
			t.Fatal(err)
		}
		c := caller(t, s, "acme")
		c.Must("storage.put", "k", "x")
		if err := errors.Join(s.Close(), s.Close()); err != nil {
			t.Error(err)
		}
		c.Fails("AbortError", "storage.get", "k")
	}
	for deadline := time.Now().Add(10 * time.Second); runtime.NumGoroutine() > before; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%d goroutines, %d before", runtime.NumGoroutine(), before)
		}
	}
	if _, err := storage.Open(t.Context(), storage.Options{URL: "ftp://x"}); err == nil {
		t.Error("ftp:// is opened")
	}
}
