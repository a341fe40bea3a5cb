package sandbox_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/bulkhead-run/bulkhead/internal/outcome"
	"github.com/bulkhead-run/bulkhead/ipc/sandboxpb"
)

// generator writes a small program that always ends, from bytes that decide
// every choice.
type generator struct {
	choices []byte
	vars    int
}

func (g *generator) pick(n int) int {
	if len(g.choices) == 0 {
		return 0
	}
	c := int(g.choices[0])
	g.choices = g.choices[1:]
	return c % n
}

func (g *generator) variable() string {
	if g.vars == 0 {
		return "7"
	}
	return fmt.Sprintf("v%d", g.pick(g.vars))
}

func (g *generator) expr(depth int) string {
	if depth == 0 {
		switch g.pick(6) {
		case 0:
			return fmt.Sprint(g.pick(256) - 128)
		case 1:
			return fmt.Sprintf("'s%dé\\u{1F600}'", g.pick(9))
		case 2:
			return []string{"null", "undefined", "true", "NaN", "-0", "1e21", "0.1", "[]", "({})", "10n"}[g.pick(10)]
		default:
			return g.variable()
		}
	}
	a, b := g.expr(depth-1), g.expr(depth-1)
	forms := []string{
		"num(%[1]s) + num(%[2]s)", "num(%[1]s) * num(%[2]s)", "num(%[1]s) %% (num(%[2]s) | 1)", "num(%[1]s) >>> (num(%[2]s) & 31)", "num(%[1]s) ** 2",
		"text(%[1]s) + text(%[2]s)", "text(%[1]s).slice(num(%[2]s) %% 9)", "text(%[1]s).split('').reverse().join('-')", "text(%[1]s).toUpperCase().padEnd(9, 'xy')",
		"text(%[1]s).replace(/([a-z])(\\d?)/gu, '$2<$1>')", "text(%[1]s).match(/(?<d>\\d+)|./)?.groups?.d", "/^(?:s|\\d|-)+/.exec(text(%[1]s))?.[0]", "text(%[1]s).localeCompare(text(%[2]s))",
		"[%[1]s, %[2]s, ...list(%[1]s)]", "list(%[1]s).map((x, i) => text(x) + i)", "list(%[1]s).concat(list(%[2]s)).sort()", "list(%[1]s).toSorted((x, y) => num(x) - num(y))", "list(%[1]s).reduce((x, y) => x + num(y), 0)", "list(%[1]s).slice(0, 5).fill(%[2]s)", "list(%[1]s).splice(1, 2, %[2]s)", "list(%[1]s).flat().length",
		"({ a: %[1]s, [text(%[2]s)]: 1 })", "Object.entries(Object(%[1]s)).length", "({ ...Object(%[1]s), z: %[2]s })", "[...new Map([[%[1]s, %[2]s], ['k', 1]]).entries()]", "[...new Set(list(%[1]s))]", "new Map([[1, %[1]s]]).get(1)",
		"((x) => (y) => [x, y, x === y])(%[1]s)(%[2]s)", "attempt(() => JSON.parse(JSON.stringify(%[1]s)))", "attempt(() => (%[1]s).a.b)", "attempt(() => { throw %[2]s })", "attempt(() => BigInt(%[1]s) * 3n + 1n)",
		"typeof %[1]s", "(%[1]s) ?? (%[2]s)", "Object.is(%[1]s, %[2]s)", "[...(function* () { yield %[1]s; yield* list(%[2]s) })()]", "new (class { #p = %[1]s; get p() { return this.#p } })().p", "structure(%[1]s)",
		"new Date(num(%[1]s) * 1e9).toISOString()", "parseFloat(text(%[1]s))", "num(%[1]s).toString(2 + (num(%[2]s) & 15))", "[...Uint8Array.from(list(%[1]s).map(num))]", "new Float64Array([num(%[1]s)]).buffer.byteLength", "Symbol(text(%[1]s)).description",
	}
	return "(" + fmt.Sprintf(forms[g.pick(len(forms))], a, b) + ")"
}

func (g *generator) program() string {
	var body strings.Builder
	for range 2 + g.pick(8) {
		e := g.expr(1 + g.pick(3))
		switch g.pick(5) {
		case 0:
			fmt.Fprintf(&body, "\tlet v%d = []; for (let i = 0; i < %d; i++) v%[1]d.push(%[3]s);\n", g.vars, g.pick(60), e)
		case 1:
			fmt.Fprintf(&body, "\tlet v%d; try { v%[1]d = %s; if (%s) throw new RangeError('r') } catch (e) { v%[1]d = text(e) } finally { out.push('f') }\n", g.vars, e, g.variable())
		case 2:
			fmt.Fprintf(&body, "\tlet v%d = await Promise.all([%s, Promise.resolve(1)]).then((p) => p[0]);\n", g.vars, e)
		default:
			fmt.Fprintf(&body, "\tlet v%d = %s;\n", g.vars, e)
		}
		g.vars++
		fmt.Fprintf(&body, "\tout.push(structure(v%d));\n", g.vars-1)
	}
	return `async () => {
	const num = (x) => { try { const n = Number(x); return Number.isFinite(n) ? Math.max(-1e6, Math.min(1e6, n)) : 3 } catch { return 5 } };
	const text = (x) => { try { return String(x).slice(0, 200) } catch (e) { return 'text ' + e } };
	const list = (x) => Array.isArray(x) ? x.slice(0, 40) : [x];
	const attempt = (f) => { try { return f() } catch (e) { return text(e) } };
	const structure = (x, d = 0) => d > 4 ? '...' : typeof x === 'bigint' ? x + 'n' : Object.is(x, -0) ? '-0' : typeof x === 'number' ? text(x) : Array.isArray(x) ? x.slice(0, 30).map((y) => structure(y, d + 1)) : x && typeof x === 'object' ? Object.entries(x).slice(0, 30).map((y) => structure(y, d + 1)) : text(x);
	const out = [];
` + body.String() + "\treturn JSON.stringify(out).slice(0, 1e5);\n}"
}

// FuzzFreshEqualsWarm runs programs in an instance that has run nothing, in
// one that was restored after it has, and in one that keeps its state: what
// comes out is the same.
func FuzzFreshEqualsWarm(f *testing.F) {
	for n := range 40 {
		seed := make([]byte, 120)
		for i := range seed {
			seed[i] = byte((n + 1) * (i + 3) * 2654435761 >> 7)
		}
		f.Add(seed)
	}
	w := newWorld(f)
	f.Fuzz(func(t *testing.T, choices []byte) {
		source := (&generator{choices: choices[:min(len(choices), 400)]}).program()
		w.t = t
		fresh, warm := request("fresh", source), request("warm", source)
		fresh.Memory, warm.Memory, warm.Warm = 16<<20, 16<<20, true
		s := w.slot()
		var first run
		for n, r := range []*sandboxpb.LoadRequest{fresh, fresh, fresh, warm, warm} {
			if n == 0 || n == 3 {
				w.mustLoad(r)
			}
			got := s.invoke(r.GetVersion(), `{}`)
			if got.outcome() != outcome.OK {
				t.Fatalf("run %d (%s): %v\n%s", n, r.GetVersion(), got.Result, source)
			}
			if n == 0 {
				first = got
			} else if string(got.GetValue()) != string(first.GetValue()) {
				t.Fatalf("run %d (%s) gives\n%s\nthe first gave\n%s\n%s", n, r.GetVersion(), got.GetValue(), first.GetValue(), source)
			}
		}
		for _, v := range []string{"fresh", "warm"} {
			if _, err := w.client.Unload(t.Context(), &sandboxpb.UnloadRequest{Version: v}); err != nil {
				t.Fatal(err)
			}
		}
	})
}
