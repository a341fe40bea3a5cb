package bundle_test

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/bulkhead-run/bulkhead/bundle"
	"github.com/bulkhead-run/bulkhead/internal/outcome"
)

// Stacks name functions, files, lines and columns of what the user wrote.
func TestStacks(t *testing.T) {
	for _, tt := range []struct {
		name, entry, files string
		stack              []string // its first frames
		cause              []string // the first frames of its cause
	}{
		{"typescript", "src/handler.ts", `
-- package.json --
{}
-- src/handler.ts --
interface Event { name: string }

function inner(event: Event): never {
  throw new Error('no ' + event.name);
}

export default async function handler(event: Event): Promise<void> {
  inner(event);
}
`, []string{"at inner (src/handler.ts:4:", "at handler (src/handler.ts:8:"}, nil},
		{"expression", "f.ts", `
-- f.ts --
async (event: { n: number }): Promise<number> => { throw new TypeError('first line'); }
`, []string{"(f.ts:1:"}, nil},
		{"expression on several lines", "f.ts", `
-- f.ts --
// A comment.
(event: { n: number }): number => {
  const check = (n: number): never => {
    throw new RangeError('bad');
  };
  return check(event.n);
};
`, []string{"at check (f.ts:4:", "(f.ts:6:"}, nil},
		{"tsx and two files", "f.tsx", `
-- f.tsx --
import { render } from './lib/render';

export default function page() {
  return render(<b>x</b>);
}
-- lib/render.tsx --
export type Node = { tag: string };

export const React = {
  createElement(tag: string): Node { return { tag } },
};

(globalThis as any).React = React;

export function render(node: Node): string {

  throw new Error(node.tag);
}
`, []string{"at render (lib/render.tsx:11:", "at page (f.tsx:4:"}, nil},
		{"packages", "f.ts", `
-- f.ts --
import parse from 'parser';
import { load } from 'loader';
export default function main() { load(() => parse('{')); }
-- node_modules/parser/index.js --
'use strict';
module.exports = function parse(text) {
  const e = new SyntaxError('bad ' + text);
  throw e;
};
-- node_modules/loader/package.json --
{"type":"module"}
-- node_modules/loader/index.js --
export function load(f) {
  return f();
}
`, []string{"at parse (node_modules/parser/index.js:3:", "(f.ts:3:", "at load (node_modules/loader/index.js:2:", "at main (f.ts:3:"}, nil},
		{"causes", "f.ts", `
-- f.ts --
class Failure extends Error {
  override name = 'Failure';
}

function low(): never {
  throw new Error('low');
}

export default async () => {
  try {
    low();
  } catch (e) {
    throw new Failure('high', { cause: e });
  }
};
`, []string{"at Failure (f.ts:", "(f.ts:13:"}, []string{"at low (f.ts:6:", "(f.ts:11:"}},
		{"top level", "f.ts", `
-- f.ts --
const limit: number = 10;


export default () => { limit.toFixed(-1) };
`, []string{"at toFixed (", "(f.ts:4:"}, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			dir := write(t, tt.files)
			for _, minify := range []bool{false, true} {
				r := build(t, filepath.Join(dir, tt.entry), bundle.Options{Minify: minify})
				_, e := run(t, r, `{"n":1,"name":"x"}`)
				if e == nil || e.Exception == nil {
					t.Fatalf("minify %v: no exception: %v", minify, e)
				}
				wantFrames(t, minify, e.Exception, tt.stack)
				if tt.cause != nil {
					if e.Exception.Cause == nil {
						t.Fatalf("no cause: %+v", e.Exception)
					}
					wantFrames(t, minify, e.Exception.Cause, tt.cause)
				}
			}
		})
	}
}

// wantFrames compares the first frames of a stack. Of code that was minified,
// all in one line, the engine knows columns only roughly: there the files are
// compared.
func wantFrames(t *testing.T, minify bool, e *outcome.Thrown, want []string) {
	t.Helper()
	frames := strings.Split(e.Stack, "\n")
	for i, w := range want {
		if minify {
			_, place, _ := strings.Cut(w, "(")
			if file, _, _ := strings.Cut(place, ":"); !strings.Contains(e.Stack, "("+file) {
				t.Errorf("minified: no frame in %q:\n%s\n%s", file, e, e.Stack)
			}
		} else if i >= len(frames) || !strings.Contains(frames[i], w) {
			t.Errorf("frame %d is not %q:\n%s\n%s", i, w, e, e.Stack)
		}
	}
}

// What is wrong at the top level is told by place as well.
func TestLoadProblems(t *testing.T) {
	dir := write(t, `
-- f.ts --
import { table } from './table';
export default () => table;
-- table.ts --
const names: string[] | undefined = undefined;

export const table = (() => { throw new TypeError('no table: ' + names) })();
`)
	_, e := run(t, build(t, filepath.Join(dir, "f.ts"), bundle.Options{}), "null")
	if e == nil || len(e.Problems) != 1 {
		t.Fatalf("%+v", e)
	}
	if p := e.Problems[0]; p.File != "table.ts" || p.Line != 3 || p.Column == 0 || !strings.HasPrefix(p.String(), "table.ts:3:") {
		t.Errorf("%+v: %s", p, p)
	}
}
