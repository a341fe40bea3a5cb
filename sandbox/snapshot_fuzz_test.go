package sandbox

import (
	"testing"

	"google.golang.org/protobuf/proto"

	"github.com/bulkhead-run/bulkhead/ipc/sandboxpb"
)

// FuzzParseSnapshot: whatever description an earlier process left, reading it
// ends with an error, or with one that describes the same again.
func FuzzParseSnapshot(f *testing.F) {
	good := &sandboxpb.Snapshot{
		Size: 1 << 20, StackBlock: 0x20000, StackPointer: 0x40000, Runtime: 0x50000, Context: 0x51000, Scratch: 0x60000,
		Runs: []uint32{0, 1, 0x50, 0x60}, Bridge: make([]uint64, 8), ObjectPrototype: 8, ArrayPrototype: 16,
		Shape: sandboxpb.Shape_SHAPE_EXPRESSION, Shifted: true,
	}
	for n := range good.Bridge {
		good.Bridge[n] = 0xffffffff_00001000 + uint64(n)
	}
	raw, err := proto.Marshal(good)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(raw)
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, raw []byte) {
		l, layout, err := parseSnapshot(raw)
		if err != nil {
			return
		}
		for _, v := range l.bridge.functions() {
			if !v.IsObject() {
				t.Errorf("bridge function %#x", uint64(*v))
			}
		}
		for _, r := range layout.Runs {
			if r.Start%4096 != 0 || r.End%4096 != 0 {
				t.Errorf("run %+v", r)
			}
		}
	})
}
