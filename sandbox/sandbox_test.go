package sandbox_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/bulkhead-run/bulkhead/internal/outcome"
	"github.com/bulkhead-run/bulkhead/ipc/sandboxpb"
)

func TestShapes(t *testing.T) {
	w := newWorld(t)
	for name, c := range map[string]struct {
		source string
		shape  sandboxpb.Shape
		event  string
		want   string
	}{
		"arrow":                 {`async (event) => event.n + 1`, sandboxpb.Shape_SHAPE_EXPRESSION, `{"n":1}`, `2`},
		"arrow with semicolon":  {"async (event) => event.n + 1;\n// done\n", sandboxpb.Shape_SHAPE_EXPRESSION, `{"n":1}`, `2`},
		"comment at the end":    {"(event) => event // the same", sandboxpb.Shape_SHAPE_EXPRESSION, `[1]`, `[1]`},
		"anonymous function":    {`function (event) { return this === undefined || this === globalThis }`, sandboxpb.Shape_SHAPE_EXPRESSION, `0`, `true`},
		"named function":        {"async function handler(event) {\n return event }", sandboxpb.Shape_SHAPE_EXPRESSION, `"x"`, `"x"`},
		"script ending in one":  {"const k = 2;\n(event) => event * k;", sandboxpb.Shape_SHAPE_EXPRESSION, `4`, `8`},
		"the word export":       {`(event) => "export default " + event`, sandboxpb.Shape_SHAPE_EXPRESSION, `1`, `"export default 1"`},
		"module function":       {"const k = 3;\nexport default (event) => event * k", sandboxpb.Shape_SHAPE_MODULE_FUNCTION, `2`, `6`},
		"module async function": {`export default async function (event) { return event }`, sandboxpb.Shape_SHAPE_MODULE_FUNCTION, `null`, `null`},
		"module renamed":        {"function f(e) { return [e] }\nexport { f as default }", sandboxpb.Shape_SHAPE_MODULE_FUNCTION, `1`, `[1]`},
		"top-level await":       {"const k = await Promise.resolve(5);\nexport default () => k", sandboxpb.Shape_SHAPE_MODULE_FUNCTION, `1`, `5`},
		"fetch module": {`export default { async fetch(request) {
			return new Response(request.method + ' ' + request.url + ' ' + request.headers.get('x-a') + ' ' + await request.text(), { status: 201, headers: { 'X-B': 'b' } }) } }`,
			sandboxpb.Shape_SHAPE_MODULE_FETCH,
			`{"method":"POST","url":"http://h/p","headers":{"X-A":"a"},"body":"text"}`,
			`{"status":201,"headers":[["content-type","text/plain;charset=UTF-8"],["x-b","b"]],"body":"POST http://h/p a text"}`},
		"returns undefined": {`() => {}`, sandboxpb.Shape_SHAPE_EXPRESSION, `1`, ``},
	} {
		t.Run(name, func(t *testing.T) {
			loaded := w.mustLoad(request(name, c.source))
			if loaded.GetShape() != c.shape {
				t.Errorf("shape %v, want %v", loaded.GetShape(), c.shape)
			}
			r := w.slot().invoke(name, c.event)
			if r.outcome() != outcome.OK || string(r.GetValue()) != c.want {
				t.Errorf("got %v %q %v, want %q", r.outcome(), r.GetValue(), r.GetException(), c.want)
			}
		})
	}
}

func TestCodeThatDoesNotLoad(t *testing.T) {
	w := newWorld(t)
	for name, c := range map[string]struct {
		source  string
		outcome outcome.Outcome
		reason  string
		line    uint32
		column  uint32
	}{
		"syntax error":            {"async (event) => {\n  const x = ;\n}", outcome.Invalid, "SyntaxError", 2, 6},
		"module syntax error":     {"export default {\n  fetch( { }\n", outcome.Invalid, "SyntaxError", 0, 0},
		"not a function":          {`42`, outcome.Invalid, "a value of type number", 0, 0},
		"an object":               {`({ fetch() {} })`, outcome.Invalid, "a value of type object", 0, 0},
		"nothing":                 {`const handler = 1`, outcome.Invalid, "nothing", 0, 0},
		"empty":                   {``, outcome.Invalid, "nothing", 0, 0},
		"no default":              {`export const f = () => {}`, outcome.Invalid, "default export is nothing", 0, 0},
		"object without fetch":    {`export default { get() {} }`, outcome.Invalid, "object with a fetch method", 0, 0},
		"import":                  {"import x from 'lodash';\nexport default () => x", outcome.Invalid, "cannot import 'lodash'", 0, 0},
		"import of os":            {"import * as os from 'qjs:os';\nexport default () => os", outcome.Invalid, "cannot import 'qjs:os'", 0, 0},
		"throws":                  {"const x = 1;\nnull.y;\nexport default () => 1", outcome.Exception, "TypeError: cannot read property 'y' of null", 2, 1},
		"throws in an expression": {`(() => { throw new RangeError('no') })()`, outcome.Exception, "RangeError: no", 1, 19},
		"never ends":              {"for (;;);\nexport default () => 1", outcome.Deadline, "longer than 1s", 0, 0},
		"too much memory":         {"const a = []; for (;;) a.push('x'.repeat(1e5) + a.length);\nexport default () => 1", outcome.Memory, "more memory", 0, 0},
		"host call":               {"await fetch('http://x');\nexport default () => 1", outcome.Exception, "fetch cannot be used at top level", 1, 6},
		"timer":                   {"setTimeout(() => {}, 1);\nexport default () => 1", outcome.Exception, "setTimeout cannot be used at top level", 1, 1},
		"awaits for ever":         {"await new Promise(() => {});\nexport default () => 1", outcome.Exception, "never settle", 0, 0},
	} {
		t.Run(name, func(t *testing.T) {
			r := w.load(request(name, c.source))
			if len(r.GetProblems()) != 1 {
				t.Fatalf("problems: %v", r)
			}
			p := r.GetProblems()[0]
			if outcome.Outcome(r.GetOutcome()) != c.outcome || !strings.Contains(p.GetReason(), c.reason) {
				t.Errorf("got %v %q, want %v %q", outcome.Outcome(r.GetOutcome()), p.GetReason(), c.outcome, c.reason)
			}
			if c.line != 0 && (p.GetLine() != c.line || p.GetColumn() != c.column) {
				t.Errorf("at %d:%d, want %d:%d (%s)", p.GetLine(), p.GetColumn(), c.line, c.column, p.GetReason())
			}
		})
	}
}

func TestTopLevelConsole(t *testing.T) {
	r := newWorld(t).mustLoad(request("v", "console.warn('at', { start: [1] });\nexport default () => 1"))
	if len(r.GetLogs()) != 1 || r.GetLogs()[0].GetMessage() != "at { start: [ 1 ] }" || r.GetLogs()[0].GetLevel() != "warn" {
		t.Errorf("logs: %v", r.GetLogs())
	}
}

func TestOutcomes(t *testing.T) {
	w := newWorld(t)
	for name, c := range map[string]struct {
		source  string
		timeout time.Duration
		outcome outcome.Outcome
		want    string // in the exception's or the detail's text
	}{
		"throws":              {`() => { throw new TypeError('bad') }`, 10 * time.Second, outcome.Exception, "TypeError: bad"},
		"rejects":             {`async () => { await null; throw new Error('late') }`, 10 * time.Second, outcome.Exception, "Error: late"},
		"throws a string":     {`() => { throw 'text' }`, 10 * time.Second, outcome.Exception, "Thrown: text"},
		"throws null":         {`() => { throw null }`, 10 * time.Second, outcome.Exception, "Thrown: null"},
		"throws a hostile":    {`() => { throw { get name() { throw 1 }, toString() { throw 2 } } }`, 10 * time.Second, outcome.Exception, "Thrown"},
		"endless loop":        {`() => { for (;;); }`, 50 * time.Millisecond, outcome.Deadline, ""},
		"loop that catches":   {`() => { for (;;) { try { for (;;); } catch {} finally { continue } } }`, 50 * time.Millisecond, outcome.Deadline, ""},
		"regular expression":  {`() => /^(a+)+$/.test('a'.repeat(40) + 'b')`, 50 * time.Millisecond, outcome.Deadline, ""},
		"microtask storm":     {`() => { const f = () => { Promise.resolve().then(f) }; f(); return new Promise(() => {}) }`, 50 * time.Millisecond, outcome.Deadline, ""},
		"waits too long":      {`() => new Promise((r) => setTimeout(r, 60000))`, 50 * time.Millisecond, outcome.Deadline, ""},
		"memory":              {`() => { const a = []; for (;;) a.push(new Array(1000).fill(a.length)) }`, 10 * time.Second, outcome.Memory, ""},
		"a great buffer":      {`() => { const a = []; for (;;) a.push(new ArrayBuffer(1e6)) }`, 10 * time.Second, outcome.Memory, ""},
		"memory that catches": {`() => { const a = []; for (;;) try { a.push(new Array(1e4).fill(1)) } catch { return 'caught' } }`, 10 * time.Second, outcome.OK, ""},
		"recursion":           {`() => { function f() { return f() + 1 } return f() }`, 10 * time.Second, outcome.Exception, "RangeError: Maximum call stack size exceeded"},
		"never settles":       {`() => new Promise(() => {})`, 10 * time.Second, outcome.Exception, "can never settle"},
		"great result":        {`() => 'x'.repeat(1.1e6)`, 10 * time.Second, outcome.Output, "the limit is 1048576"},
		"function result":     {`() => ({ items: [1, { callback() {} }] })`, 10 * time.Second, outcome.Exception, "TypeError: result.items[1].callback is a function"},
	} {
		t.Run(name, func(t *testing.T) {
			w.mustLoad(request(name, c.source))
			s := w.slot()
			s.start(name, `{}`, c.timeout)
			r := s.finish()
			text := r.GetDetail()
			if e := r.GetException(); e != nil {
				text += e.GetName() + ": " + e.GetMessage()
			}
			if r.outcome() != c.outcome || !strings.Contains(text, c.want) {
				t.Errorf("got %v %q, want %v %q", r.outcome(), text, c.outcome, c.want)
			}
			// Whatever happened, the next invocation starts clean.
			w.mustLoad(request("ok", `() => 'ok'`))
			if r := s.invoke("ok", `{}`); string(r.GetValue()) != `"ok"` {
				t.Errorf("the next invocation: %v", r.Result)
			}
		})
	}
}

func TestStackTrace(t *testing.T) {
	w := newWorld(t)
	w.mustLoad(request("one-line", "(event) => { null.x }"))
	w.mustLoad(request("module", "export default (event) => {\n  return [1].map(() => {\n    throw new Error('deep')\n  })\n}"))
	w.mustLoad(request("host", "export default async (event) => {\n  await fetch('http://h')\n}"))
	w.apis = map[string]func([]json.RawMessage) (any, *sandboxpb.Exception){
		"fetch": func([]json.RawMessage) (any, *sandboxpb.Exception) {
			return nil, &sandboxpb.Exception{Name: "PermissionError", Message: "no", Properties: []byte(`{"api":"fetch"}`)}
		},
	}
	for version, want := range map[string][]string{
		"one-line": {"at <anonymous> (f.js:1:13)"},
		"module":   {"at <anonymous> (f.js:3:15)", "at map (native)", "at default (f.js:2:14)"},
		"host":     {"at default (f.js:2:9)"},
	} {
		r := w.slot().invoke(version, `{}`)
		if got := r.GetException().GetStack(); got != strings.Join(want, "\n") {
			t.Errorf("%s: stack\n%s\nwant\n%s", version, got, strings.Join(want, "\n"))
		}
	}
	w.mustLoad(request("cause", "export default () => {\n  throw new Error('x', { cause: new TypeError('y') })\n}"))
	e := w.slot().invoke("cause", `{}`).GetException()
	if c := e.GetCause(); c.GetName() != "TypeError" || c.GetMessage() != "y" || c.GetStack() != "at default (f.js:2:37)" {
		t.Errorf("cause: %v", c)
	}
}

func TestHostCalls(t *testing.T) {
	w := newWorld(t)
	release := make(chan struct{})
	started := make(chan struct{}, 2)
	w.apis = map[string]func([]json.RawMessage) (any, *sandboxpb.Exception){
		"kv.get": func(args []json.RawMessage) (any, *sandboxpb.Exception) { return map[string]any{"key": args[0]}, nil },
		"add": func(args []json.RawMessage) (any, *sandboxpb.Exception) {
			var a, b int
			_ = json.Unmarshal(args[0], &a)
			_ = json.Unmarshal(args[1], &b)
			return a + b, nil
		},
		"fetch": func([]json.RawMessage) (any, *sandboxpb.Exception) {
			return map[string]any{"url": "u", "status": 204, "statusText": "No Content", "headers": [][2]string{{"A", "b"}}, "bodyBase64": "eyJhIjoiw6nwn5iA/yJ9"}, nil
		},
		"db_query": func([]json.RawMessage) (any, *sandboxpb.Exception) {
			started <- struct{}{}
			<-release
			return []int{1}, nil
		},
	}
	go func() { // Both calls are outstanding before either is answered.
		<-started
		<-started
		close(release)
	}()
	for name, c := range map[string]struct{ source, want string }{
		"sync":          {`() => add(1, 2)`, `3`},
		"namespace":     {`async () => (await kv.get('k')).key`, `"k"`},
		"at once":       {`async () => Promise.all([db_query('a'), db_query('b')])`, `[[1],[1]]`},
		"fetch":         {`async () => { const r = await fetch('http://h'); return [r.status, r.ok, r.headers.get('a'), await r.json()] }`, `[204,true,"b",{"a":"é😀�"}]`},
		"sync in async": {`async () => { const k = kv.get('x'); const s = add(4, 5); return [s, (await k).key] }`, `[9,"x"]`},
		"hostile then":  {`async () => { Object.prototype.then = (f) => f('stolen'); Array.prototype.then = Object.prototype.then; const v = await kv.get('k'); delete Object.prototype.then; delete Array.prototype.then; return v.key }`, `"k"`},
		"redefined":     {`async () => { Promise.prototype.then = () => 1; JSON.stringify = () => 'no'; Map.prototype.get = () => 1; globalThis.Promise = undefined; const r = add(1, 1); return r }`, `2`},
	} {
		t.Run(name, func(t *testing.T) {
			w.mustLoad(request(name, c.source))
			if r := w.slot().invoke(name, `{}`); string(r.GetValue()) != c.want {
				t.Errorf("got %q %v %v, want %q", r.GetValue(), r.outcome(), r.GetException(), c.want)
			}
		})
	}
}

func TestConsoleAndTimers(t *testing.T) {
	w := newWorld(t)
	w.mustLoad(request("v", `async () => {
		console.log('a %s %d %o', 'b', 4.5, { c: [1, 'd'] }, 'rest', 100n);
		console.error(new Map([['k', new Set([1])]]));
		const order = [];
		const t = setInterval(() => order.push('i'), 1);
		setTimeout(() => order.push('t5'), 5);
		setTimeout((x) => order.push(x), 0, 't0');
		queueMicrotask(() => order.push('m'));
		clearTimeout(setTimeout(() => order.push('never'), 1));
		await new Promise((r) => setTimeout(r, 30));
		clearInterval(t);
		setTimeout(() => { throw new Error('in a timer') }, 1);
		Promise.reject(new Error('nobody'));
		await new Promise((r) => setTimeout(r, 10));
		return [order[0], order[1], order.includes('i'), order.includes('never'), order.includes('t5')];
	}`))
	r := w.slot().invoke("v", `{}`)
	if string(r.GetValue()) != `["m","i",true,false,true]` {
		t.Errorf("value %q, exception %v", r.GetValue(), r.GetException())
	}
	var lines []string
	for _, l := range r.logs {
		line, _, _ := strings.Cut(l.GetMessage(), "\n")
		lines = append(lines, l.GetLevel()+": "+line)
	}
	want := []string{
		"info: a b 4.5 { c: [ 1, \"d\" ] } rest 100n",
		"error: Map(1) { \"k\" => Set(1) { 1 } }",
		"error: Uncaught Error: in a timer",
		"error: Uncaught (in promise) Error: nobody",
	}
	if strings.Join(lines, "\n") != strings.Join(want, "\n") {
		t.Errorf("logs:\n%s\nwant:\n%s", strings.Join(lines, "\n"), strings.Join(want, "\n"))
	}
}

func TestFreshAndWarm(t *testing.T) {
	w := newWorld(t)
	source := `let n = 0; export default () => { globalThis.leak = (globalThis.leak ?? 0) + 1; return [++n, leak, Math.random()] }`
	fresh, warm := request("fresh", source), request("warm", source)
	warm.Warm = true
	w.mustLoad(fresh)
	w.mustLoad(warm)
	s := w.slot()
	var drawn = map[float64]bool{}
	for n := 1; n <= 3; n++ {
		var got [3]float64
		for _, v := range []struct {
			version string
			want    float64
		}{{"fresh", 1}, {"warm", float64(n)}} {
			if err := json.Unmarshal(s.invoke(v.version, `{}`).GetValue(), &got); err != nil {
				t.Fatal(err)
			}
			if got[0] != v.want || got[1] != v.want {
				t.Errorf("%s, invocation %d: %v", v.version, n, got)
			}
			if drawn[got[2]] {
				t.Errorf("%s: Math.random repeated %v", v.version, got[2])
			}
			drawn[got[2]] = true
		}
	}
}

func TestCancel(t *testing.T) {
	w := newWorld(t)
	for name, source := range map[string]string{
		"computing": `() => { console.log('up'); for (;;); }`,
		"waiting":   `() => { console.log('up'); return new Promise((r) => setTimeout(r, 60000)) }`,
	} {
		t.Run(name, func(t *testing.T) {
			w.mustLoad(request(name, source))
			s := w.slot()
			id := s.start(name, `{}`, time.Minute)
			if _, err := s.stream.Recv(); err != nil { // the log line
				t.Fatal(err)
			}
			s.send(&sandboxpb.ToSandbox{Frame: &sandboxpb.ToSandbox_Cancel{Cancel: &sandboxpb.Cancel{Invocation: id}}})
			if r := s.finish(); r.outcome() != outcome.Canceled {
				t.Errorf("outcome %v", r.outcome())
			}
		})
	}
}

func TestNothingDangerousIsReachable(t *testing.T) {
	w := newWorld(t)
	w.mustLoad(request("v", `async () => {
		const found = [];
		for (const name of ['std', 'os', 'bjson', 'scriptArgs', 'print', 'Worker', 'QJS_PROXY_VALUE', 'gc', 'Atomics']) {
			if (typeof globalThis[name] !== 'undefined' || new Function('return typeof ' + name)() !== 'undefined') found.push(name);
		}
		for (const name of ['qjs:os', 'qjs:std', 'qjs:bjson', 'os', '/etc/passwd', './x.js', 'node:fs', 'data:text/javascript,1']) {
			try { await import(name); found.push(name) } catch {}
			try { await (0, eval)('import(' + JSON.stringify(name) + ')'); found.push(name) } catch {}
		}
		return found;
	}`))
	if r := w.slot().invoke("v", `{}`); string(r.GetValue()) != `[]` {
		t.Errorf("reachable: %q %v", r.GetValue(), r.GetException())
	}
}

func TestManyInstancesAtOnce(t *testing.T) {
	w := newWorld(t)
	r := request("v", `async (n) => { await new Promise((r) => setTimeout(r, 5)); return n }`)
	r.Concurrency = 16
	w.mustLoad(r)
	slots := make([]*slot, 16)
	for n := range slots {
		slots[n] = w.slot()
	}
	for round := 0; round < 5; round++ {
		for n, s := range slots {
			event, _ := json.Marshal(n)
			s.start("v", string(event), 5*time.Second)
		}
		for n, s := range slots {
			want, _ := json.Marshal(n)
			if r := s.finish(); string(r.GetValue()) != string(want) {
				t.Errorf("slot %d: %q %v", n, r.GetValue(), r.outcome())
			}
		}
	}
	stats, err := w.client.Stats(t.Context(), &sandboxpb.StatsRequest{})
	if err != nil || stats.GetInstances() != 16 {
		t.Errorf("stats: %v %v", stats, err)
	}
}
