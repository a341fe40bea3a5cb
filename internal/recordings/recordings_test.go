package recordings

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"testing"
	"time"

	"github.com/google/uuid"
)

func example(tenant, function string) *Recording {
	return &Recording{
		ID: uuid.Must(uuid.NewV7()).String(), Tenant: tenant, Function: function, Version: "v", Started: time.Unix(1700000000, 0).UTC(), Code: "() => 1",
		Event: []byte("null"), Seed: make([]byte, 32), Calls: []Call{{Number: 1, API: "kv.get", Args: []byte(`["k"]`), Answer: &Answer{Value: []byte("1")}}}, Outcome: "ok",
	}
}

func TestStore(t *testing.T) {
	dir := t.TempDir()
	s, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	r := example("acme", "f")
	if err := s.Put(r); err != nil {
		t.Fatal(err)
	}
	if s, err = Open(dir); err != nil {
		t.Fatal(err)
	}
	got, err := s.Get("acme", r.ID)
	if err != nil || !reflect.DeepEqual(got, r) {
		t.Errorf("%+v, %v", got, err)
	}
	for _, other := range []string{"other", "", ".."} {
		if _, err := s.Get(other, r.ID); !errors.Is(err, ErrNotFound) {
			t.Errorf("tenant %q: %v", other, err)
		}
	}
	for range MaxPerFunction {
		if err := s.Put(example("acme", "f")); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := s.Get("acme", r.ID); !errors.Is(err, ErrNotFound) || len(s.List("acme", "f")) != MaxPerFunction {
		t.Errorf("the oldest: %v; %d are left", err, len(s.List("acme", "f")))
	}
	bad := example("../acme", "f")
	if s.Put(bad) == nil {
		t.Error("a name with a way out was taken")
	}
	latest := s.List("acme", "")[0]
	if err := os.WriteFile(filepath.Join(dir, "acme", "f", latest.ID+suffix), []byte("no"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Get("acme", latest.ID); !errors.Is(err, errForm) {
		t.Errorf("a damaged one: %v", err)
	}
	if err := s.Delete("acme", latest.ID); err != nil {
		t.Error(err)
	}
	if err := s.Delete("acme", latest.ID); !errors.Is(err, ErrNotFound) {
		t.Errorf("again: %v", err)
	}
	if err := s.Delete("acme", ""); err != nil || len(s.List("acme", "")) != 0 {
		t.Errorf("all: %v", err)
	}
}

func FuzzDecode(f *testing.F) {
	good, err := encode(example("acme", "f"))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(good)
	f.Add(good[:len(good)/2])
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, data []byte) {
		r, err := decode(data)
		if err != nil {
			return
		}
		again, err := encode(r)
		if err != nil {
			t.Fatal(err)
		}
		if twice, err := decode(again); err != nil || !bytes.Equal(twice.Seed, r.Seed) {
			t.Errorf("%v", err)
		}
	})
}
