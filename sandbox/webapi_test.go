package sandbox_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/bulkhead-run/bulkhead/internal/outcome"
	"github.com/bulkhead-run/bulkhead/ipc/sandboxpb"
)

// assertions are what the files in testdata/webapi are written with.
const assertions = `
const tests = [];
const test = (name, f) => tests.push([name, f]);
const show = (v) => typeof v === 'string' ? JSON.stringify(v) : Array.isArray(v) || (typeof v === 'object' && v !== null && Object.getPrototypeOf(v) === Object.prototype)
  ? JSON.stringify(v) : String(v);
const eq = (got, want, what = '') => { if (show(got) !== show(want)) throw new Error(what + ' got ' + show(got) + ', want ' + show(want)); };
const ok = (v, what = 'condition') => { if (!v) throw new Error(what + ' does not hold'); };
const throws = (f, name) => {
  try { f(); } catch (e) { eq(e.name, name, 'the error ' + e); return e; }
  throw new Error('nothing thrown, want ' + name);
};
const rejects = async (p, name) => {
  try { await (typeof p === 'function' ? p() : p); } catch (e) { eq(e?.name, name, 'the error ' + e); return e; }
  throw new Error('not rejected, want ' + name);
};
const hex = (b) => [...new Uint8Array(b.buffer ?? b, b.byteOffset ?? 0, b.byteLength)].map((n) => n.toString(16).padStart(2, '0')).join('');
const unhex = (s) => new Uint8Array(s.match(/../g)?.map((h) => parseInt(h, 16)) ?? []);
const utf8 = (s) => new TextEncoder().encode(s);
`

const runTests = `
export default async () => {
  const failed = [];
  for (const [name, f] of tests) {
    try { await f(); } catch (e) { failed.push(name + ': ' + e + '\n' + e?.stack); }
  }
  return { ran: tests.length, failed };
};
`

// TestWebAPIs runs the assertions in testdata/webapi, one file for each group of
// the Web-standard APIs, in real instances.
func TestWebAPIs(t *testing.T) {
	files, err := filepath.Glob("testdata/webapi/*.js")
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}
	w := newWorld(t)
	release := make(chan struct{}) // lets the slow fetches end
	w.apis = map[string]func([]json.RawMessage) (any, *sandboxpb.Exception){
		"fetch": func(args []json.RawMessage) (any, *sandboxpb.Exception) {
			answer := map[string]any{"url": "http://h/", "status": 200, "statusText": "OK", "headers": [][2]string{{"a", "b"}}}
			switch string(args[0]) {
			case `"http://h/binary"`:
				answer["bodyBase64"] = "AP8="
			case `"http://h/slow"`:
				<-release
			default:
				if exception := w.bodies(args, answer); exception != nil {
					return nil, exception
				}
				if answer["bodyStream"] != nil {
					break
				}
				text, _ := json.Marshal(args)
				answer["body"] = string(text)
			}
			return answer, nil
		},
		"db_query": func([]json.RawMessage) (any, *sandboxpb.Exception) {
			close(release)
			return nil, nil
		},
	}
	for _, file := range files {
		name := strings.TrimSuffix(filepath.Base(file), ".js")
		t.Run(name, func(t *testing.T) {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			r := request(name, assertions+string(text)+runTests)
			r.Memory = 16 << 20
			w.mustLoad(r)
			s := w.slot()
			s.start(name, `{}`, 20*time.Second)
			got := s.finish()
			if got.outcome() != outcome.OK {
				t.Fatalf("%v %v %v", got.outcome(), got.GetException(), got.GetDetail())
			}
			var result struct {
				Ran    int
				Failed []string
			}
			if err := json.Unmarshal(got.GetValue(), &result); err != nil {
				t.Fatal(err)
			}
			if result.Ran == 0 {
				t.Error("no tests ran")
			}
			for _, f := range result.Failed {
				t.Error(f)
			}
			for _, l := range got.logs {
				if l.GetLevel() == "error" && !strings.Contains(l.GetMessage(), "expected") {
					t.Errorf("log: %s", l.GetMessage())
				}
			}
		})
	}
}

// Whatever tenant code does with the built-ins, it is its own loss: the next
// invocation finds all as it was, and the process lives.
func TestWebAPIsUnderHostileCode(t *testing.T) {
	w := newWorld(t)
	for name, c := range map[string]struct {
		source  string
		outcome outcome.Outcome
		value   string
	}{
		"iterators gone": {`() => { Array.prototype[Symbol.iterator] = undefined; Array.prototype.push = null; Reflect.ownKeys = null;
			try { void ReadableStream; void crypto; void Response } catch {} return new URL('http://h/a').pathname }`, outcome.OK, `"/a"`},
		"setters on Array.prototype": {`() => { Object.defineProperty(Array.prototype, 0, { set() { throw 1 } }); return atob('YQ==') }`, outcome.OK, `"a"`},
		"poisoned host results":      {`() => { Object.prototype.href = 'x'; Object.prototype.then = 1; return new URL('http://h/').href }`, outcome.OK, `"http://h/"`},
		"hasInstance":                {`() => { Object.defineProperty(Uint8Array, Symbol.hasInstance, { value: () => true }); return btoa('a') }`, outcome.OK, `"YQ=="`},
		"a long derivation": {`async () => { const k = await crypto.subtle.importKey('raw', new Uint8Array(8), 'PBKDF2', false, ['deriveBits']);
			for (;;) await crypto.subtle.deriveBits({ name: 'PBKDF2', hash: 'SHA-512', salt: new Uint8Array(8), iterations: 1e6 }, k, 8192) }`, outcome.Deadline, ``},
		"a bomb": {`async () => { const zeros = new ReadableStream({ n: 0, pull(c) { if (this.n++ < 20) c.enqueue(new Uint8Array(1e5)); else c.close() } });
			const small = await new Response(zeros.pipeThrough(new CompressionStream('gzip'))).blob(); const all = [];
			for (;;) all.push(await new Response(small.stream().pipeThrough(new DecompressionStream('gzip'))).bytes()) }`, outcome.Memory, ``},
		"a bomb, read": {`async () => { const zeros = new ReadableStream({ n: 0, pull(c) { if (this.n++ < 50) c.enqueue(new Uint8Array(1e5)); else c.close() } });
			let n = 0; for await (const c of zeros.pipeThrough(new CompressionStream('gzip')).pipeThrough(new DecompressionStream('gzip'))) n += c.length; return n }`, outcome.OK, `5000000`},
		"a catastrophic pattern": {`() => new URLPattern({ pathname: '/((?:a+)+b)' }).test({ pathname: '/' + 'a'.repeat(40) })`, outcome.Deadline, ``},
		"a pattern without end":  {`() => new URLPattern({ pathname: '/:a'.repeat(1e7) })`, outcome.Memory, ``},
		"huge patterns": {`() => { for (const make of [() => 'a'.repeat(3e4), () => ':'.repeat(3e4), () => '/:a'.repeat(1e4), () => '{a}?'.repeat(1e4), () => '('.repeat(3e4), () => '{'.repeat(3e4), () => '/:a' + 'b'.repeat(3e4)]) {
			try { new URLPattern({ pathname: make() }) } catch (e) { if (!(e instanceof TypeError)) throw e } } return 1 }`, outcome.OK, `1`},
		"great strings":  {`() => { const s = 'a'.repeat(1e6); let n = 0; for (let i = 0; i < 5; i++) n += new URLSearchParams('a=' + s).toString().length; return n }`, outcome.OK, `5000010`},
		"a nested clone": {`() => { let o = {}; for (let i = 0; i < 1e5; i++) o = { o }; try { structuredClone(o) } catch (e) { return e.name } }`, outcome.OK, `"RangeError"`},
	} {
		t.Run(name, func(t *testing.T) {
			r := request(name, c.source)
			r.Memory = 16 << 20
			w.mustLoad(r)
			s := w.slot()
			timeout := 30 * time.Second
			if c.outcome == outcome.Deadline {
				timeout = time.Second
			}
			s.start(name, `{}`, timeout)
			got := s.finish()
			if got.outcome() != c.outcome || string(got.GetValue()) != c.value {
				t.Errorf("got %v %q %v, want %v %q", got.outcome(), got.GetValue(), got.GetException(), c.outcome, c.value)
			}
			w.mustLoad(request("ok", `() => [...new URLSearchParams('a=b')][0][1] + atob('Yw==')`))
			if r := s.invoke("ok", `{}`); string(r.GetValue()) != `"bc"` {
				t.Errorf("the next invocation: %v", r.Result)
			}
		})
	}
}

// What would be the same in every invocation cannot be had at top level.
func TestWebAPIsAtTopLevel(t *testing.T) {
	w := newWorld(t)
	for _, source := range []string{"crypto.randomUUID()", "crypto.getRandomValues(new Uint8Array(1))", "await crypto.subtle.generateKey('Ed25519', true, ['sign'])"} {
		r := w.load(request(source, source+"\nexport default () => 1"))
		if len(r.GetProblems()) != 1 || !strings.Contains(r.GetProblems()[0].GetReason(), "cannot be used at top level") {
			t.Errorf("%s: %v", source, r)
		}
	}
	w.mustLoad(request("v", "const u = new URL('http://h/p');\nconst b = new Blob(['x']);\nexport default async () => [u.pathname, await b.text(), crypto.randomUUID()]"))
	first, second := w.slot().invoke("v", `{}`), w.slot().invoke("v", `{}`)
	if !strings.HasPrefix(string(first.GetValue()), `["/p","x",`) || string(first.GetValue()) == string(second.GetValue()) {
		t.Errorf("got %s and %s", first.GetValue(), second.GetValue())
	}
}

// A script that replaces all of the language's own methods takes nothing from
// the prelude: values still cross, the console and timers work, errors arrive.
// (A setter for element 0 of every array would break QuickJS's own JSON.)
func TestPreludeKeepsItsOwn(t *testing.T) {
	const poison = `const bad = () => { throw new Error('a method of the script') };
		const { ownKeys, getOwnPropertyDescriptor, defineProperty } = Reflect;
		const taken = [], objects = Object.prototype, arrays = Array.prototype;
		for (const C of [Object, Function, Array, String, Number, Boolean, Symbol, BigInt, Date, RegExp, Promise, Map, Set, WeakMap, ArrayBuffer, DataView, Uint8Array,
			Object.getPrototypeOf(Uint8Array), { prototype: Object.getPrototypeOf([].values()) }, { prototype: Object.getPrototypeOf(new Map().entries()) },
			{ prototype: Object.getPrototypeOf(new Set().values()) }, Iterator, JSON, Math, Reflect, globalThis]) {
			for (const o of [C.prototype, C]) {
				if (typeof o !== 'object' && typeof o !== 'function') continue;
				for (const k of ownKeys(o)) {
					const d = getOwnPropertyDescriptor(o, k);
					if (d.configurable && k !== 'constructor' && k !== 'prototype' && k !== 'Error') taken.push([o, k, d]);
				}
			}
		}
		for (let i = 0; i < taken.length; i++) {
			const o = taken[i][0], k = taken[i][1], d = taken[i][2];
			if (d.get) defineProperty(o, k, { get: bad });
			else if (typeof d.value === 'function') defineProperty(o, k, { value: bad });
		}
		const names = ['value', 'done', 'cause', 'errors', 'text', 'name', 'length', 'get', 'set']; // not then and toJSON, which a result is asked for
		for (let i = 0; i < names.length; i++) defineProperty(objects, names[i], { __proto__: null, get: bad, set: bad });
		for (let i = 1; i < 8; i++) defineProperty(arrays, i, { __proto__: null, get: bad, set: bad });
	`
	w := newWorld(t)
	for name, c := range map[string]struct {
		source string
		value  string
		log    string
	}{
		"console": {`const m = new Map([[1, { a: [1, 2] }]]), { log } = console; ` + poison + `; log('at %d %o', 7, m); return 1`, `1`, "at 7 Map(1) { 1 => { a: [ 1, 2 ] } }"},
		"values":  {`const v = { d: new Date(0), s: new Set([1n]), u: new Uint8Array([1]) }; ` + poison + `; return v`, "\x00", ""},
		"errors":  {`const e = new TypeError('mine'); ` + poison + `; throw e`, ``, ""},
		"timers":  {`let done; const p = new Promise((r) => { done = r }), later = setTimeout; ` + poison + `; later(() => done(5), 1); return p`, `5`, ""},
	} {
		w.mustLoad(request(name, "() => { "+c.source+" }"))
		r := w.slot().invoke(name, `{}`)
		if c.value == "" && (r.GetException().GetName() != "TypeError" || r.GetException().GetMessage() != "mine") || !strings.HasPrefix(string(r.GetValue()), c.value) || c.value != "" && r.outcome() != outcome.OK {
			t.Errorf("%s: %v", name, r.Result)
		}
		if c.log != "" && (len(r.logs) != 1 || r.logs[0].GetMessage() != c.log) {
			t.Errorf("%s: %v", name, r.logs)
		}
	}
}
