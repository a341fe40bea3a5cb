package store_test

import (
	"errors"
	"path/filepath"
	"testing"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/bulkhead-run/bulkhead/internal/store"
)

func TestData(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "streams")
	open := func() *store.Data {
		t.Helper()
		d, err := store.OpenData(store.Options{Dir: dir})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { d.Close() })
		return d
	}
	d := open()
	if _, err := store.OpenData(store.Options{Dir: dir}); !errors.Is(err, store.ErrInUse) {
		t.Errorf("a second time: %v", err)
	}
	for _, tenant := range []string{"", "a.b", "*", ">", "A", "a/b", "a b", "a\x00"} {
		if _, err := d.TenantStream(t.Context(), "kv", tenant, jetstream.StreamConfig{}); !errors.Is(err, store.ErrInvalid) {
			t.Errorf("tenant %q: %v", tenant, err)
		}
		if err := d.DeleteTenantStream(t.Context(), "kv", tenant); !errors.Is(err, store.ErrInvalid) {
			t.Errorf("delete tenant %q: %v", tenant, err)
		}
	}
	if _, err := d.TenantStream(t.Context(), "kv", "acme", jetstream.StreamConfig{}); err != nil {
		t.Fatal(err)
	}
	if _, err := d.JetStream().Publish(t.Context(), store.Subject("kv", "acme")+"x", []byte("kept")); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(d.Close(), d.Close()); err != nil {
		t.Fatal(err)
	}
	d = open()
	s, err := d.TenantStream(t.Context(), "kv", "acme", jetstream.StreamConfig{})
	if err != nil {
		t.Fatal(err)
	}
	if m, err := s.GetLastMsgForSubject(t.Context(), store.Subject("kv", "acme")+"x"); err != nil || string(m.Data) != "kept" {
		t.Errorf("after a restart: %v, %v", m, err)
	}
}

func TestDocuments(t *testing.T) {
	d, err := store.OpenDocuments(filepath.Join(t.TempDir(), "documents"))
	if err != nil {
		t.Fatal(err)
	}
	var v map[string]int
	if ok, err := d.Read("acme", &v); ok || err != nil {
		t.Errorf("none: %v, %v", ok, err)
	}
	for n := range 2 {
		if err := d.Write("acme", map[string]int{"n": n}); err != nil {
			t.Fatal(err)
		}
		if ok, err := d.Read("acme", &v); !ok || err != nil || v["n"] != n {
			t.Errorf("%v, %v, %v", v, ok, err)
		}
	}
	if tenants, err := d.Tenants(); err != nil || len(tenants) != 1 || tenants[0] != "acme" {
		t.Errorf("%v, %v", tenants, err)
	}
	for range 2 {
		if err := d.Delete("acme"); err != nil {
			t.Fatal(err)
		}
	}
	for _, tenant := range []string{"", "..", "a/b", ".new-1"} {
		if err := d.Write(tenant, 1); !errors.Is(err, store.ErrInvalid) {
			t.Errorf("tenant %q: %v", tenant, err)
		}
	}
}
