package sandbox_test

import (
	"strings"
	"testing"
)

// TestInspect holds what the console shows of a value.
func TestInspect(t *testing.T) {
	w := newWorld(t)
	for _, c := range []struct{ source, want string }{
		{`[1, 'a', null, undefined, 1n, -0, Symbol('s')]`, `[ 1, "a", null, undefined, 1n, -0, Symbol(s) ]`},
		{`[1, , , 4]`, `[ 1, <2 empty items>, 4 ]`},
		{`Object.assign([1], { a: 2 })`, `[ 1, a: 2 ]`},
		{`new Array(1e9)`, `[ <1001 empty items>, … 999998999 more items ]`},
		{`Array.from({ length: 200 }, (_, i) => i)`, `98, 99, … 100 more items ]`},
		{`new Uint8Array(1e6)`, `Uint8Array(1000000) [ 0, 0`},
		{`new (class List extends Array {})(1, 2)`, `List(2) [ 1, 2 ]`},
		{`{ a: { b: { c: { d: { e: {} } } } }, f: [[[[[[]]]]]] }`, `{ a: { b: { c: { d: { e: [Object] } } } }, f: [ [ [ [ [Array] ] ] ] ] }`},
		{`{ get a() { return 1 }, set b(v) {}, get c() { return 1 }, set c(v) {}, [Symbol('s')]: 1, 'd-e': 2 }`, `{ a: [Getter], b: [Setter], c: [Getter/Setter], "d-e": 2, [Symbol(s)]: 1 }`},
		{`(() => { const o = {}; o.self = o; return o })()`, `{ self: [Circular] }`},
		{`[function f() {}, () => {}, class A {}, async () => {}, function* g() {}, Object.assign(function h() {}, { a: 1 })]`,
			`[ [Function: f], [Function (anonymous)], [class A], [AsyncFunction (anonymous)], [GeneratorFunction: g], [Function: h] { a: 1 } ]`},
		{`[new Map([['k', { a: 1 }]]), new Set([1])]`, `[ Map(1) { "k" => { a: 1 } }, Set(1) { 1 } ]`},
		{`new (class Cache extends Map { constructor() { super([[1, 2]]); this.hits = 3 } })()`, `Cache(1) [Map] { 1 => 2, hits: 3 }`},
		{`new (class Tags extends Set {})(['x'])`, `Tags(1) [Set] { "x" }`},
		{`[new Date(0), new Date(NaN), /x/g]`, `[ 1970-01-01T00:00:00.000Z, Invalid Date, /x/g ]`},
		{`[new Number(-0), new String('x'), Object(true), Object(1n)]`, `[ [Number: -0], [String: "x"], [Boolean: true], [BigInt: 1n] ]`},
		{`new Uint8Array([1, 255]).buffer`, `ArrayBuffer { [Uint8Contents]: <01 ff>, byteLength: 2 }`},
		{`new DataView(new ArrayBuffer(2), 1)`, `DataView { byteLength: 1, byteOffset: 1, buffer: ArrayBuffer { [Uint8Contents]: <00 00>, byteLength: 2 } }`},
		{`[Object.create(null), Object.create({}), new (class P { x = 1; #y = 2 })(), Promise.resolve(1), new WeakMap(), (function* () {})()]`,
			`[ [Object: null prototype] {}, {}, P { x: 1 }, Promise {}, WeakMap {}, Object [Generator] {} ]`},
		{`{ [Symbol.toStringTag]: 'T' }`, `Object [T] { [Symbol(Symbol.toStringTag)]: "T" }`},
		{`Object.assign(new RangeError('bad', { cause: 'why' }), { code: 'E' })`, ` { code: "E", [cause]: "why" }`},
		{`new AggregateError([1, 2], 'all')`, `{ [errors]: [ 1, 2 ] }`},
		{`new DOMException('m', 'AbortError')`, `AbortError: m`},
		{`Object.defineProperty(new Error('x'), 'name', { get() { throw 1 } })`, `[Error]`},
		{`new URL('http://u@h:81/p?a=1&a=2#f')`, `URL { href: "http://u@h:81/p?a=1&a=2#f", origin: "http://h:81", protocol: "http:", username: "u", password: "", host: "h:81", ` +
			`hostname: "h", port: "81", pathname: "/p", search: "?a=1&a=2", searchParams: URLSearchParams { size: 2, "a" => "1", "a" => "2" }, hash: "#f" }`},
		{`new Headers({ 'X-A': '1', b: '2' })`, `Headers { "b" => "2", "x-a" => "1" }`},
		{`(() => { const f = new FormData(); f.append('a', '1'); f.append('b', new File(['xy'], 'n.txt', { type: 'text/plain', lastModified: 5 })); return f })()`,
			`FormData { "a" => "1", "b" => File { size: 2, type: "text/plain", name: "n.txt", lastModified: 5 } }`},
		{`new Blob(['abc'], { type: 'a/b' })`, `Blob { size: 3, type: "a/b" }`},
		{`new Request('http://h/', { method: 'POST', body: 'x', headers: { a: 'b' } })`, `method: "POST", url: "http://h/", headers: Headers { "a" => "b", "content-type" => "text/plain;charset=UTF-8" }`},
		{`Response.json({}, { status: 201 })`, `status: 201, ok: true, statusText: "", headers: Headers { "content-type" => "application/json" }`},
		{`new CustomEvent('e', { detail: { a: 1 } })`, `CustomEvent { type: "e", target: null,`},
		{`AbortSignal.abort('why')`, `AbortSignal { aborted: true, reason: "why", onabort: null }`},
		{`new ReadableStream()`, `ReadableStream { locked: false }`},
		{`new TransformStream()`, `TransformStream { readable: ReadableStream { locked: false }, writable: WritableStream { locked: false } }`},
		{`new TextDecoder('latin1')`, `TextDecoder { encoding: "windows-1252", fatal: false, ignoreBOM: false }`},
		{`new URLPattern({ pathname: '/:a' })`, `pathname: "/:a", search: "*", hash: "*", hasRegExpGroups: false }`},
		{`Object.assign(new EventTarget(), { mine: 1 })`, `EventTarget { mine: 1 }`},
		{`URL.prototype`, `Object [URL] { href: [Getter/Setter], origin: [Getter],`},
		{`new (class Mine extends URL { get href() { throw 1 } })('http://h/')`, `Mine [URL] { href: "http://h/", origin`},
		{`new Proxy({ a: 1 }, {})`, `{ a: 1 }`},
	} {
		w.mustLoad(request(c.source, "() => { console.log((0, "+c.source+")) }"))
		r := w.slot().invoke(c.source, `{}`)
		if len(r.logs) != 1 || !strings.Contains(r.logs[0].GetMessage(), c.want) || strings.HasPrefix(c.want, "[ ") && c.want != r.logs[0].GetMessage() {
			t.Errorf("%s:\n%v %v\nwant %s", c.source, r.logs, r.GetException(), c.want)
		}
	}
}
