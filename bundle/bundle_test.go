package bundle_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/bulkhead-run/bulkhead/bundle"
)

// Everything here is bundled and run in the real sandbox.
func TestRuns(t *testing.T) {
	for _, tt := range []struct{ name, entry, files, want string }{
		{"typescript", "f.ts", `
-- f.ts --
enum Level { Low = 1, High = 5 }
interface Event { n: number }
class Box<T> { constructor(private readonly value: T) {} get(): T { return this.value } }
export default async (event: Event): Promise<unknown> => [new Box(event.n).get(), Level.High, event satisfies Event] as const;
`, `[41,5,{"n":41}]`},
		{"expression in typescript", "f.ts", `
-- f.ts --
async (event: { n: number }): Promise<number> => {
  return event.n + 1;
};
`, `42`},
		{"nameless function in typescript", "f.mts", "\n-- f.mts --\nfunction (event: { n: number }) { return event.n }\n", `41`},
		{"fetch handler", "f.ts", `
-- f.ts --
export default { async fetch(request: Request): Promise<Response> { return new Response('hi', { status: 201 }) } };
`, ``},
		{"decorators and using", "f.ts", `
-- f.ts --
function twice(f: any, _: any) { return function (this: any, n: number) { return 2 * f.call(this, n) } }
class A { @twice f(n: number) { return n } }
const log: string[] = [];
export default () => {
  { using x = { [Symbol.dispose ?? Symbol.for('Symbol.dispose')]() { log.push('disposed') } }; log.push('used'); }
  return [new A().f(4), log];
};
`, `[8,["used","disposed"]]`},
		{"tsx", "f.tsx", `
-- f.tsx --
const h = (tag: string, props: object | null, ...children: string[]) => '<' + tag + '>' + children.join('') + '</' + tag + '>';
const React = { createElement: h };
export default ({ n }: { n: number }) => <b>n is {String(n)}</b>;
`, `"<b>n is 41</b>"`},
		{"jsx", "f.jsx", `
-- f.jsx --
/** @jsx h */
const h = (tag, props, ...children) => ({ tag, props, children });
export default () => <a href="/x">y</a>;
`, `{"tag":"a","props":{"href":"/x"},"children":["y"]}`},
		{"tsconfig paths and jsx", "src/f.tsx", `
-- package.json --
{}
-- tsconfig.json --
{"compilerOptions":{"jsx":"react-jsx","jsxImportSource":"tiny","paths":{"@/*":["./src/*"]}}}
-- src/f.tsx --
import { name } from '@/name';
export default () => <i>{name}</i>;
-- src/name.ts --
export const name = 'ada';
-- node_modules/tiny/jsx-runtime.js --
export const jsx = (tag, props) => [tag, props.children];
`, `["i","ada"]`},
		{"cjs entry", "f.cjs", `
-- f.cjs --
const { add } = require('./add.cjs');
module.exports = (event) => add(event.n, 1);
-- add.cjs --
exports.add = (a, b) => a + b;
`, `42`},
		{"plain javascript that imports", "f.js", `
-- f.js --
import { add } from './add.js';
export default (event) => add(event.n, 1);
-- add.js --
export const add = (a, b) => a + b;
`, `42`},
		{"named like the output", "bundle.js", `
-- bundle.js --
import './bundle.js.map.js';
export default () => 'mine';
-- bundle.js.map.js --
`, `"mine"`},
		{"json and text", "f.js", `
-- f.js --
import data, { list } from './data.json';
import note from './note.txt';
import page from './page.html';
export default () => [data.a, list, note, page];
-- data.json --
{"a": 1, "list": [2]}
-- note.txt --
It's "text"
-- page.html --
<p>
`, `[1,[2],"It's \"text\"\n","<p>\n"]`},
		{"esm package", "f.ts", `
-- f.ts --
import greet, { other } from 'greeter';
import deep from 'greeter/deep';
export default () => [greet('a'), other, deep];
-- node_modules/greeter/package.json --
{"name":"greeter","type":"module","exports":{".":"./lib/index.js","./deep":"./lib/deep.js"}}
-- node_modules/greeter/lib/index.js --
export default (name) => 'hello ' + name;
export const other = 1;
-- node_modules/greeter/lib/deep.js --
export default 'deep';
`, `["hello a",1,"deep"]`},
		{"cjs package, a function", "f.ts", `
-- f.ts --
import once from 'fn';
import * as all from 'fn';
const again = require('fn');
export default () => [once(2), again === once, all.tag];
-- node_modules/fn/package.json --
{"name":"fn","main":"index"}
-- node_modules/fn/index.js --
module.exports = function (n) { return n * 2 };
module.exports.tag = 'tag';
`, `[4,true,"tag"]`},
		{"cjs compiled from esm", "f.ts", `
-- f.ts --
import it, { named } from 'compiled';
export default () => [it, named];
-- node_modules/compiled/index.js --
"use strict";
Object.defineProperty(exports, "__esModule", { value: true });
exports.default = 'default';
exports.named = 'named';
`, `["default","named"]`},
		{"conditions", "f.ts", `
-- f.ts --
import a from 'dual';
import b from 'workers';
import c from 'browserfield';
const d = require('dual');
export default () => [a, b, c, d];
-- node_modules/dual/package.json --
{"name":"dual","exports":{"node":"./node.js","import":"./esm.mjs","require":"./cjs.cjs"}}
-- node_modules/dual/node.js --
throw new Error('not Node');
-- node_modules/dual/esm.mjs --
export default 'esm';
-- node_modules/dual/cjs.cjs --
module.exports = 'cjs';
-- node_modules/workers/package.json --
{"name":"workers","exports":{".":{"node":"./node.js","worker":"./worker.js","default":"./node.js"}}}
-- node_modules/workers/node.js --
export default 'node';
-- node_modules/workers/worker.js --
export default 'worker';
-- node_modules/browserfield/package.json --
{"name":"browserfield","main":"main.js","browser":{"./crypto.js":"./web.js","fs":false,"events":"./own.js"}}
-- node_modules/browserfield/main.js --
module.exports = [require('./crypto.js'), typeof require('fs').readFile, require('events')];
-- node_modules/browserfield/crypto.js --
module.exports = require('crypto');
-- node_modules/browserfield/web.js --
module.exports = 'web';
-- node_modules/browserfield/own.js --
module.exports = 'own events';
`, `["esm","worker",["web","undefined","own events"],"cjs"]`},
		{"typescript in a package", "f.ts", `
-- f.ts --
import { twice } from 'source';
export default () => twice(4);
-- node_modules/source/package.json --
{"name":"source","main":"src/index.ts"}
-- node_modules/source/src/index.ts --
export const twice = (n: number): number => n * 2;
`, `8`},
		{"circular requires", "f.ts", `
-- f.ts --
import a from 'circle';
export default () => a.both();
-- node_modules/circle/index.js --
exports.name = 'a';
const b = require('./b');
exports.both = () => [exports.name, b.name, b.other()];
-- node_modules/circle/b.js --
const a = require('./index');
exports.name = 'b';
exports.other = () => a.name;
`, `["a","b","a"]`},
		{"circular modules", "f.ts", `
-- f.ts --
import { even } from './even';
export default (e: { n: number }) => [even(e.n), even(4)];
-- even.ts --
import { odd } from './odd';
export const even = (n: number): boolean => n === 0 || odd(n - 1);
-- odd.ts --
import { even } from './even';
export const odd = (n: number): boolean => n !== 0 && even(n - 1);
`, `[false,true]`},
		{"scoped package, optional require, dynamic import", "f.ts", `
-- f.ts --
import x from '@scope/pkg/sub';
export default async () => [x, (await import('./later')).value];
-- later.ts --
export const value = 'later';
-- node_modules/@scope/pkg/sub.js --
let native = 'none';
try { native = require('@scope/native') } catch {}
try { native = require('fs') } catch {}
module.exports = native;
`, `["none","later"]`},
		{"folder, main", ".", "\n-- package.json --\n{\"main\":\"lib/f.js\"}\n-- lib/f.js --\nexport default () => 'main';\n", `"main"`},
		{"folder, exports", ".", `
-- package.json --
{"exports":{".":{"types":"./x.d.ts","import":"./f.mjs"}}}
-- f.mjs --
export default () => 'exports';
`, `"exports"`},
		{"folder, main is not built", ".", "\n-- package.json --\n{\"main\":\"dist/index.js\"}\n-- src/index.ts --\nexport default (): string => 'src';\n", `"src"`},
		{"folder, index.js", ".", "\n-- package.json --\n{}\n-- index.js --\nexport default () => 'index';\n", `"index"`},
		{"what Node has as globals", "f.ts", `
-- f.ts --
export default async () => {
  const order: string[] = [];
  process.nextTick(() => order.push('tick'));
  await new Promise((done) => setImmediate(done));
  return [process.env.NODE_ENV, process.env.HOME ?? null, global === globalThis, Buffer.from('hi').toString('hex'), order, process.versions.node ?? null];
};
`, `["production",null,true,"6869",["tick"],null]`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			for _, minify := range []bool{false, true} {
				r := build(t, filepath.Join(write(t, tt.files), tt.entry), bundle.Options{Minify: minify})
				if len(r.Warnings) > 0 {
					t.Errorf("warnings %v", r.Warnings)
				}
				got, e := run(t, r, `{"n":41}`)
				if e != nil {
					t.Fatalf("minify %v: %v %+v\n%s", minify, e, e.Exception, r.Code)
				}
				if tt.want != "" && string(got) != tt.want {
					t.Errorf("minify %v: got %s, want %s", minify, got, tt.want)
				}
			}
		})
	}
}

// A plain file that imports nothing is sent as it is.
func TestPlain(t *testing.T) {
	for name, code := range map[string]string{
		"expression": "async (event) => event\n",
		"module":     "export default function (event) { return event }\n",
		"script":     "let n = 0; // require nothing\n() => ++n\n",
		"fetch":      "export default { fetch: () => new Response('') }; // import\n",
		"re-export":  "const f = () => 1;\nexport { f as default };\n",
		"own names":  "const importer = 1, required = 2;\nexport default () => importer + required\n",
		"broken":     "() => {",
	} {
		for _, ext := range []string{".js", ".mjs"} {
			path := filepath.Join(write(t, "-- f"+ext+" --\n"+code), "f"+ext)
			r := build(t, path, bundle.Options{})
			if r.Code != code || r.SourceMap != "" || len(r.Inputs) > 0 {
				t.Errorf("%s: %+v", name, r)
			}
		}
	}
}

func TestWhatIsLeftOut(t *testing.T) {
	dir := write(t, `
-- f.ts --
import { used } from 'lib';
export default () => used;
-- node_modules/lib/package.json --
{"name":"lib","sideEffects":false,"type":"module"}
-- node_modules/lib/index.js --
export const used = 'the used part';
export const unused = 'the unused part';
export { large } from './large.js';
-- node_modules/lib/large.js --
export const large = 'the large part';
`)
	r := build(t, filepath.Join(dir, "f.ts"), bundle.Options{})
	if !strings.Contains(r.Code, "the used part") || strings.Contains(r.Code, "the unused part") || strings.Contains(r.Code, "the large part") {
		t.Errorf("%s", r.Code)
	}
	if strings.Contains(r.Code, "bulkhead") || strings.Contains(r.Code, "sourceMappingURL") {
		t.Errorf("what nobody uses is in it:\n%s", r.Code)
	}
	var paths []string
	for _, in := range r.Inputs {
		paths = append(paths, in.Path)
		if in.Bytes <= 0 {
			t.Errorf("%+v", in)
		}
	}
	if got := strings.Join(paths, " "); got != "node_modules/lib/index.js f.ts" && got != "f.ts node_modules/lib/index.js" {
		t.Errorf("inputs %s", got)
	}
	if strings.Contains(r.SourceMap, "the unused part") || !strings.Contains(r.SourceMap, "import { used }") {
		t.Errorf("the map's contents: %s", r.SourceMap)
	}
	small := build(t, filepath.Join(dir, "f.ts"), bundle.Options{Minify: true})
	if len(small.Code) >= len(r.Code) {
		t.Errorf("minified %d bytes, otherwise %d", len(small.Code), len(r.Code))
	}
}

func TestFaults(t *testing.T) {
	for _, tt := range []struct {
		name, entry, files string
		want               []string // each is part of a line
	}{
		{"no file", "f.ts", "", []string{"f.ts: no such file"}},
		{"kind of file", "f.py", "-- f.py --\n1\n", []string{`".py" file`, ".tsx"}},
		{"folder without package.json", ".", "-- f.ts --\n1\n", []string{"without a package.json"}},
		{"package.json", ".", "-- package.json --\n{\n", []string{"package.json: unexpected end"}},
		{"folder without entry", ".", "-- package.json --\n{}\n", []string{"it has no entry"}},
		{"main is missing", ".", "-- package.json --\n{\"main\":\"dist/x.js\"}\n", []string{"dist/x.js", "is it built yet?"}},
		{"syntax", "f.ts", "-- f.ts --\nexport default () => {\n  const x: number = = 3;\n}\n", []string{"f.ts:2:21: Unexpected \"=\""}},
		{"syntax elsewhere", "f.ts", "-- f.ts --\nimport './lib/b';\nexport default () => 1;\n-- lib/b.ts --\nlet é = 1; let é;\n", []string{"lib/b.ts:1:16: The symbol"}},
		{"no default export", "f.ts", "-- f.ts --\nexport const handler = () => 1;\n", []string{"f.ts: it has no default export"}},
		{"script in typescript", "f.ts", "-- f.ts --\nlet n: number = 0;\n() => n;\n", []string{"no default export"}},
		{"no such export", "f.ts", "-- f.ts --\nimport { b } from './a';\nexport default () => b;\n-- a.ts --\nexport const a = 1;\n", []string{"f.ts:1:10: No matching export"}},
		{"package is not installed", "f.ts", "-- f.ts --\nimport z from '@a/b/c';\nexport default z;\n", []string{"f.ts:1:15: cannot find \"@a/b/c\"", "npm install @a/b"}},
		{"no such file to import", "f.ts", "-- f.ts --\nimport z from './z';\nexport default z;\n", []string{"f.ts:1:15: cannot find \"./z\""}},
		{"built-ins", "f.ts", `
-- f.ts --
import fs from 'node:fs';
import net from 'net';
import 'user';
export default () => [fs, net];
-- node_modules/user/index.js --
require('child_process').exec('ls');
require('http');
`, []string{
			"f.ts:1:16: node:fs, a built-in module of Node", "there is no file system (f.ts imports it)",
			"f.ts:2:17: net, a built-in", "there are no sockets",
			"node_modules/user/index.js:1:9: child_process, a built-in", "(the package user imports it)",
			"use fetch",
		}},
		{"unknown built-in", "f.ts", "-- f.ts --\nimport x from 'node:quantum';\nexport default x;\n", []string{"node:quantum, a built-in"}},
		{"engine's modules", "f.js", "-- f.js --\nimport * as os from 'qjs:os';\nexport default os;\n", []string{"qjs:os cannot be imported"}},
		{"url", "f.js", "-- f.js --\nimport x from 'https://example.com/x.js';\nexport default x;\n", []string{"f.js:1:15: https://example.com/x.js cannot be imported: nothing is fetched"}},
		{"data url", "f.js", "-- f.js --\nimport x from 'data:text/javascript,export default 1';\nexport default x;\n", []string{"cannot be imported: a data: URL"}},
		{"another runtime", "f.js", "-- f.js --\nimport x from 'cloudflare:sockets';\nexport default x;\n", []string{"another runtime"}},
		{"wasm", "f.js", "-- f.js --\nimport x from './x.wasm';\nexport default x;\n-- x.wasm --\nx\n", []string{"No loader is configured"}},
		{"broken json", "f.js", "-- f.js --\nimport x from './x.json';\nexport default x;\n-- x.json --\n{\"a\": }\n", []string{"x.json:1:7"}},
		{"brackets in the entry", "f.ts", "-- f.ts --\nexport default " + strings.Repeat("(", 300_000) + "\n", []string{"f.ts: its brackets", "(line 1)"}},
		{"brackets elsewhere", "f.ts", "-- f.ts --\nimport x from './x.json';\nexport default x;\n-- x.json --\n\n" + strings.Repeat("[", 300_000) + "\n", []string{"nest more than 2000 deep (line 2)"}},
		{"operators", "f.ts", "-- f.ts --\nexport default " + strings.Repeat("! ", 300_000) + "1\n", []string{"nest more than"}},
		{"large file", "f.ts", "-- f.ts --\n//" + strings.Repeat("x", 9<<20) + "\n", []string{"larger than 8 MiB"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := bundle.Build(t.Context(), filepath.Join(write(t, tt.files), tt.entry), bundle.Options{})
			var e *bundle.Error
			if !errors.As(err, &e) {
				t.Fatalf("error %v", err)
			}
			for _, want := range tt.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("%q is not in:\n%v", want, err)
				}
			}
			if strings.Contains(err.Error(), "external") || strings.Contains(err.Error(), "Platform") {
				t.Errorf("advice that does not fit:\n%v", err)
			}
		})
	}
}

func TestExcerpt(t *testing.T) {
	for code, want := range map[string]string{
		"export default () => {\n\treturn 'é' +;\n}\n":               "f.ts:2:14|\treturn 'é' +;",
		"async (e: any) => {\n  return await import('./gone');\n}\n": "f.ts:2:23|  return await import('./gone');",
	} {
		_, err := bundle.Build(t.Context(), filepath.Join(write(t, "-- f.ts --\n"+code), "f.ts"), bundle.Options{})
		var e *bundle.Error
		if !errors.As(err, &e) || len(e.Messages) == 0 {
			t.Fatalf("error %v", err)
		}
		m := e.Messages[0]
		if got := strings.TrimSuffix(m.String(), ": "+m.Text) + "|" + m.Excerpt; got != want {
			t.Errorf("got %q, want %q (%s)", got, want, m.Text)
		}
	}
}

func TestCanceled(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	path := filepath.Join(write(t, "-- f.ts --\nexport default () => 1\n"), "f.ts")
	if _, err := bundle.Build(ctx, path, bundle.Options{}); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v", err)
	}
}

// Bundling leaves nothing in the user's folder.
func TestWritesNothing(t *testing.T) {
	dir := write(t, "-- f.ts --\nexport default () => 1\n")
	build(t, filepath.Join(dir, "f.ts"), bundle.Options{})
	if files, err := os.ReadDir(dir); err != nil || len(files) != 1 {
		t.Errorf("%v, %v", files, err)
	}
}

func TestExample(t *testing.T) {
	r := build(t, "../examples/orders", bundle.Options{})
	got, e := run(t, r, `{"currency":"EUR","items":[{"sku":"tea","price":4.2,"count":3},{"sku":"x","price":1,"count":1}]}`)
	if want := `{"total":13.6,"invoice":"3 x Green tea, 100 g: 12.60\n1 x x: 1.00\nTotal: 13.60 EUR\n"}`; e != nil || string(got) != want {
		t.Errorf("got %s, want %s; %v", got, want, e)
	}
	if _, e := run(t, r, `{"items":[]}`); e == nil || e.Exception == nil || !strings.Contains(e.Exception.Stack, "at total (src/total.ts:11:") {
		t.Errorf("%+v", e)
	}
}
