package main

import (
	"encoding/json"
	"encoding/xml"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/bulkhead-run/bulkhead/types"
)

// What init makes passes its own tests, under the default memory limit of a
// function it runs, and its types fit.
func TestInit(t *testing.T) {
	tsc, err := exec.LookPath(orText(os.Getenv("BULKHEAD_TSC"), "../../console/node_modules/.bin/tsc"))
	for _, template := range []string{"transform", "webhook", "http", "agent"} {
		for _, args := range [][]string{{}, {"--ts"}} {
			dir := filepath.Join(t.TempDir(), "my-"+template)
			made := supervise(t, "", append([]string{"init", dir, "--template", template}, args...)...)
			if made.exit != 0 || !strings.Contains(made.stdout, "supervisor dev "+dir) {
				t.Fatalf("exit %d: %s%s", made.exit, made.stdout, made.stderr)
			}
			if c := supervise(t, "", "test", dir); c.exit != 0 || !strings.Contains(c.stdout, " passed  (1 file") {
				t.Errorf("%s %v: exit %d\n%s%s", template, args, c.exit, c.stdout, c.stderr)
			}
			again := supervise(t, "", append([]string{"init", dir, "--template", template}, args...)...)
			if again.exit != 2 || !strings.Contains(again.stderr, "nothing was written") {
				t.Errorf("again: exit %d: %s", again.exit, again.stderr)
			}
			if tsc != "" && len(args) > 0 {
				if out, err := exec.Command(tsc, "--noEmit", "--skipLibCheck", "false", "-p", dir).CombinedOutput(); err != nil {
					t.Errorf("%s: %v\n%s", template, err, out)
				}
			}
		}
	}
	if err != nil {
		t.Log("types were not checked: there is no TypeScript; run npm ci in console, or name a tsc in BULKHEAD_TSC")
	}
	for args, want := range map[string]string{
		"--template=blog": `there is no "blog"`, "--name=A b": "is no function's name",
	} {
		if c := supervise(t, "", "init", t.TempDir(), args); c.exit != 2 || !strings.Contains(c.stderr, want) {
			t.Errorf("%s: exit %d: %s", args, c.exit, c.stderr)
		}
	}
}

var testProject = map[string]string{
	"f.js": "export default async (e) => { await kv.put('k', e); return (await fetch('https://a.example/' + e)).status }\n",
	"f.test.js": `import { test, describe, expect, stub, beforeEach, after } from 'bulkhead:test';
import f from './f.js';
test('stubs', async () => {
  const keys = stub.kv({ old: 1 });
  const fetched = stub('fetch', (url) => new Response(null, { status: url.endsWith('1') ? 201 : 404 }));
  expect(await f(1)).toBe(201);
  expect(keys.entries()).toEqual({ old: 1, k: 1 });
  expect(fetched.calls).toEqual([['https://a.example/1']]);
  expect(fetched).toHaveBeenCalledWith('https://a.example/1');
});
test('stubs end with their test', async () => { await expect(f(1)).rejects.toThrow('there is no stub'); });
describe('outer', () => {
  let n = 0;
  beforeEach(() => { n++; });
  describe('inner', () => {
    test('differs', () => {
      expect({ a: [1, 2], n }).toEqual({ a: [1, 3], n: 1 });
    });
    test.skip('skipped', () => { throw 1; });
    test.todo('later');
  });
  test('in time', { timeout: 20 }, () => new Promise(() => { setTimeout(() => {}, 10000); }));
});
`,
	"node.test.mjs":  "import test from 'node:test';\nimport assert from 'node:assert/strict';\ntest('node', async (t) => { await t.test('sub', () => assert.deepEqual({ a: 1 }, { a: 1 })); console.log('logged'); });\n",
	"loop.test.ts":   "import { test } from 'bulkhead:test';\ntest('before', () => {});\ntest('loops', (): void => { for (;;); });\n",
	"broken.test.ts": "import { test } from 'bulkhead:test';\ntest('x', () => { = });\n",
	"bulkhead.yaml":  "tests: {timeout: 1s}\n",
}

func TestTests(t *testing.T) {
	dir := project(t, testProject)
	var doc struct {
		Passed, Failed, Skipped, Todo int
		Files                         []jsonTests
	}
	c := supervise(t, "", "test", dir, "--json")
	if err := json.Unmarshal([]byte(c.stdout), &doc); err != nil || c.exit != 1 {
		t.Fatalf("exit %d, %v\n%s%s", c.exit, err, c.stdout, c.stderr)
	}
	if doc.Passed != 5 || doc.Failed != 4 || doc.Skipped != 1 || doc.Todo != 1 || len(doc.Files) != 4 {
		t.Errorf("%+v", doc)
	}
	for _, f := range doc.Files {
		if built := filepath.Base(f.File) != "broken.test.ts"; (f.Receipt != nil) != built || built && (f.Receipt.Invocation == "" || f.Receipt.Memory == 0) {
			t.Errorf("the receipt of %s: %+v", f.File, f.Receipt)
		}
	}
	found := map[string]testEntry{}
	for _, f := range doc.Files {
		for _, e := range f.Tests {
			found[filepath.Base(f.File)+" "+strings.Join(e.Path, " > ")] = e
		}
	}
	for name, want := range map[string]string{
		"f.test.js outer > inner > differs": "AssertionError: expected",
		"f.test.js outer > in time":         "TimeoutError: it did not end within 20 ms",
		"loop.test.ts loops":                "it ran past its timeout of 1s",
		"broken.test.ts (loading)":          "the file cannot be built",
	} {
		if e := found[name]; e.Outcome != "failed" || e.Error == nil || !strings.Contains(e.Error.String(), want) {
			t.Errorf("%s: %+v %+v", name, e, e.Error)
		}
	}
	if e := found["f.test.js outer > inner > differs"]; e.Error != nil {
		if !strings.Contains(e.Error.Stack, "f.test.js:17:") || strings.Contains(e.Error.Stack, "bulkhead:") || e.Error.Expected == nil || !slices.Contains(diffLines(e.Error), "-     3,") {
			t.Errorf("%+v %q", e.Error, diffLines(e.Error))
		}
	}
	if p := found["broken.test.ts (loading)"].Error.Problems; len(p) != 1 || p[0].Line != 2 {
		t.Errorf("%+v", p)
	}

	if c := supervise(t, "", "test", dir, "--filter", "stubs|node", "--reporter", "spec", filepath.Join(dir, "f.test.js")); c.exit != 1 {
		t.Errorf("exit %d\n%s%s", c.exit, c.stdout, c.stderr) // the broken file is one of them
	}
	c = supervise(t, "", "test", filepath.Join(dir, "f.test.js"), filepath.Join(dir, "node.test.mjs"), "--filter", "^(stubs|node)")
	if c.exit != 0 || !strings.Contains(c.stdout, "\n4 passed  (2 files") || !strings.Contains(c.stdout, "[info] logged") {
		t.Errorf("exit %d\n%s%s", c.exit, c.stdout, c.stderr)
	}

	c = supervise(t, "", "test", filepath.Join(dir, "f.test.js"), "--reporter", "tap")
	if c.exit != 1 || !strings.HasPrefix(c.stdout, "TAP version 14\n") || !strings.Contains(c.stdout, "not ok 3 - outer > inner > differs\n  ---\n") || !strings.Contains(c.stdout, "ok 4 - outer > inner > skipped # SKIP") || !strings.HasSuffix(c.stdout, "1..6\n") {
		t.Errorf("exit %d\n%s", c.exit, c.stdout)
	}
	c = supervise(t, "", "test", filepath.Join(dir, "f.test.js"), "--reporter", "junit")
	var suites struct {
		Failures int          `xml:"failures,attr"`
		Suites   []junitSuite `xml:"testsuite"`
	}
	if err := xml.Unmarshal([]byte(c.stdout), &suites); err != nil || suites.Failures != 2 || len(suites.Suites) != 1 || suites.Suites[0].Tests != 6 {
		t.Errorf("%v %+v\n%s", err, suites, c.stdout)
	}
}

// With --real the platform APIs are there, under the project's policy.
func TestTestsReal(t *testing.T) {
	dir := project(t, map[string]string{
		"bulkhead.yaml": "policy: data\nenv: {REGION: eu}\n",
		"a.test.js": `import { test, expect } from 'bulkhead:test';
test('keys', async () => { await kv.put('k', env.get('REGION')); expect(await kv.get('k')).toBe('eu'); });
test('denied', async () => { await expect(fetch('https://a.example/')).rejects.toThrow('denied by policy'); });
`,
	})
	if c := supervise(t, "", "test", dir, "--real"); c.exit != 0 || !strings.Contains(c.stdout, "2 passed") {
		t.Errorf("exit %d\n%s%s", c.exit, c.stdout, c.stderr)
	}
	if c := supervise(t, "", "test", dir); c.exit != 1 || !strings.Contains(c.stdout, "env.get was called, and there is no stub") && !strings.Contains(c.stdout, "kv.put was called, and there is no stub") {
		t.Errorf("exit %d\n%s%s", c.exit, c.stdout, c.stderr)
	}
	empty := t.TempDir()
	if c := supervise(t, "", "test", empty); c.exit != 2 || !strings.Contains(c.stderr, "there are no tests in") {
		t.Errorf("exit %d: %s", c.exit, c.stderr)
	}
	if c := supervise(t, "", "run", write(t, "f.js", "import 'bulkhead:test';\nexport default () => 1\n")); c.exit != 2 || !strings.Contains(c.stderr, "bulkhead:test is there for tests only") {
		t.Errorf("exit %d: %s", c.exit, c.stderr)
	}
}

var (
	declaredConst  = regexp.MustCompile(`(?m)^declare const (\w+): Bulkhead\.(\w+);`)
	declaredFunc   = regexp.MustCompile(`(?m)^declare function (\w+)`)
	declaredMember = regexp.MustCompile(`(?m)^    (\w+)[<(]`)
)

// Every platform API is declared, and nothing else is.
func TestTypesDeclareEveryAPI(t *testing.T) {
	declared := []string{"fetch"} // which TypeScript's own library declares
	for _, m := range declaredFunc.FindAllStringSubmatch(types.Functions, -1) {
		declared = append(declared, m[1])
	}
	for _, m := range declaredConst.FindAllStringSubmatch(types.Functions, -1) {
		_, body, found := strings.Cut(types.Functions, "\n  interface "+m[2]+" ")
		body, _, _ = strings.Cut(body, "\n  }\n")
		if !found {
			t.Fatalf("there is no interface %s", m[2])
		}
		for _, member := range declaredMember.FindAllStringSubmatch(body, -1) {
			declared = append(declared, m[1]+"."+member[1])
		}
	}
	var doc struct{ APIs []apiDocument }
	c := supervise(t, "", "apis", "--json")
	if err := json.Unmarshal([]byte(c.stdout), &doc); err != nil || c.exit != 0 {
		t.Fatal(err, c.stderr)
	}
	var there []string
	for _, api := range doc.APIs {
		there = append(there, api.Name)
	}
	slices.Sort(declared)
	slices.Sort(there)
	if !slices.Equal(declared, there) {
		t.Errorf("declared %v\nthere are %v", declared, there)
	}
}

// An operator's own APIs are declared from their schemas.
func TestTypesOfOwnAPIs(t *testing.T) {
	conf := write(t, "bulkhead.yaml", `
apis:
  http:
    - name: crm.lookup
      doc: "finds a customer */ declare const x: 1"
      url: http://127.0.0.1:9/
      arguments:
        prefixItems: [{type: object, properties: {email: {type: string}, "a-b": {enum: [x, 1]}}, required: [email], additionalProperties: false}]
        minItems: 1
        maxItems: 1
      result: {type: [array, "null"], items: {type: integer}}
    - {name: ping, url: "http://127.0.0.1:9/"}
`)
	c := supervise(t, "", "apis", "--config", conf, "--types")
	for _, want := range []string{
		"declare const crm: {\n  /** finds a customer * / declare const x: 1 */\n  lookup(argument: {\n  \"a-b\"?: \"x\" | 1;\n  email: string;\n}): Promise<number[] | null>;\n};\n",
		"declare function ping(...args: any[]): Promise<any>;\n", "declare const kv: Bulkhead.KV;", "declare module 'bulkhead:test'",
	} {
		if c.exit != 0 || !strings.Contains(c.stdout, want) {
			t.Errorf("exit %d, no %q in\n%s%s", c.exit, want, c.stdout[max(0, len(c.stdout)-600):], c.stderr)
		}
	}
}
