package supervisor_test

import (
	"context"
	"math/big"
	"reflect"
	"testing"
	"time"

	"github.com/bulkhead-run/bulkhead/internal/outcome"
	"github.com/bulkhead-run/bulkhead/ipc"
	"github.com/bulkhead-run/bulkhead/platform"
	"github.com/bulkhead-run/bulkhead/value"
)

// Values cross without loss from the caller to the function, from there to a
// platform API, and all the way back.
func TestRealValues(t *testing.T) {
	echo := platform.API{Name: "echo", Func: func(_ context.Context, call *platform.Call) (any, error) {
		values, err := call.Values()
		if err != nil || len(values) != len(call.Args) {
			return nil, platform.TypeErrorf("%d values, %d arguments, %v", len(values), len(call.Args), err)
		}
		return value.NewObject("values", values, "first", call.Args[0]), nil
	}}
	s := openReal(t, apis(echo))
	deploy(t, s, "acme", "echo", `async (event) => (await echo(event, undefined, 1n)).values`)
	deploy(t, s, "acme", "first", `async (event) => (await echo(event)).first`)
	deploy(t, s, "acme", "same", `(event) => event`)
	deploy(t, s, "acme", "loop", `() => { const a = []; a.push(a); return a }`)
	deploy(t, s, "acme", "large", `() => new Uint8Array(500000)`)

	event := value.NewObject("when", time.UnixMilli(5).UTC(), "big", big.NewInt(7), "none", value.Undefined, "bytes", []byte{1, 2})
	wire, err := value.Encode(event)
	if err != nil {
		t.Fatal(err)
	}
	r, err := s.InvokeValue(t.Context(), "acme", "echo", wire)
	if err != nil {
		t.Fatal(err)
	}
	got, err := value.Decode(r.Wire)
	if want := []any{event, value.Undefined, big.NewInt(1)}; err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("got %#v, %v", got, err)
	}
	text, err := r.JSON()
	if want := `[{"when":"1970-01-01T00:00:00.005Z","big":"7","bytes":{"0":1,"1":2}},null,"1"]`; err != nil || string(text) != want {
		t.Errorf("got %s, %v", text, err)
	}
	if r.Value != nil {
		t.Errorf("InvokeValue set Value: %s", r.Value)
	}
	r, err = s.InvokeValue(t.Context(), "acme", "first", wire)
	if v, _ := value.Decode(r.Wire); err != nil {
		t.Error(err)
	} else if when, _ := v.(*value.Object).Get("when"); when != "1970-01-01T00:00:00.005Z" {
		t.Errorf("Args hold the JSON form, not %v", when)
	}
	if r, err = s.InvokeValue(t.Context(), "acme", "same", nil); err != nil || len(r.Wire) != 0 {
		t.Errorf("undefined came back as %q, %v", r.Wire, err)
	}
	_, err = s.Invoke(t.Context(), "acme", "loop", nil)
	wantOutcome(t, err, outcome.Exception)
	if r, err = s.InvokeValue(t.Context(), "acme", "loop", nil); err != nil {
		t.Error(err)
	}
	_, err = s.Invoke(t.Context(), "acme", "large", nil)
	wantOutcome(t, err, outcome.Output)
	_, err = s.InvokeValue(t.Context(), "acme", "same", value.Wire("\x00[[3]]"))
	wantOutcome(t, err, outcome.Invalid)
	_, err = s.Invoke(t.Context(), "acme", "same", []byte(wire))
	wantOutcome(t, err, outcome.Invalid)
	_, err = s.InvokeValue(t.Context(), "acme", "same", make(value.Wire, ipc.MaxEvent+1))
	wantOutcome(t, err, outcome.TooLarge)
}
