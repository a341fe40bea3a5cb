package value_test

import (
	"bytes"
	"encoding/json"
	"testing"

	"github.com/bulkhead-run/bulkhead/value"
	"github.com/bulkhead-run/bulkhead/value/valuetest"
)

// Whatever the wire decoder takes has a wire form that stays the same, and what
// it takes as JSON is what encoding/json takes.
func FuzzDecode(f *testing.F) {
	for seed := range uint64(50) {
		w, err := value.Encode(valuetest.New(seed).Value())
		if err != nil {
			f.Fatal(err)
		}
		f.Add([]byte(w))
	}
	f.Add([]byte(`{"a":[1,2.5e-3,"\ud800\u00e9",null,true],"a":false}`))
	f.Fuzz(func(t *testing.T, raw []byte) {
		w := value.Wire(raw)
		v, err := value.Decode(w)
		if w.IsJSON() && bytes.Equal(raw, bytes.ToValidUTF8(raw, nil)) && (err == nil) != json.Valid(raw) {
			t.Fatalf("%q: %v, but valid is %v", raw, err, json.Valid(raw))
		}
		if err != nil {
			return
		}
		first, err := value.Encode(v)
		if err != nil {
			t.Fatalf("%q: %v", raw, err)
		}
		again, err := value.Decode(first)
		if err != nil {
			t.Fatalf("%q became %q: %v", raw, first, err)
		}
		if second, err := value.Encode(again); err != nil || !bytes.Equal(first, second) {
			t.Fatalf("%q became %q and then %q, %v", raw, first, second, err)
		}
		if text, err := value.ToJSON(w); err == nil && !json.Valid(text) {
			t.Fatalf("%q has the JSON form %q", raw, text)
		}
	})
}

// Whatever the CBOR decoder takes has a CBOR form that means the same.
func FuzzFromCBOR(f *testing.F) {
	for seed := range uint64(50) {
		w, err := value.Encode(valuetest.New(seed).Value())
		if err != nil {
			f.Fatal(err)
		}
		if coded, err := value.ToCBOR(w); err == nil {
			f.Add(coded)
		}
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		w, err := value.FromCBOR(raw)
		if err != nil {
			return
		}
		coded, err := value.ToCBOR(w)
		if err != nil {
			return // deeper than what came, by the tags of sharing
		}
		if again, err := value.FromCBOR(coded); err != nil || !bytes.Equal(w, again) {
			t.Fatalf("%x is %q, then %x, then %q, %v", raw, w, coded, again, err)
		}
	})
}
