package sandbox_test

import (
	"bytes"
	"strings"
	"testing"

	"github.com/bulkhead-run/bulkhead/internal/outcome"
	"github.com/bulkhead-run/bulkhead/value"
	"github.com/bulkhead-run/bulkhead/value/valuetest"
)

// reencode takes a wire form through Go's values.
func reencode(t *testing.T, w []byte) []byte {
	t.Helper()
	v, err := value.Decode(w)
	if err != nil {
		t.Errorf("%q: %v", w, err)
	}
	again, err := value.Encode(v)
	if err != nil {
		t.Error(err)
	}
	return again
}

// Whatever Go sends, as an event or as a host call's result, comes back as a
// result or as an argument.
func TestValuesFromGo(t *testing.T) {
	w := newWorld(t)
	w.raw = map[string]func([]byte) []byte{"db_query": func(args []byte) []byte {
		v, err := value.Decode(args)
		if list, ok := v.([]any); err == nil && ok && len(list) == 1 {
			echo, err := value.Encode(list[0])
			if err == nil {
				return echo
			}
		}
		t.Errorf("arguments %q: %v", args, err)
		return nil
	}}
	w.mustLoad(request("echo", `(event) => event`))
	w.mustLoad(request("call", `(event) => event === undefined ? undefined : db_query(event)`))
	s := w.slot()
	for seed := range uint64(400) {
		event, err := value.Encode(valuetest.New(seed).Value())
		if err != nil {
			t.Fatal(err)
		}
		for _, function := range []string{"echo", "call"} {
			r := s.invoke(function, string(event))
			if r.outcome() != outcome.OK {
				t.Fatalf("seed %d, %s: %q: %v", seed, function, event, r.Result)
			}
			if back := reencode(t, r.GetValue()); !bytes.Equal(back, event) {
				t.Fatalf("seed %d, %s:\n%q became\n%q", seed, function, event, back)
			}
		}
	}
}

// equal is a deep equality in JavaScript: kinds, sharing and cycles included.
const equal = `
const pairs = new Map();
const lines = (e) => e.stack.split('\n').map((l) => l.trim()).filter((l) => l !== '' && !l.includes('<bulkhead>')).join();
const tag = (v) => Object.prototype.toString.call(v);
function equal(a, b, path) {
  const differ = () => { throw new Error(path + ' differs: ' + String(tag(a)) + ' ' + String(tag(b))); };
  if (typeof a !== 'object' || a === null) return Object.is(a, b) || differ();
  if (pairs.has(a)) return pairs.get(a) === b || differ();
  pairs.set(a, b);
  if (tag(a) !== tag(b) || Object.getPrototypeOf(a) !== Object.getPrototypeOf(b)) differ();
  if (a instanceof Date) return Object.is(a.getTime(), b.getTime()) || differ();
  if (a instanceof RegExp && (a.source !== b.source || a.flags !== b.flags || a.lastIndex !== b.lastIndex)) differ();
  if (a instanceof Error && (a.name !== b.name || a.message !== b.message || lines(a) !== lines(b))) differ();
  if (a instanceof Error) { equal(a.cause, b.cause, path + '.cause'); equal(a.errors, b.errors, path + '.errors'); }
  if (a instanceof ArrayBuffer) return equal(new Uint8Array(a), new Uint8Array(b), path);
  if (a instanceof DataView) return equal(a.buffer.slice(a.byteOffset, a.byteOffset + a.byteLength), b.buffer, path);
  if (a instanceof Map || a instanceof Set) equal([...a], [...b], path + '.entries');
  if (Array.isArray(a) && a.length !== b.length) differ();
  const keys = Object.keys(a);
  if (keys.join() !== Object.keys(b).join()) differ();
  for (const k of keys) equal(a[k], b[k], path + '.' + k);
  return true;
}`

// Whatever JavaScript sends comes back the same from Go.
func TestValuesFromJavaScript(t *testing.T) {
	w := newWorld(t)
	w.raw = map[string]func([]byte) []byte{"db_query": func(args []byte) []byte { return reencode(t, args) }}
	for name, source := range map[string]string{
		"numbers":    `[0, -0, NaN, Infinity, -Infinity, 1e300, 5e-324, 2**53, 1e21, -1.5]`,
		"undefined":  `{a: undefined, b: [undefined, null]}`,
		"bigint":     `[0n, -1n, 2n**200n, -(2n**64n)]`,
		"dates":      `[new Date(0), new Date(NaN), new Date(-8.64e15), new Date(8.64e15)]`,
		"strings":    `['\ud800', 'a\udc00b', '\u{1f600}', '\0', '\u2028', '"']`,
		"map":        `new Map([[1, 'a'], ['1', new Map()], [NaN, -0], [{}, new Set([1, new Set()])]])`,
		"regexp":     `(() => { const r = /a(?<n>b)\/[/]/giu; r.lastIndex = 3; return [r, new RegExp('', 'y'), /\n/] })()`,
		"errors":     `[new TypeError('a', {cause: new RangeError('b', {cause: 5})}), Object.assign(new Error('x'), {code: 'E', at: new Date(1)})]`,
		"aggregate":  `new AggregateError([new Error('a'), 2], 'all')`,
		"named":      `(() => { const e = new Error('m'); Object.defineProperty(e, 'name', {value: 'Custom'}); return e })()`,
		"buffers":    `[new ArrayBuffer(0), new Uint8Array([1, 2, 255]).buffer, new Uint8Array([1, 2, 3]), new Uint8Array(0)]`,
		"typed":      `[new Int8Array([-1]), new Uint8ClampedArray([255]), new Int16Array([-300]), new Uint16Array([6e4]), new Float16Array([1.5]), new Int32Array([-7e7]), new Uint32Array([4e9]), new Float32Array([0.1, NaN]), new Float64Array([-0]), new BigInt64Array([-1n]), new BigUint64Array([2n**64n-1n])]`,
		"dataview":   `new DataView(new Uint8Array([1, 2, 3, 4]).buffer, 1, 2)`,
		"cycle":      `(() => { const o = {list: []}; o.self = o; o.list.push(o, o.list); o.map = new Map([[o, o]]); o.set = new Set([o]); return o })()`,
		"shared":     `(() => { const d = {x: 1}, u = new Uint8Array([1]); return [d, d, u, u] })()`,
		"error loop": `(() => { const e = new Error('e'); Object.defineProperty(e, 'cause', {value: e}); return e })()`,
		"proto":      `JSON.parse('{"__proto__": {"a": 1}, "b": 2}')`,
		"proto too":  `[undefined, JSON.parse('{"__proto__": {"a": 1}, "constructor": 2}')]`,
		"plain":      `{a: [1, 'x', null, true, {}], b: {c: []}}`,
	} {
		t.Run(name, func(t *testing.T) {
			w.mustLoad(request(name, `(() => {`+equal+`
				return async () => { const v = (`+source+`); const [r] = await db_query(v); return equal(v, r, 'v') } })()`))
			if r := w.slot().invoke(name, `{}`); string(r.GetValue()) != "true" {
				t.Errorf("got %q %v", r.GetValue(), r.Result)
			}
		})
	}
}

// What crosses as something else than it was, on purpose.
func TestValuesThatChange(t *testing.T) {
	w := newWorld(t)
	for name, c := range map[string]struct{ source, wire, json string }{
		"plain":           {`{a: 1}`, `{"a":1}`, `{"a":1}`},
		"no prototype":    {`Object.assign(Object.create(null), {a: 1})`, `{"a":1}`, `{"a":1}`},
		"instance":        {`new (class P { x = 1 })()`, "\x00[[0],[\"o\",\"x\",1]]", `{"x":1}`},
		"holes":           {`[1, , 3]`, "\x00[[0],[\"a\",1,[-1],3]]", `[1,null,3]`},
		"boxed":           {`[new Number(1), Object(2n), new String('s'), new Boolean(false)]`, "\x00[[0],[\"a\",1,[\"2\"],\"s\",false]]", `[1,"2","s",false]`},
		"toJSON":          {`{a: {toJSON: (k) => [k, undefined]}, d: new Date(0)}`, "\x00[[0],[\"o\",\"a\",[1],\"d\",[2]],[\"a\",\"a\",[-1]],[\"d\",0]]", `{"a":["a",null],"d":"1970-01-01T00:00:00.000Z"}`},
		"getter once":     {`(() => { let n = 0; return {get a() { return ++n }} })()`, "\x00[[0],[\"o\",\"a\",1]]", `{"a":1}`},
		"symbol key":      {`{a: 1, [Symbol()]: () => 1}`, `{"a":1}`, `{"a":1}`},
		"not enumerable":  {`Object.defineProperty({a: 1}, 'f', {value: () => 1})`, `{"a":1}`, `{"a":1}`},
		"undefined":       {`undefined`, ``, `null`},
		"proxy":           {`new Proxy([1, {a: 2}], {})`, "\x00[[0],[\"a\",1,[1]],[\"o\",\"a\",2]]", `[1,{"a":2}]`},
		"arguments":       {`(function () { return arguments })(1, 2)`, "\x00[[0],[\"o\",\"0\",1,\"1\",2]]", `{"0":1,"1":2}`},
		"part of buffer":  {`new Uint8Array([1, 2, 3]).subarray(1, 2)`, "\x00[[0],[\"b\",\"Uint8Array\",\"Ag==\"]]", `{"0":2}`},
		"array's extras":  {`Object.assign([1], {x: () => 1})`, `[1]`, `[1]`},
		"prototype's way": {`(Array.prototype.toJSON = () => 'no', {a: [1n]})`, "\x00[[0],[\"o\",\"a\",\"no\"]]", `{"a":"no"}`},
		"setter":          {`(Object.defineProperty(Array.prototype, '0', {set() {}}), [undefined])`, "\x00[[0],[\"a\",[-1]]]", `[null]`},
	} {
		t.Run(name, func(t *testing.T) {
			w.mustLoad(request(name, `() => (`+c.source+`)`))
			r := w.slot().invoke(name, `{}`)
			if r.outcome() != outcome.OK || string(r.GetValue()) != c.wire {
				t.Errorf("got %q %v, want %q", r.GetValue(), r.Result, c.wire)
			}
			if text, err := value.ToJSON(r.GetValue()); err != nil || string(text) != c.json {
				t.Errorf("got %s, %v, want %s", text, err, c.json)
			}
		})
	}
}

func TestValuesThatAreRefused(t *testing.T) {
	w := newWorld(t)
	for source, want := range map[string]string{
		`() => () => 1`: "TypeError: result is a function",
		`() => ({items: [0, 1, 2, {callback() {}}]})`: "TypeError: result.items[3].callback is a function",
		`() => ({'a b': [Symbol('x')]})`:              `TypeError: result["a b"][0] is a symbol`,
		`() => ({w: new WeakMap()})`:                  "TypeError: result.w is a WeakMap",
		`() => [Promise.resolve()]`:                   "TypeError: result[0] is a Promise",
		`() => new Map([[1, 2], [{f() {}}, 1]])`:      "TypeError: result.entries()[1][0].f is a function",
		`() => new Set([1, Symbol()])`:                "TypeError: result.values()[1] is a symbol",
		`() => new Error('x', {cause: {f() {}}})`:     "TypeError: result.cause.f is a function",
		`() => { const {proxy, revoke} = Proxy.revocable({}, {}); revoke(); return {p: proxy} }`: "TypeError: result.p is a revoked Proxy",
		`() => [new SharedArrayBuffer(4)]`:                                  "TypeError: result[0] is a SharedArrayBuffer",
		`() => ({get a() { throw new RangeError('mine') }})`:                "RangeError: mine",
		`() => new Proxy({}, {ownKeys() { throw new RangeError('mine') }})`: "RangeError: mine",
		`() => { const a = [1n]; a.length = 2 ** 32 - 1; return {a} }`:      "RangeError: result.a has 4294967295 elements",
		`() => db_query(1, {f() {}})`:                                       "TypeError: arguments[1].f is a function",
		`() => add({f() {}}, 1)`:                                            "TypeError: arguments[0].f is a function",
	} {
		w.mustLoad(request(source, source))
		r := w.slot().invoke(source, `{}`)
		e := r.GetException()
		if got := e.GetName() + ": " + e.GetMessage(); r.outcome() != outcome.Exception || !strings.HasPrefix(got, want) {
			t.Errorf("%s: got %v %q, want %q", source, r.outcome(), got, want)
		}
	}
}

// A regular expression that this engine does not know is told with its place.
func TestValuesThatCannotBeMade(t *testing.T) {
	w := newWorld(t)
	wrong := &value.RegExp{Source: "(", Flags: "g"}
	w.raw = map[string]func([]byte) []byte{"db_query": func([]byte) []byte {
		b, err := value.Encode([]any{1, wrong})
		if err != nil {
			t.Error(err)
		}
		return b
	}}
	w.mustLoad(request("v", `async (event) => { try { await db_query() } catch (e) { return String(e) } }`))
	s := w.slot()
	for _, c := range []struct {
		event any
		want  string
	}{
		{wrong, "event is a RegExp that cannot be compiled: "},
		{map[string]any{"items": []any{1, map[string]any{"a b": wrong}}}, `event.items[1]["a b"] is a RegExp that cannot be compiled: `},
	} {
		event, err := value.Encode(c.event)
		if err != nil {
			t.Fatal(err)
		}
		r := s.invoke("v", string(event))
		if e := r.GetException(); r.outcome() != outcome.Exception || e.GetName() != "SyntaxError" || !strings.HasPrefix(e.GetMessage(), c.want) {
			t.Errorf("got %v, want %s", r.Result, c.want)
		}
	}
	if r := s.invoke("v", "{}"); !strings.HasPrefix(string(r.GetValue()), `"SyntaxError: result[1] is a RegExp that cannot be compiled: `) {
		t.Errorf("a host call's result: %v", r.Result)
	}
}
