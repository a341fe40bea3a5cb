package quickjs

import (
	"bytes"
	"testing"
)

func TestBytes(t *testing.T) {
	e, err := NewEngine(t.Context(), t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	i, err := e.NewInstance(4<<20, 128<<10)
	if err != nil {
		t.Fatal(err)
	}
	defer i.Close()
	for _, want := range [][]byte{{}, {1, 2, 3}, bytes.Repeat([]byte{7}, 100_000)} {
		v, err := i.NewArrayBuffer(want)
		if err != nil {
			t.Fatal(err)
		}
		if got, n, ok := i.Bytes(v, len(want)); !ok || n != len(want) || !bytes.Equal(got, want) {
			t.Errorf("%d bytes: got %d, %v", len(want), n, ok)
		}
		if _, n, ok := i.Bytes(v, len(want)-1); len(want) > 0 && (ok || n != len(want)) {
			t.Errorf("%d bytes over the limit: %d, %v", len(want), n, ok)
		}
		if err := i.Free(v); err != nil {
			t.Fatal(err)
		}
	}
	for _, source := range []string{`({})`, `"text"`, `1`, `undefined`, `new Uint8Array(4)`, `(() => { const b = new ArrayBuffer(4); b.transfer(); return b })()`} {
		v, err := i.Eval(source, "t.js", EvalScript)
		if err != nil {
			t.Fatal(err)
		}
		if got, _, ok := i.Bytes(v, 1<<10); ok && len(got) > 0 {
			t.Errorf("%s has bytes: %v", source, got)
		}
	}
	if _, err := i.NewArrayBuffer(make([]byte, 8<<20)); err == nil {
		t.Error("a buffer larger than memory was made")
	}
}
