package store

import (
	"errors"
	"testing"
	"time"
)

// What decodes can be encoded, decodes to the same again, and is what the key
// says; everything else is a typed error.
func FuzzDecodeRecord(f *testing.F) {
	at := time.Unix(1_700_000_000, 5)
	tenant, err := encodeTenant(Tenant{"acme", "compute", "default", at, at})
	if err != nil {
		f.Fatal(err)
	}
	function, err := encodeFunction(Function{"acme", "f", "v1", digestOf(nil), digestOf([]byte("{}")), "module", 5 << 20, 5 * time.Second, 4, "fresh", 50 * time.Millisecond, "data", false, 0, at})
	if err != nil {
		f.Fatal(err)
	}
	for _, seed := range [][]byte{tenant, function, append(tenant, '1'), []byte(`{"format":2}`), []byte("null"), nil} {
		f.Add("tenant.acme", seed)
		f.Add("function.acme.f", seed)
	}
	f.Fuzz(func(t *testing.T, key string, data []byte) {
		tenant, function, ok := parseKey(key)
		if !ok {
			return
		}
		typed := func(err error) {
			if !errors.Is(err, ErrCorrupt) && !errors.Is(err, ErrNewerFormat) {
				t.Errorf("untyped error %v", err)
			}
		}
		if function == "" {
			if tenantKey(tenant) != key {
				t.Fatalf("key %q came apart as %q", key, tenant)
			}
			got, err := decodeTenant(tenant, data)
			if err != nil {
				typed(err)
				return
			}
			again, err := encodeTenant(got)
			if err != nil || got.Name != tenant {
				t.Fatalf("decoded %+v for %s: %v", got, tenant, err)
			}
			if back, err := decodeTenant(tenant, again); err != nil || back != got {
				t.Errorf("%+v became %+v, %v", got, back, err)
			}
			return
		}
		if functionKey(tenant, function) != key {
			t.Fatalf("key %q came apart as %q and %q", key, tenant, function)
		}
		got, err := decodeFunction(tenant, function, data)
		if err != nil {
			typed(err)
			return
		}
		again, err := encodeFunction(got)
		if err != nil || got.Tenant != tenant || got.Function != function {
			t.Fatalf("decoded %+v for %s/%s: %v", got, tenant, function, err)
		}
		if back, err := decodeFunction(tenant, function, again); err != nil || back != got {
			t.Errorf("%+v became %+v, %v", got, back, err)
		}
	})
}

// Whatever stands in a journal, what is taken from it is whole lines.
func FuzzJournal(f *testing.F) {
	f.Add([]byte("8f7d0de7 {\"revision\":3}\n"))
	f.Add([]byte("00000000 {}\n\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		lines, sound, err := ParseJournal(data)
		if err == nil && (sound < lines || sound > len(data) || data[sound-1] != '\n') {
			t.Errorf("%d lines of %d bytes in %q", lines, sound, data)
		}
	})
}
