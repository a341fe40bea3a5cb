// Package valuetest makes random values, for tests.
package valuetest

import (
	"fmt"
	"math"
	"math/big"
	"math/rand/v2"
	"time"

	"github.com/bulkhead-run/bulkhead/value"
)

// Generator makes values: every kind that crosses, with shared parts and
// cycles. A seed always makes the same ones.
type Generator struct {
	rand *rand.Rand
	made []any // what can be referred to again
	left int
}

// New makes a generator.
func New(seed uint64) *Generator {
	return &Generator{rand: rand.New(rand.NewPCG(seed, 1)), left: 40}
}

// Value makes a value of at most some forty parts.
func (g *Generator) Value() any { return g.value(0) }

var kinds = []string{
	"Int8Array", "Uint8ClampedArray", "Int16Array", "Uint16Array", "Float16Array", "Int32Array", "Uint32Array",
	"Float32Array", "Float64Array", "BigInt64Array", "BigUint64Array", "DataView",
}

var texts = []string{
	"", "a", "__proto__", "constructor", "toJSON", "then", "Straße", "😀", "\xed\xa0\x80", "x\xed\xb0\x80\x00", "\u2028\"\\\n", "-0", "length",
}

func (g *Generator) text() string { return texts[g.rand.IntN(len(texts))] }

func (g *Generator) number() float64 {
	switch g.rand.IntN(8) {
	case 0:
		return math.NaN()
	case 1:
		return math.Inf(1 - 2*g.rand.IntN(2))
	case 2:
		return math.Copysign(0, -1)
	case 3:
		return g.rand.NormFloat64() * math.Pow(10, float64(g.rand.IntN(600)-300))
	case 4:
		return math.MaxFloat64
	}
	return float64(g.rand.IntN(2000) - 1000)
}

func (g *Generator) bytes(n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(g.rand.Uint32())
	}
	return b
}

func (g *Generator) keep(v any) any {
	g.made = append(g.made, v)
	return v
}

func (g *Generator) value(depth int) any {
	g.left--
	if depth > 5 || g.left < 0 {
		return g.number()
	}
	switch g.rand.IntN(20) {
	case 0:
		return nil
	case 1:
		return value.Undefined
	case 2:
		return g.rand.IntN(2) == 0
	case 3, 4:
		return g.text()
	case 5, 6:
		return g.number()
	case 7:
		n := new(big.Int).SetBytes(g.bytes(g.rand.IntN(40)))
		if g.rand.IntN(2) == 0 {
			n.Neg(n)
		}
		return n
	case 8:
		if g.rand.IntN(4) == 0 {
			return value.InvalidDate
		}
		return time.UnixMilli(g.rand.Int64N(2e15) - 1e15).UTC()
	case 9:
		return g.keep(g.bytes(1 + g.rand.IntN(9)))
	case 10:
		return g.keep(value.ArrayBuffer(g.bytes(1 + g.rand.IntN(9))))
	case 11:
		return g.keep(&value.TypedArray{Kind: kinds[g.rand.IntN(len(kinds))], Bytes: g.bytes(8 * g.rand.IntN(3))})
	case 12:
		return g.keep(&value.RegExp{Source: "a[b-d]+\\/", Flags: []string{"", "gi", "suy"}[g.rand.IntN(3)], LastIndex: float64(g.rand.IntN(3))})
	case 13:
		if len(g.made) > 0 {
			return g.made[g.rand.IntN(len(g.made))]
		}
		return "nothing to share"
	}
	return g.container(depth)
}

func (g *Generator) container(depth int) any {
	n := g.rand.IntN(5)
	switch g.rand.IntN(5) {
	case 0:
		list := make([]any, n+1)
		g.keep(list)
		for i := range list {
			list[i] = g.value(depth + 1)
		}
		return list
	case 1:
		m := &value.Map{Entries: []value.Entry{}}
		g.keep(m)
		for i := range n {
			// JavaScript would take equal keys for one.
			key := any(fmt.Sprint("key", i))
			if i%2 == 1 {
				key = []any{float64(i), g.value(depth + 1)}
			}
			m.Entries = append(m.Entries, value.Entry{Key: key, Value: g.value(depth + 1)})
		}
		return m
	case 2:
		s := &value.Set{Values: []any{}}
		g.keep(s)
		for i := range n {
			s.Values = append(s.Values, []any{float64(i), g.value(depth + 1)})
		}
		return s
	case 3:
		e := &value.Error{Name: []string{"Error", "TypeError", "MyError"}[n%3], Message: g.text(), Stack: "at f (f.js:1:2)"}
		g.keep(e)
		if n > 2 {
			if e.Cause = g.value(depth + 1); e.Cause == value.Undefined {
				e.Cause = nil
			}
		}
		if n == 4 {
			e.Name, e.Errors = "AggregateError", []any{g.value(depth + 1)}
			e.Properties = value.NewObject("code", g.value(depth+1))
		}
		return e
	}
	o := &value.Object{}
	g.keep(o)
	for range n {
		o.Set(g.text(), g.value(depth+1))
	}
	return o
}
