package kv_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"reflect"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/bulkhead-run/bulkhead/internal/store"
	"github.com/bulkhead-run/bulkhead/platform"
	"github.com/bulkhead-run/bulkhead/platform/kv"
	"github.com/bulkhead-run/bulkhead/platform/platformtest"
	"github.com/bulkhead-run/bulkhead/value"
)

type object = map[string]any

// open opens a KV in a directory; close closes it before the test's end.
func open(t testing.TB, dir string, o kv.Options) (k *kv.KV, close func()) {
	t.Helper()
	data, err := store.OpenData(store.Options{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	o.Data = data
	k = kv.New(o)
	close = sync.OnceFunc(func() {
		k.Close()
		if err := data.Close(); err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(close)
	return k, close
}

func caller(t testing.TB, k *kv.KV, tenant string) *platformtest.Caller {
	return &platformtest.Caller{T: t, APIs: k.APIs(), Tenant: tenant, Function: "f"}
}

func version(t testing.TB, v any) float64 {
	t.Helper()
	n, _ := v.(*value.Object).Get("version")
	if n == nil || n.(float64) < 1 {
		t.Fatalf("%v has no version", v)
	}
	return n.(float64)
}

func TestValuesAreLossless(t *testing.T) {
	k, _ := open(t, t.TempDir(), kv.Options{})
	c := caller(t, k, "acme")
	for i, v := range []any{
		nil, true, 1.5, "text", "lone \xed\xa0\x80 surrogate", []byte{0, 255}, math.Inf(-1),
		time.UnixMilli(1500).UTC(), []any{1.0, "a", nil}, &value.Set{Values: []any{1.0}},
	} {
		key := fmt.Sprint("key", i)
		c.Must("kv.put", key, v)
		if got := c.Must("kv.get", key); !reflect.DeepEqual(got, v) {
			t.Errorf("got %#v, want %#v", got, v)
		}
	}
	if got := c.Must("kv.get", "missing"); got != value.Undefined {
		t.Errorf("a missing key is %v", got)
	}
	if got := c.Must("kv.getWithVersion", "missing"); got != value.Undefined {
		t.Errorf("a missing key is %v", got)
	}
}

func TestCompareAndSet(t *testing.T) {
	k, _ := open(t, t.TempDir(), kv.Options{})
	c := caller(t, k, "acme")
	v1 := version(t, c.Must("kv.put", "k", "a", object{"ifAbsent": true}))
	e := c.Fails("ConflictError", "kv.put", "k", "b", object{"ifAbsent": true})
	if e.Properties["version"] != uint64(v1) {
		t.Errorf("the current version is %v, not %v", e.Properties["version"], v1)
	}
	v2 := version(t, c.Must("kv.put", "k", "b", object{"ifVersion": v1}))
	c.Fails("ConflictError", "kv.put", "k", "c", object{"ifVersion": v1})
	if got := version(t, c.Must("kv.getWithVersion", "k")); got != v2 {
		t.Errorf("version %v, want %v", got, v2)
	}
	c.Fails("ConflictError", "kv.delete", "k", object{"ifVersion": v1})
	if got := c.Must("kv.delete", "k", object{"ifVersion": v2}); got != true {
		t.Errorf("delete: %v", got)
	}
	if got := c.Must("kv.delete", "k"); got != false {
		t.Errorf("delete again: %v", got)
	}
	if e := c.Fails("ConflictError", "kv.put", "k", "c", object{"ifVersion": v2}); e.Properties["version"] != nil {
		t.Errorf("a missing key has version %v", e.Properties["version"])
	}
	c.Must("kv.put", "k", "again", object{"ifAbsent": true})
}

// Of many that count up with compare-and-set, none is lost.
func TestConcurrentCounting(t *testing.T) {
	k, _ := open(t, t.TempDir(), kv.Options{})
	const workers, each = 8, 20
	caller(t, k, "acme").Must("kv.put", "n", 0)
	var wg sync.WaitGroup
	for range workers {
		wg.Go(func() {
			c := caller(t, k, "acme")
			for done := 0; done < each; {
				v, err := c.Call("kv.getWithVersion", "n")
				if err != nil {
					t.Error(err)
					return
				}
				n, _ := v.(*value.Object).Get("value")
				at, _ := v.(*value.Object).Get("version")
				_, err = c.Call("kv.put", "n", n.(float64)+1, object{"ifVersion": at})
				var known *platform.Error
				switch {
				case err == nil:
					done++
				case !errors.As(err, &known) || known.Name != "ConflictError":
					t.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
	if got := caller(t, k, "acme").Must("kv.get", "n"); got != float64(workers*each) {
		t.Errorf("counted to %v, want %d", got, workers*each)
	}
}

func TestTTL(t *testing.T) {
	dir := t.TempDir()
	k, closeKV := open(t, dir, kv.Options{})
	c := caller(t, k, "acme")
	c.Must("kv.put", "short", "x", object{"ttl": 0.02})
	c.Must("kv.put", "long", "y", object{"ttl": 3600})
	gone := func() bool { return c.Must("kv.get", "short") == value.Undefined }
	eventually(t, "the key expires", gone)
	c.Must("kv.put", "short", "again", object{"ifAbsent": true})
	before := time.Now().Add(time.Hour).UnixMilli()
	at, _ := c.Must("kv.getWithVersion", "long").(*value.Object).Get("expires")
	if diff := float64(before) - at.(float64); diff < -1000 || diff > 60_000 {
		t.Errorf("expires %v, want about %v", at, before)
	}
	c.Must("kv.put", "other", "z", object{"ttl": 0.02})
	closeKV()
	k, _ = open(t, dir, kv.Options{})
	c = caller(t, k, "acme")
	if c.Must("kv.get", "long") != "y" || c.Must("kv.get", "short") != "again" {
		t.Error("what has not expired is lost at a restart")
	}
	eventually(t, "the key expires across a restart", func() bool { return c.Must("kv.get", "other") == value.Undefined })
}

func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); !ok(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("not in time: %s", what)
		}
	}
}

func TestList(t *testing.T) {
	dir := t.TempDir()
	k, closeKV := open(t, dir, kv.Options{})
	c := caller(t, k, "acme")
	for i := range 25 {
		c.Must("kv.put", fmt.Sprintf("user:%02d", i), i)
	}
	c.Must("kv.put", "user", "before")
	c.Must("kv.put", "userz", "after")
	c.Must("kv.delete", "user:03")
	check := func() {
		t.Helper()
		var keys []string
		o := object{"prefix": "user:", "limit": 10}
		for pages := 1; ; pages++ {
			page := c.Must("kv.list", o).(*value.Object)
			list, _ := page.Get("keys")
			for _, item := range list.([]any) {
				key, _ := item.(*value.Object).Get("key")
				keys = append(keys, key.(string))
				version(t, item)
			}
			cursor, more := page.Get("cursor")
			if !more {
				if pages != 3 {
					t.Errorf("%d pages", pages)
				}
				break
			}
			o["cursor"] = cursor
		}
		if len(keys) != 24 || keys[0] != "user:00" || keys[3] != "user:04" || keys[23] != "user:24" {
			t.Errorf("got %v", keys)
		}
	}
	check()
	if c.Seen.Key != "user:" {
		t.Errorf("a list's key attribute is %q", c.Seen.Key)
	}
	closeKV()
	k, _ = open(t, dir, kv.Options{})
	c = caller(t, k, "acme")
	check()
}

func TestQuotas(t *testing.T) {
	k, _ := open(t, t.TempDir(), kv.Options{MaxKeys: 3, MaxBytes: 1000, MaxValue: 600})
	c := caller(t, k, "acme")
	for i := range 3 {
		c.Must("kv.put", fmt.Sprint(i), i)
	}
	e := c.Fails("QuotaExceededError", "kv.put", "4", 4)
	if e.Properties["limit"] != int64(3) || e.Properties["used"] != int64(3) || e.Properties["resets"] != nil {
		t.Errorf("got %v", e.Properties)
	}
	c.Must("kv.put", "2", strings.Repeat("x", 500))
	e = c.Fails("QuotaExceededError", "kv.put", "1", strings.Repeat("y", 590))
	if e.Properties["limit"] != int64(1000) {
		t.Errorf("got %v", e.Properties)
	}
	c.Must("kv.put", "2", "short")
	c.Must("kv.put", "1", strings.Repeat("y", 590))
	c.Fails("TypeError", "kv.put", "1", strings.Repeat("y", 600))
	// Another tenant has its own.
	caller(t, k, "other").Must("kv.put", "4", 4)
	// What expires makes room, and says when.
	c.Must("kv.put", "2", 1, object{"ttl": 3600})
	if e := c.Fails("QuotaExceededError", "kv.put", "4", 4); e.Properties["resets"] == nil {
		t.Errorf("got %v", e.Properties)
	}
	c.Must("kv.put", "2", 1, object{"ttl": 0.01})
	eventually(t, "there is room", func() bool {
		_, err := c.Call("kv.put", "4", 4)
		return err == nil
	})
}

func TestWrongArguments(t *testing.T) {
	k, _ := open(t, t.TempDir(), kv.Options{})
	c := caller(t, k, "acme")
	long := strings.Repeat("k", 513)
	for _, w := range []struct {
		names string
		api   string
		args  []any
	}{
		{"key", "kv.get", nil},
		{"key", "kv.get", []any{1}},
		{"key", "kv.get", []any{""}},
		{"key", "kv.get", []any{nil}},
		{"key", "kv.get", []any{long}},
		{"key", "kv.get", []any{"lone \xed\xa0\x80"}},
		{"value", "kv.put", []any{"k"}},
		{"value", "kv.put", []any{"k", value.Undefined, object{"ttl": 1}}},
		{"value", "kv.put", []any{"k", strings.Repeat("v", 64<<10)}},
		{"options", "kv.put", []any{"k", 1, 2}},
		{"TTL", "kv.put", []any{"k", 1, object{"TTL": 1}}},
		{"ttl", "kv.put", []any{"k", 1, object{"ttl": "1"}}},
		{"ttl", "kv.put", []any{"k", 1, object{"ttl": math.NaN()}}},
		{"ttl", "kv.put", []any{"k", 1, object{"ttl": 0}}},
		{"ttl", "kv.put", []any{"k", 1, object{"ttl": -1}}},
		{"ttl", "kv.put", []any{"k", 1, object{"ttl": 1e300}}},
		{"ifVersion", "kv.put", []any{"k", 1, object{"ifVersion": 1.5}}},
		{"ifVersion", "kv.put", []any{"k", 1, object{"ifVersion": 0}}},
		{"ifAbsent", "kv.put", []any{"k", 1, object{"ifVersion": 1, "ifAbsent": true}}},
		{"limit", "kv.list", []any{object{"limit": 0}}},
		{"limit", "kv.list", []any{object{"limit": 1001}}},
		{"cursor", "kv.list", []any{object{"cursor": "*"}}},
		{"prefix", "kv.list", []any{object{"prefix": 1}}},
	} {
		e := c.Fails("TypeError", w.api, w.args...)
		if !strings.Contains(e.Message, w.names) {
			t.Errorf("%s%.80v: %q does not name %s", w.api, w.args, e.Message, w.names)
		}
	}
}

// Whatever a key is made of, it is one tenant's and no other key.
func TestHostileKeys(t *testing.T) {
	dir := t.TempDir()
	k, closeKV := open(t, dir, kv.Options{})
	keys := []string{
		".", "..", "../other/k", "a.b", "a.*", "*", ">", "a.>", "$KV.x", "$JS.API.STREAM.LIST", "\x00", "a\x00b", " ", "\r\n",
		"é", "e\u0301", "K", "k", strings.Repeat("x", 512), "kv.other.azE", "k", "\u202e", "__proto__",
	}
	a, b := caller(t, k, "acme"), caller(t, k, "other")
	for i, key := range keys {
		a.Must("kv.put", key, i)
	}
	for _, key := range keys {
		if got := b.Must("kv.get", key); got != value.Undefined {
			t.Fatalf("tenant other reads %q: %v", key, got)
		}
		b.Must("kv.put", key, "other")
		b.Must("kv.delete", key)
	}
	closeKV()
	k, _ = open(t, dir, kv.Options{})
	a, b = caller(t, k, "acme"), caller(t, k, "other")
	for i, key := range keys {
		if key == "k" {
			i = 20 // put twice
		}
		if got := a.Must("kv.get", key); got != float64(i) {
			t.Errorf("%q: got %v, want %d", key, got, i)
		}
	}
	if list, _ := b.Must("kv.list").(*value.Object).Get("keys"); len(list.([]any)) != 0 {
		t.Errorf("tenant other has %v", list)
	}
	for _, tenant := range []string{"", "a.b", "*", ">", "../x", "A"} {
		if _, err := caller(t, k, tenant).Call("kv.get", "k"); !errors.Is(err, store.ErrInvalid) {
			t.Errorf("tenant %q: %v", tenant, err)
		}
	}
}

func TestTenantsBeyondMaxOpen(t *testing.T) {
	k, _ := open(t, t.TempDir(), kv.Options{MaxOpen: 2})
	for i := range 12 {
		c := caller(t, k, fmt.Sprint("t", i%4))
		c.Must("kv.put", fmt.Sprint("k", i), i)
		for j := i % 4; j <= i; j += 4 {
			if got := c.Must("kv.get", fmt.Sprint("k", j)); got != float64(j) {
				t.Errorf("k%d is %v", j, got)
			}
		}
	}
}

func TestDeleteTenant(t *testing.T) {
	k, _ := open(t, t.TempDir(), kv.Options{})
	c := caller(t, k, "acme")
	c.Must("kv.put", "k", 1)
	for range 2 {
		if err := k.DeleteTenant(t.Context(), "acme"); err != nil {
			t.Fatal(err)
		}
	}
	if got := c.Must("kv.get", "k"); got != value.Undefined {
		t.Errorf("got %v", got)
	}
}

func TestEvictedValuesAreReadAgain(t *testing.T) {
	k, _ := open(t, t.TempDir(), kv.Options{CacheBytes: 1000})
	c := caller(t, k, "acme")
	for i := range 10 {
		c.Must("kv.put", fmt.Sprint(i), strings.Repeat(fmt.Sprint(i), 300))
	}
	for range 2 {
		for i := range 10 {
			if got := c.Must("kv.get", fmt.Sprint(i)); got != strings.Repeat(fmt.Sprint(i), 300) {
				t.Errorf("%d: got %v", i, got)
			}
		}
	}
}

// A key whose message JetStream has removed by its own clock is gone, and not one
// that could not be read.
func TestRemovedMessages(t *testing.T) {
	data, err := store.OpenData(store.Options{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	k := kv.New(kv.Options{Data: data, CacheBytes: 1})
	t.Cleanup(func() {
		k.Close()
		if err := data.Close(); err != nil {
			t.Error(err)
		}
	})
	c := caller(t, k, "acme")
	c.Must("kv.put", "a", "x", object{"ttl": 3600.0})
	c.Must("kv.put", "b", "y")
	if got := c.Must("kv.get", "a"); got != "x" {
		t.Errorf("before it is removed it is %v", got)
	}
	stream, err := data.JetStream().Stream(t.Context(), "kv_acme")
	if err != nil {
		t.Fatal(err)
	}
	if err := stream.Purge(t.Context(), jetstream.WithPurgeKeep(1)); err != nil {
		t.Fatal(err)
	}
	if a, b := c.Must("kv.get", "a"), c.Must("kv.get", "b"); a != value.Undefined || b != "y" {
		t.Errorf("then they are %v and %v", a, b)
	}
	list, ok := c.Must("kv.list").(*value.Object)
	if !ok {
		t.Fatal("kv.list returned no object")
	}
	keys, _ := list.Get("keys")
	if all, _ := keys.([]any); len(all) != 1 {
		t.Errorf("listed are %v", keys)
	}
}

// What memory has is answered at once; the rest is not, and never wrongly.
func TestAnswersAtOnce(t *testing.T) {
	k, shut := open(t, t.TempDir(), kv.Options{CacheBytes: 1000})
	get := k.APIs()[0]
	ask := func(key string) string {
		args, _ := json.Marshal(key)
		v, ok := get.AtOnce(&platform.Call{Tenant: "acme", Args: []json.RawMessage{args}})
		if !ok {
			return "no"
		}
		return fmt.Sprintf("%s", v)
	}
	want := func(when, key, answer string) {
		t.Helper()
		if got := ask(key); got != answer {
			t.Errorf("%s: %s answers %q, want %q", when, key, got, answer)
		}
	}
	want("before the tenant is opened", "k", "no")
	c := caller(t, k, "acme")
	c.Must("kv.put", "k", 1)
	want("just written", "k", "1")
	want("no such key", "other", "")
	want("a wrong key", strings.Repeat("k", 5000), "no")
	for i := range 8 {
		c.Must("kv.put", fmt.Sprint("large", i), strings.Repeat("x", 300))
	}
	want("evicted from memory", "k", "no")
	c.Must("kv.get", "k")
	want("read again", "k", "1")
	c.Must("kv.delete", "k")
	want("deleted", "k", "")
	if err := k.DeleteTenant(t.Context(), "acme"); err != nil {
		t.Fatal(err)
	}
	want("its tenant deleted", "large7", "no")
	c.Must("kv.put", "k", 2)
	shut()
	want("closed", "k", "no")
}

func TestEndedContext(t *testing.T) {
	k, _ := open(t, t.TempDir(), kv.Options{})
	c := caller(t, k, "acme")
	ctx, cancel := context.WithDeadline(t.Context(), time.Unix(0, 0))
	defer cancel()
	var known *platform.Error
	if _, err := c.CallContext(ctx, "kv.get", "k"); !errors.As(err, &known) || known.Name != "TimeoutError" {
		t.Errorf("got %v", err)
	}
	c.Must("kv.put", "k", 1)
}

func TestNothingIsLeftRunning(t *testing.T) {
	before := runtime.NumGoroutine()
	for range 3 {
		k, closeKV := open(t, t.TempDir(), kv.Options{})
		caller(t, k, "acme").Must("kv.put", "k", 1)
		closeKV()
		if _, err := caller(t, k, "acme").Call("kv.get", "k"); err == nil {
			t.Error("a closed KV answers")
		}
	}
	eventually(t, "goroutines end", func() bool { return runtime.NumGoroutine() <= before+2 })
}

func BenchmarkGetHit(b *testing.B) {
	k, _ := open(b, b.TempDir(), kv.Options{})
	caller(b, k, "acme").Must("kv.put", "user:1", object{"name": "Ada", "n": 1})
	var get platform.API
	for _, api := range k.APIs() {
		if api.Name == "kv.get" {
			get = api
		}
	}
	args := []json.RawMessage{json.RawMessage(`"user:1"`)}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := get.Attributes(args); err != nil {
			b.Fatal(err)
		}
		v, err := get.Func(b.Context(), &platform.Call{Tenant: "acme", Args: args})
		if err != nil || len(v.(value.Wire)) == 0 {
			b.Fatal(v, err)
		}
	}
}

func BenchmarkPut(b *testing.B) {
	k, _ := open(b, b.TempDir(), kv.Options{})
	c := caller(b, k, "acme")
	for b.Loop() {
		c.Must("kv.put", "user:1", 1)
	}
}
