package value_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"math"
	"math/big"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/bulkhead-run/bulkhead/value"
	"github.com/bulkhead-run/bulkhead/value/valuetest"
)

func encode(t testing.TB, v any) value.Wire {
	t.Helper()
	w, err := value.Encode(v)
	if err != nil {
		t.Fatalf("%#v: %v", v, err)
	}
	return w
}

// Through the wire form and back, and through CBOR and back, a value stays the
// same: its wire form tells all about it, sharing included.
func TestRoundTrip(t *testing.T) {
	for seed := range uint64(3000) {
		v := valuetest.New(seed).Value()
		w := encode(t, v)
		back, err := value.Decode(w)
		if err != nil {
			t.Fatalf("seed %d: %q: %v", seed, w, err)
		}
		if again := encode(t, back); !bytes.Equal(w, again) {
			t.Fatalf("seed %d:\n%q became\n%q", seed, w, again)
		}
		coded, err := value.ToCBOR(w)
		if err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
		uncoded, err := value.FromCBOR(coded)
		if err != nil || !bytes.Equal(w, uncoded) {
			t.Fatalf("seed %d, %v:\n%q became through CBOR %x\n%q", seed, err, w, coded, uncoded)
		}
	}
}

func TestDecodeWire(t *testing.T) {
	for wire, want := range map[string]any{
		"": value.Undefined,
		`{"b":1,"a":[null,true,"x\ud83d\ude00"]}`: value.NewObject("b", 1.0, "a", []any{nil, true, "x😀"}),
		`"\ud800x"`:              "\xed\xa0\x80x",
		"\x00[[-1]]":             value.Undefined,
		"\x00[[-3]]":             math.Inf(1),
		"\x00[[\"-ff\"]]":        big.NewInt(-255),
		"\x00[[0],[\"d\",1500]]": time.UnixMilli(1500).UTC(),
		"\x00[[0],[\"d\"]]":      value.InvalidDate,
		"\x00[[0],[\"b\",\"Uint8Array\",\"AQI=\"]]": []byte{1, 2},
		"\x00[[0],[\"b\",\"Int16Array\",\"AQI=\"]]": &value.TypedArray{Kind: "Int16Array", Bytes: []byte{1, 2}},
		"\x00[[0],[\"r\",\"a+\",\"g\",2]]":          &value.RegExp{Source: "a+", Flags: "g", LastIndex: 2},
		"\x00[[0],[\"e\",\"E\",\"m\",\"s\",1,[-1],\"code\",2]]": &value.Error{
			Name: "E", Message: "m", Stack: "s", Cause: 1.0, Properties: value.NewObject("code", 2.0)},
	} {
		got, err := value.Decode(value.Wire(wire))
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%q: got %#v, %v", wire, got, err)
		}
	}
	v, err := value.Decode(value.Wire("\x00[[0],[\"a\",[0],[1],[1]],[\"o\",\"__proto__\",1]]"))
	if err != nil {
		t.Fatal(err)
	}
	list := v.([]any)
	if inner := list[0].([]any); &inner[0] != &list[0] || list[1] != list[2] {
		t.Error("what is shared is not shared")
	}
	if p, ok := list[1].(*value.Object).Get("__proto__"); !ok || p != 1.0 {
		t.Errorf("__proto__: %v", p)
	}
}

func TestMalformed(t *testing.T) {
	for _, wire := range []string{
		"\x00", "\x00{}", "\x00[]", "\x00[[0]]", "\x00[[-6]]", "\x00[[0.5]]", "\x00[[]]", "\x00[{}]", "\x00[[\"\"]]", "\x00[[\"+1\"]]",
		"\x00[[\"1_0\"]]", "\x00[0,1]", "\x00[0,[]]", "\x00[0,[\"o\",1,2]]", "\x00[0,[\"o\",\"a\",1,\"a\",2]]", "\x00[0,[\"m\",1]]",
		"\x00[0,[\"d\",1e300]]", "\x00[0,[\"d\",1.5]]", "\x00[0,[\"b\",\"X\",\"\"]]", "\x00[0,[\"b\",\"Int16Array\",\"AQ==\"]]",
		"\x00[0,[\"b\",\"Uint8Array\",\"?\"]]", "\x00[0,[\"e\",\"\",\"\",\"\",1,1]]", "\x00[0,[\"z\"]]",
		"{", "[1,]", "01", "1.", "\"\x01\"", "\"\\x\"", "nul", "1 2", "\"\xff\"", `{"a"}`, "-",
	} {
		if v, err := value.Decode(value.Wire(wire)); !errors.Is(err, value.ErrMalformed) {
			t.Errorf("%q: got %v, %v", wire, v, err)
		}
	}
	for name, wire := range map[string]string{
		"deep":  strings.Repeat("[", value.MaxDepth+1),
		"large": strings.Repeat(" ", value.MaxSize+1),
		"many":  "[" + strings.Repeat("0,", value.MaxValues) + "0]",
	} {
		if _, err := value.Decode(value.Wire(wire)); !errors.Is(err, value.ErrLimit) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestEncodeGoValues(t *testing.T) {
	type point struct {
		X int    `json:"x"`
		N string `json:"n,omitempty"`
	}
	shared := map[string]any{"b": 2, "a": int64(1)}
	for _, tt := range []struct {
		v    any
		want string
	}{
		{nil, "null"}, {point{X: 1}, `{"x":1}`}, {shared, `{"a":1,"b":2}`}, {[]point{{2, "y"}}, `[{"x":2,"n":"y"}]`},
		{json.RawMessage(`{ "a" : 1 }`), `{ "a" : 1 }`}, {"<\u2028\"\n\xff", "\"<\u2028\\\"\\n\ufffd\""}, {1e21, "1e+21"}, {uint8(7), "7"},
		{value.Undefined, ""}, {[]any{value.Undefined}, "\x00[[0],[\"a\",[-1]]]"}, {(*value.Object)(nil), "null"},
		{[]any{shared, shared}, "\x00[[0],[\"a\",[1],[1]],[\"o\",\"a\",1,\"b\",2]]"},
		{map[string]any{"p": point{X: 3}, "d": time.UnixMilli(5)}, "\x00[[0],[\"o\",\"d\",[1],\"p\",[2]],[\"d\",5],[\"o\",\"x\",3]]"},
	} {
		if got, err := value.Encode(tt.v); err != nil || string(got) != tt.want {
			t.Errorf("%#v: got %q, %v; want %q", tt.v, got, err, tt.want)
		}
	}
	for _, v := range []any{func() {}, json.RawMessage("{"), json.RawMessage(nil), value.Wire("\x00"), &value.TypedArray{Kind: "X"}} {
		if w, err := value.Encode(v); err == nil {
			t.Errorf("%#v passed as %q", v, w)
		}
	}
}

func TestToJSON(t *testing.T) {
	cycle := []any{nil}
	cycle[0] = cycle
	if _, err := value.ToJSON(encode(t, cycle)); !errors.Is(err, value.ErrCircular) {
		t.Errorf("a cycle: %v", err)
	}
	var laughs any = "haha"
	for range 40 {
		laughs = []any{laughs, laughs}
	}
	if _, err := value.ToJSON(encode(t, laughs)); !errors.Is(err, value.ErrLimit) {
		t.Errorf("what grows: %v", err)
	}
	var deep any
	for range 2 * value.MaxDepth {
		deep = []any{deep}
	}
	if _, err := value.ToJSON(encode(t, deep)); !errors.Is(err, value.ErrLimit) {
		t.Errorf("what is deep: %v", err)
	}
	if _, err := value.ToCBOR(encode(t, deep)); !errors.Is(err, value.ErrLimit) {
		t.Errorf("what is deep: %v", err)
	}
	if list, err := value.Elements(encode(t, []any{1, value.Undefined, big.NewInt(5)})); err != nil || len(list) != 3 || string(list[2]) != `"5"` {
		t.Errorf("%s, %v", list, err)
	}
}
