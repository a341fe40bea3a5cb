package sandbox_test

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/fxamacker/cbor/v2"

	"github.com/bulkhead-run/bulkhead/value"
)

var update = flag.Bool("update", false, "write the table into docs/values.md")

var tableRows = []struct{ name, source string }{
	{"`null`", `null`},
	{"`undefined`", `undefined`},
	{"`undefined` inside", `[undefined, {a: undefined}]`},
	{"boolean", `true`},
	{"number", `1.5`},
	{"`-0`", `-0`},
	{"`NaN`", `NaN`},
	{"`Infinity`", `-Infinity`},
	{"string", `'é'`},
	{"string, lone surrogate", `'\ud800'`},
	{"`BigInt`", `-1n`},
	{"`Date`", `new Date(1500)`},
	{"`Date`, invalid", `new Date(NaN)`},
	{"array", `[1, 'a']`},
	{"object", `({b: 1, __proto__: null, a: 2})`},
	{"`Map`", `new Map([['a', 1]])`},
	{"`Set`", `new Set([1])`},
	{"`RegExp`", `/a+/gi`},
	{"`Error`", `Object.assign(new RangeError('m', {cause: 1}), {code: 'E', stack: ''})`},
	{"`AggregateError`", `Object.assign(new AggregateError([1], 'm'), {stack: ''})`},
	{"`ArrayBuffer`", `new Uint8Array([1, 2]).buffer`},
	{"`Uint8Array`", `new Uint8Array([1, 2])`},
	{"`Int8Array`", `new Int8Array([-1])`},
	{"`Uint8ClampedArray`", `new Uint8ClampedArray([255])`},
	{"`Int16Array`", `new Int16Array([-1])`},
	{"`Uint16Array`", `new Uint16Array([1])`},
	{"`Int32Array`", `new Int32Array([-1])`},
	{"`Uint32Array`", `new Uint32Array([1])`},
	{"`BigInt64Array`", `new BigInt64Array([-1n])`},
	{"`BigUint64Array`", `new BigUint64Array([1n])`},
	{"`Float16Array`", `new Float16Array([1.5])`},
	{"`Float32Array`", `new Float32Array([1.5])`},
	{"`Float64Array`", `new Float64Array([NaN])`},
	{"`DataView`", `new DataView(new Uint8Array([1]).buffer)`},
	{"shared", `(() => { const o = {}; return [o, o] })()`},
	{"cycle", `(() => { const a = []; a[0] = a; return a })()`},
}

// The table in docs/values.md is what the code does.
func TestValuesTable(t *testing.T) {
	w := newWorld(t)
	var table strings.Builder
	table.WriteString("\n| JavaScript | example | Go | JSON | CBOR (diagnostic notation) |\n| --- | --- | --- | --- | --- |\n")
	for _, row := range tableRows {
		w.mustLoad(request(row.name, `() => (`+row.source+`)`))
		wire := value.Wire(w.slot().invoke(row.name, `{}`).GetValue())
		v, err := value.Decode(wire)
		if err != nil {
			t.Fatalf("%s: %v", row.source, err)
		}
		text, err := value.ToJSON(wire)
		if err != nil {
			text = []byte("none")
		}
		coded, err := value.ToCBOR(wire)
		if err != nil {
			t.Fatalf("%s: %v", row.source, err)
		}
		shown, err := cbor.Diagnose(coded)
		if err != nil {
			t.Fatalf("%s: %x: %v", row.source, coded, err)
		}
		fmt.Fprintf(&table, "| %s | `%s` | `%s` | `%s` | `%s` |\n", row.name, row.source, goName(v), text, shown)
	}
	const file, start, end = "../docs/values.md", "<!-- table -->", "<!-- /table -->"
	page, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, found := strings.Cut(string(page), start)
	old, after, closed := strings.Cut(rest, end)
	if !found || !closed {
		t.Fatal("docs/values.md has no table")
	}
	if old == table.String() {
		return
	}
	if !*update {
		t.Fatalf("docs/values.md is out of date (run with -update); it should have\n%s", table.String())
	}
	if err := os.WriteFile(file, []byte(before+start+table.String()+end+after), 0o644); err != nil {
		t.Fatal(err)
	}
}

// goName is the name that a user would write for v's type, or v itself.
func goName(v any) string {
	switch v {
	case nil:
		return "nil"
	case value.Undefined:
		return "value.Undefined"
	case value.InvalidDate:
		return "value.InvalidDate"
	}
	return strings.NewReplacer("interface {}", "any", "uint8", "byte").Replace(fmt.Sprintf("%T", v))
}
