package store

import (
	"bytes"
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
	v := &Version{Tenant: "acme", Function: "f", Shape: "module", Memory: 5 << 20, Timeout: 5 * time.Second, Concurrency: 4, Isolation: "fresh",
		CPU: time.Second, Policy: "data", PolicyDigest: digestOf([]byte("policy")), Secrets: []string{"A", "B"}, Deployed: at}
	v.Seal(Parts{SourceMap: []byte("{}"), Environment: []byte("{}")})
	version, err := encodeVersion(v)
	if err != nil {
		f.Fatal(err)
	}
	function, err := encodeFunction(&Function{Tenant: "acme", Function: "f", Aliases: map[string]string{Live: v.Version, "old": "0123456789ab"},
		Split:    &Split{Candidate: "0123456789ab", Weight: 10, Rollback: &RollbackRule{5, 50, time.Minute}, Started: at},
		Previous: "0123456789ab", History: []Change{{at, "deploy", v.Version, ""}}, Created: at, Updated: at})
	if err != nil {
		f.Fatal(err)
	}
	for _, seed := range [][]byte{tenant, function, version, append(tenant, '1'), []byte(`{"format":2}`), []byte("null"), nil} {
		f.Add("tenant.acme", seed)
		f.Add("function.acme.f", seed)
		f.Add("version.acme.f."+v.Version, seed)
	}
	f.Fuzz(func(t *testing.T, key string, data []byte) {
		k, ok := parseKey(key)
		if !ok {
			return
		}
		if k.String() != key {
			t.Fatalf("key %q came apart as %+v", key, k)
		}
		switch {
		case k.version != "":
			roundTrip(t, data, func(data []byte) (*Version, error) { return decodeVersion(k, data) }, encodeVersion)
		case k.function != "":
			roundTrip(t, data, func(data []byte) (*Function, error) { return decodeFunction(k, data) }, encodeFunction)
		default:
			roundTrip(t, data, func(data []byte) (Tenant, error) { return decodeTenant(k.tenant, data) }, encodeTenant)
		}
		_, _ = fromOld(k, data)
	})
}

func roundTrip[T any](t *testing.T, data []byte, decode func([]byte) (T, error), encode func(T) ([]byte, error)) {
	got, err := decode(data)
	if err != nil {
		if !errors.Is(err, ErrCorrupt) && !errors.Is(err, ErrNewerFormat) {
			t.Errorf("untyped error %v", err)
		}
		return
	}
	again, err := encode(got)
	if err != nil {
		t.Fatalf("decoded %+v: %v", got, err)
	}
	back, err := decode(again)
	if err != nil {
		t.Fatalf("%+v became %v", got, err)
	}
	if twice, err := encode(back); err != nil || !bytes.Equal(again, twice) {
		t.Errorf("%s became %s, %v", again, twice, err)
	}
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
