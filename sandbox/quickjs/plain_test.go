package quickjs

import (
	"encoding/binary"
	"math/rand/v2"
	"testing"
)

// Tenant code may have written anything anywhere: Plain still comes to an end,
// and reads nothing outside of linear memory.
func TestPlainOnCorruptMemory(t *testing.T) {
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
	if err != nil || !i.Plain(v, p) {
		t.Fatalf("it is plain: %v", err)
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
		i.Plain(v, p)
		for _, at := range touched {
			copy(i.linear.bytes[at:at+4], healthy[at:])
		}
	}
	for _, v := range []Value{object(0), object(0xffffffff), object(uint32(len(healthy)) - 1), Value(1 << 63)} {
		i.Plain(v, p)
		i.Class(v)
	}
}

func BenchmarkPlain(b *testing.B) {
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
		if !i.Plain(v, p) {
			b.Fatal("it is plain")
		}
	}
}
