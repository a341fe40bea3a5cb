package quickjs

import (
	"encoding/binary"
	"math/rand/v2"
	"testing"
)

// Tenant code may have written anything anywhere: JSON still comes to an end,
// and reads nothing outside of linear memory.
func TestJSONOnCorruptMemory(t *testing.T) {
	e, err := NewEngine(t.Context(), t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	i, err := e.NewInstance(4<<20, 128<<10)
	if err != nil {
		t.Fatal(err)
	}
	defer i.Close()
	p, err := i.Prototypes()
	if err != nil {
		t.Fatal(err)
	}
	v, err := i.Eval("({a: [1, {b: 'x'}, [2.5, null]], c: {d: {e: [{}]}}})", "x", EvalScript)
	if err != nil {
		t.Fatal(err)
	}
	if text, plain := i.JSON(v, p, 1<<10); !plain {
		t.Fatalf("it is plain: %s", text)
	}
	healthy := append([]byte(nil), i.linear.bytes...)
	random := rand.New(rand.NewPCG(1, 2))
	extreme := []uint32{0, 1, 0xffffffff, 0x80000000, 0x7fffffff, uint32(v), uint32(len(healthy)), uint32(len(healthy)) - 4}
	start := min(uint32(v), p.Array, p.Object)
	for round := range 20_000 {
		var touched []uint32
		for range 1 + round%6 {
			at := (start + random.Uint32N(64<<10)) &^ 3
			if round%2 == 0 {
				at = (uint32(v) + random.Uint32N(512)) &^ 3
			}
			if uint64(at)+4 > uint64(len(healthy)) {
				continue
			}
			binary.LittleEndian.PutUint32(i.linear.bytes[at:], extreme[random.IntN(len(extreme))])
			touched = append(touched, at)
		}
		if text, _ := i.JSON(v, p, 1<<10); len(text) > 16<<10 {
			t.Fatalf("%d bytes of text", len(text))
		}
		for _, at := range touched {
			copy(i.linear.bytes[at:at+4], healthy[at:])
		}
	}
	for _, v := range []Value{object(0), object(0xffffffff), object(uint32(len(healthy)) - 1), Value(1 << 63)} {
		i.JSON(v, p, 1<<10)
		i.Class(v)
	}
}

// FuzzJSON: what JSON writes is what JSON.stringify does.
func FuzzJSON(f *testing.F) {
	for _, text := range []string{
		`{"b":1,"a":[1.5,-2e-9,1e21,123456789012345680000,0.000001],"10":"x","9":null,"4294967295":1,"4294967294":2,"01":3,"":true}`,
		`["\u0000\u001f\u007f\u2028\ud800","\ud83d\ude00\udc00","é\"\\/\b\f\n\r\t","\u00ff\u0100"]`, `{"toJSON":1,"__proto__":{"x":[]}}`, `"hello"`, `-7`, `[]`,
	} {
		f.Add(text)
	}
	i := newInstance(f, 16<<20, 128<<10)
	p, err := i.Prototypes()
	if err != nil {
		f.Fatal(err)
	}
	stringify, err := i.Eval("(v) => JSON.stringify(v)", "x", EvalScript)
	if err != nil {
		f.Fatal(err)
	}
	s, err := i.Snapshot()
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(s.Close)
	f.Fuzz(func(t *testing.T, text string) {
		defer func() {
			if err := i.Restore(s); err != nil {
				t.Fatal(err)
			}
		}()
		v, err := i.ParseJSON([]byte(text))
		if err != nil {
			return
		}
		got, plain := i.JSON(v, p, 1<<20)
		if !plain {
			return // -0 and the like
		}
		said, err := i.Call(stringify, v)
		if err != nil {
			return
		}
		if want, _, _ := i.Text(said, 1<<20); string(want) != string(got) {
			t.Errorf("%q is written as %s, not %s", text, got, want)
		}
	})
}

func BenchmarkJSON(b *testing.B) {
	e, err := NewEngine(b.Context(), b.TempDir())
	if err != nil {
		b.Fatal(err)
	}
	defer e.Close()
	i, err := e.NewInstance(4<<20, 128<<10)
	if err != nil {
		b.Fatal(err)
	}
	defer i.Close()
	p, err := i.Prototypes()
	if err != nil {
		b.Fatal(err)
	}
	v, err := i.Eval("({sum: 3, name: 'BULKHEAD'})", "x", EvalScript)
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		if _, plain := i.JSON(v, p, 1<<20); !plain {
			b.Fatal("it is plain")
		}
	}
}
