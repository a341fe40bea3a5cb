package quickjs

import (
	"errors"
	"fmt"
	"testing"
	"time"
)

// The stack sizes that functions get, by default and at most.
var stackSizes = []uint64{1 << 20, 2 << 20}

func TestStack(t *testing.T) {
	for _, c := range []struct {
		stack  uint64
		frames string
	}{{1 << 20, "3792"}, {2 << 20, "7647"}} {
		i := newInstance(t, 5<<20, c.stack)
		got := eval(t, i, "(() => { let n = 0; function f() { n++; f() } try { f() } catch (e) { if (!(e instanceof RangeError)) throw e } return String(n) })()")
		if got != c.frames {
			t.Errorf("a stack of %d bytes took %s frames, want %s", c.stack, got, c.frames)
		}
	}
}

const stackOverflow = "RangeError: Maximum call stack size exceeded"

// endlessRecursion is every way to recurse that we know of.
var endlessRecursion = map[string]string{
	"call":            "function f() { return f() + 1 } f()",
	"apply":           "function f() { return f.apply(this, arguments) } f()",
	"construct":       "function F() { return Reflect.construct(F, []) } F()",
	"default value":   "function f(a = f()) {} f()",
	"tagged template": "const f = () => f`x`; f()",
	"direct eval":     "const f = () => eval('f()'); f()",
	"getter":          "const o = { get x() { return this.x } }; o.x",
	"setter":          "const o = { set x(v) { this.x = v } }; o.x = 1",
	"toString":        "const o = { toString() { return '' + this } }; '' + o",
	"valueOf":         "const o = { valueOf() { return +this } }; +o",
	"toPrimitive":     "const o = { [Symbol.toPrimitive]() { return +this } }; +o",
	"hasInstance":     "const o = { [Symbol.hasInstance](v) { return v instanceof o } }; 1 instanceof o",
	"iterator":        "const o = { [Symbol.iterator]() { return [...o] } }; [...o]",
	"proxy get":       "const p = new Proxy({}, { get(t, k, r) { return r[k] } }); p.x",
	"proxy has":       "const p = new Proxy({}, { has(t, k) { return k in p } }); 'x' in p",
	"proxy ownKeys":   "const p = new Proxy({}, { ownKeys() { return Reflect.ownKeys(p) } }); Object.keys(p)",
	"proxy chain":     "let p = {}; for (let i = 0; i < 1e5; i++) p = new Proxy(p, {}); p.x",
	"JSON.parse":      "JSON.parse('['.repeat(1e6))",
	"JSON.stringify":  "const o = { toJSON() { return JSON.stringify(this) } }; JSON.stringify(o)",
	"array to string": "let a = []; for (let i = 0; i < 1e5; i++) a = [a]; String(a)",
	"flat":            "let a = []; for (let i = 0; i < 1e5; i++) a = [a]; a.flat(Infinity)",
	"parser parens":   "eval('('.repeat(1e5))",
	"parser arrays":   "eval('['.repeat(1e5))",
	"parser blocks":   "eval('{'.repeat(1e5))",
	"parser if":       "eval('if(1)'.repeat(1e5) + ';')",
	"parser class":    "eval('class A{static{'.repeat(1e5))",
	"parser unary":    "eval('!'.repeat(1e6) + '1')",
	"parser power":    "eval('2**'.repeat(1e6) + '1')",
	"parser new":      "eval('new '.repeat(1e5) + 'x')",
	"parser ternary":  "eval('1?'.repeat(1e5))",
	"parser template": "eval('`${'.repeat(1e5))",
	"Function":        "new Function('('.repeat(1e5))",
	"sort":            "const f = () => [2, 1].sort(f); f()",
	"replace":         "const f = () => 'a'.replace('a', f); f()",
	"map":             "const f = () => [1].map(f); f()",
	"Array.from":      "const f = () => Array.from({ length: 1 }, f); f()",
	"generator":       "function* g() { yield* g() } for (const x of g());",
	"constructor":     "class C { constructor() { new C() } } new C()",
	"field":           "class C { x = new C() } new C()",
	"derived":         "class A { constructor() { new B() } } class B extends A { } new B()",
	"finally":         "function f() { try { f() } finally { 1 } } f()",
	"executor":        "let e; function f() { new Promise(f).catch((x) => e = x) } const p = new Promise(f); (function g() { g() })()",
	"error cause":     "function f() { throw new Error('x', { get cause() { return f() } }) } f()",
}

// otherErrors are the routes that QuickJS may end in an error of another class:
// some of its parsers take their own overflow for a fault of what they parse.
var otherErrors = map[string]struct{ source, want string }{
	"regexp groups":    {"new RegExp('(?:'.repeat(1e5))", "SyntaxError: stack overflow"},
	"regexp lookahead": {"new RegExp('(?='.repeat(1e5))", "SyntaxError: stack overflow"},
	"parser function":  {"eval('function f(){'.repeat(1e4))", "SyntaxError: missing formal parameter"},
	"parser objects":   {"eval('(' + '{a:'.repeat(1e5))", "SyntaxError: invalid property name"},
}

// Every way to recurse ends in something that JavaScript can catch, and the
// world still works afterwards.
func TestEndlessRecursion(t *testing.T) {
	for _, stack := range stackSizes {
		if testing.Short() && stack != stackSizes[0] {
			continue
		}
		for name, source := range endlessRecursion {
			t.Run(fmt.Sprintf("%s/%d", name, stack>>20), func(t *testing.T) { recurse(t, stack, source, "") })
		}
		for name, c := range otherErrors {
			t.Run(fmt.Sprintf("%s/%d", name, stack>>20), func(t *testing.T) { recurse(t, stack, c.source, c.want) })
		}
	}
}

// recurse wants a RangeError, or the other error that a route may end in.
func recurse(t *testing.T, stack uint64, source, other string) {
	i := newInstance(t, 64<<20, stack)
	i.SetDeadline(time.Now().Add(time.Minute))
	catch := "(() => { try { " + source + "; return 'no error' } catch (e) { return (e instanceof Error ? '' : 'thrown ') + e } })()"
	for range 2 { // the second time on what the first has left
		got, err := i.evalString(catch)
		if err != nil {
			t.Fatal(err)
		}
		if got != stackOverflow && (other == "" || got != other) {
			t.Errorf("caught %.200s, want %s", got, stackOverflow)
		}
	}
	if got := eval(t, i, "JSON.stringify([1 + 1, 'a'.replace(/a/, 'b'), [3, 1, 2].sort()])"); got != `[2,"b",[1,2,3]]` {
		t.Errorf("afterwards: %s", got)
	}
}

// An async function's overflow rejects its promise.
func TestEndlessAsyncRecursion(t *testing.T) {
	i := newInstance(t, 16<<20, 1<<20)
	const source = "async function f() { await f() } let caught; f().catch((e) => caught = String(e))"
	if _, err := i.Eval(source, "x.js", EvalScript); err != nil {
		t.Fatal(err)
	}
	if err := i.RunJobs(func() bool { return false }); err != nil {
		t.Fatal(err)
	}
	if got := eval(t, i, "caught"); got != stackOverflow {
		t.Errorf("caught %s", got)
	}
}

// Recursion that catches its own overflow at every level takes exponentially
// long: it ends at the deadline.
func TestExponentialRecursion(t *testing.T) {
	i := newInstance(t, 8<<20, 1<<20)
	i.SetDeadline(time.Now().Add(200 * time.Millisecond))
	_, err := i.evalString("function f() { try { f() } finally { f() } } f()")
	if !errors.Is(err, ErrInterrupted) {
		t.Errorf("error %v", err)
	}
}

// The host can be called with the stack all but used up, and call back into
// what needs stack itself.
func TestHostCallsAtTheStackLimit(t *testing.T) {
	for _, stack := range stackSizes {
		i := newInstance(t, 16<<20, stack)
		host, err := i.HostFunction()
		if err != nil {
			t.Fatal(err)
		}
		calls := 0
		i.OnCall = func(a Args) Value {
			calls++
			text, _, _ := a.Text(0, 1<<10)
			v, err := i.ParseJSON(text)
			if e := (*Exception)(nil); errors.As(err, &e) {
				if err := i.Free(e.Value); err != nil {
					t.Error(err)
				}
				return Undefined
			}
			if err != nil {
				t.Errorf("parsing at the limit: %v", err)
				return Undefined
			}
			return v
		}
		const source = `(host) => {
			let n = 0, answered = 0, seen = '';
			function f() {
				n++;
				const v = host('{"a":[1,{"b":"c"}]}');
				if (v?.a[1].b === 'c') answered++;
				try { f() } catch (e) { seen = String(e); host('[]'); throw e }
			}
			try { f() } catch { }
			return [seen, answered > n - 16, n > 1000].join();
		}`
		main, err := i.Eval(source, "x.js", EvalScript)
		if err != nil {
			t.Fatal(err)
		}
		v, err := i.Call(main, host)
		if err != nil {
			t.Fatal(err)
		}
		if text, _, _ := i.Text(v, 1<<10); string(text) != stackOverflow+",true,true" {
			t.Errorf("stack of %d bytes: %s after %d host calls", stack, text, calls)
		}
	}
}
