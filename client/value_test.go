package client_test

import (
	"errors"
	"math"
	"math/big"
	"reflect"
	"testing"
	"time"

	"github.com/bulkhead-run/bulkhead/client"
	"github.com/bulkhead-run/bulkhead/internal/outcome"
	"github.com/bulkhead-run/bulkhead/supervisor"
	"github.com/bulkhead-run/bulkhead/value"
)

func TestInvokeValue(t *testing.T) {
	b, c := pair(t)
	for name, v := range map[string]any{
		"null":      nil,
		"undefined": value.Undefined,
		"number":    math.Inf(-1),
		"bigint":    new(big.Int).Lsh(big.NewInt(1), 100),
		"date":      time.UnixMilli(1500).UTC(),
		"bytes":     []byte{1, 2},
		"map":       &value.Map{Entries: []value.Entry{{Key: 1.0, Value: &value.Set{Values: []any{"a"}}}}},
		"object":    value.NewObject("a", value.Undefined),
		"string":    "a\xed\xa0\x80b",
	} {
		t.Run(name, func(t *testing.T) {
			wire, err := value.Encode(v)
			if err != nil {
				t.Fatal(err)
			}
			b.result = supervisor.Result{Wire: wire, Receipt: supervisor.Receipt{
				Invocation: "i", Version: "v7", Outcome: outcome.OK, Cold: true, ColdCause: "not-loaded", Duration: 2500 * time.Microsecond, Memory: 7,
				Calls: []supervisor.CallTotals{{API: "kv.get", Count: 2, Received: 5}},
			}}
			got, r, err := c.InvokeValue(t.Context(), "acme", "f", v)
			if err != nil || !reflect.DeepEqual(got, v) || b.event != string(wire) {
				t.Errorf("got %#v, %v; event %q, want %q", got, err, b.event, wire)
			}
			if want := (client.Result{Receipt: client.Receipt{
				Invocation: "i", Version: "v7", Outcome: "ok", Start: "cold", ColdCause: "not-loaded", DurationMS: 2.5, Memory: 7,
				Calls: []client.CallTotals{{Count: 2, Received: 5}},
			}}); !reflect.DeepEqual(r, want) {
				t.Errorf("got %+v, want %+v", r, want)
			}
		})
	}
}

func TestInvokeValueFails(t *testing.T) {
	b, c := pair(t)
	b.result = supervisor.Result{Receipt: supervisor.Receipt{Invocation: "i", Version: "v7"}}
	b.err = &outcome.Error{Outcome: outcome.Exception, Exception: &outcome.Thrown{Name: "TypeError", Message: "no"}}
	v, r, err := c.InvokeValue(t.Context(), "acme", "f", 1)
	var e *outcome.Error
	if v != nil || r.Invocation != "i" || !errors.As(err, &e) || e.Outcome != outcome.Exception || e.Exception.Name != "TypeError" {
		t.Errorf("got %v, %+v, %v", v, r, err)
	}
	b.event = ""
	if _, _, err := c.InvokeValue(t.Context(), "acme", "f", func() {}); outcome.Of(err) != outcome.Invalid || b.event != "" {
		t.Errorf("an event that is no value: %v, sent %q", err, b.event)
	}
}
