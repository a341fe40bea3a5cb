package platform_test

import (
	"encoding/json"
	"testing"

	"github.com/bulkhead-run/bulkhead/platform"
)

func BenchmarkCheckArguments(b *testing.B) {
	schema := platform.Typed("orders.pay", "", pay).Schema
	list := args(b, `[{"id":"a","amount":2.5,"count":2}]`)
	b.ReportAllocs()
	for b.Loop() {
		if err := schema.CheckArguments(list); err != nil {
			b.Fatal(err)
		}
	}
}

// What a hostile call costs: as many wrong values as are looked at.
func BenchmarkCheckWrongArguments(b *testing.B) {
	schema, err := platform.NewSchema(json.RawMessage(`{"items": {"items": {"type": "integer"}}}`), nil)
	if err != nil {
		b.Fatal(err)
	}
	text := []byte(`["a"`)
	for range 19_000 {
		text = append(text, `,"a"`...)
	}
	list := []json.RawMessage{append(text, ']')}
	b.ReportAllocs()
	for b.Loop() {
		if err := schema.CheckArguments(list); err == nil {
			b.Fatal("passed")
		}
	}
}
