package quickjs

import (
	"bytes"
	"fmt"
	"os"
	"testing"
)

// TestRestoreIsExact compares all of linear memory with that of an instance
// made from the same snapshot, on each way that Restore knows.
func TestRestoreIsExact(t *testing.T) {
	withoutScan := *engine
	withoutScan.pages = nil
	if engine.pages == nil {
		t.Log("this kernel does not tell which pages were written")
	}
	const small, large = "globalThis.n = 1; ''", "globalThis.n = 1; globalThis.table = Array.from({ length: 5e4 }, (_, i) => ({ id: i })); ''"
	for _, c := range []struct {
		name   string
		engine *Engine
		source string
	}{
		{"scan", engine, small}, {"scan, large", engine, large},
		{"compare", &withoutScan, small}, {"drop", &withoutScan, large},
	} {
		t.Run(c.name, func(t *testing.T) {
			first, err := c.engine.NewInstance(32<<20, 1<<20)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(first.Close)
			if err := first.Reserve(512 << 10); err != nil {
				t.Fatal(err)
			}
			eval(t, first, c.source)
			s, err := first.Snapshot()
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(s.Close)
			if big := s.Stored() > comparable; big != (c.source == large) {
				t.Fatalf("the snapshot stores %d bytes", s.Stored())
			}
			second := from(t, c.engine, s)
			for round := range 3 {
				for _, source := range dirt {
					want := from(t, c.engine, s)
					for _, i := range []*Instance{first, second} {
						if got := eval(t, i, source); got != "2" {
							t.Fatalf("round %d: %s is %s, want 2", round, source, got)
						}
						if err := i.Restore(s); err != nil {
							t.Fatal(err)
						}
						if at := difference(i.linear.bytes, want.linear.bytes); at >= 0 {
							t.Fatalf("round %d: after %s memory differs at %#x of %#x", round, source, at, s.Size())
						}
					}
					want.Close()
				}
			}
		})
	}
}

// dirt leaves traces of many kinds. Each gives 2 in fresh state only.
var dirt = []string{
	"String(++n)",
	"(() => { globalThis.kept = 'canary'.repeat(5e4); return String(++n) })()",                                                              // free heap
	"(() => { globalThis.grown = []; for (let i = 0; i < 40; i++) grown.push('x'.repeat(1e5) + i); return String(++n) })()",                 // growth
	"(() => { function f(d) { return d ? 1 + f(d - 1) : 0 } f(2500); return String(++n) })()",                                               // stack
	"(() => { for (let i = 0; i < 4e4; i++) { const a = {}; a.self = a } return String(++n) })()",                                           // garbage collection
	"(() => { Array.prototype.push = null; delete globalThis.JSON; Object.prototype.leak = 1; return String(++n) })()",                      // primordials
	"(() => { if (globalThis.table) for (const row of table) row.id = -1; try { 'x'.repeat(6e7) } catch {} return String(++n) })()",         // every page, refused memory
	"(() => { const b = new Uint8Array(2e5).fill(255); globalThis.all = b; return String(Math.min(++n, b[0])) })()",                         // bytes
	"(() => { const r = /(a+)+$/; r.test('a'.repeat(20)); new Function('return 1')(); return String(globalThis.leak ?? ++n) })()",           // code
	"(() => { Promise.resolve().then(() => { globalThis.late = 1 }); return String(globalThis.late ?? globalThis.kept?.length ?? ++n) })()", // jobs
}

func from(t *testing.T, e *Engine, s *Snapshot) *Instance {
	t.Helper()
	i, err := e.NewInstanceFrom(s, 32<<20)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(i.Close)
	return i
}

// difference returns where a and b differ first, or -1.
func difference(a, b []byte) int {
	if bytes.Equal(a, b) {
		return -1
	}
	for n := range min(len(a), len(b)) {
		if a[n] != b[n] {
			return n
		}
	}
	return min(len(a), len(b))
}

// TestCrowdedInstanceGivesPagesBack writes to all of a large instance once.
func TestCrowdedInstanceGivesPagesBack(t *testing.T) {
	if engine.pages == nil {
		t.Skip("this kernel does not tell which pages were written")
	}
	i := newInstance(t, 32<<20, 1<<20)
	eval(t, i, "globalThis.table = Array.from({ length: 5e4 }, (_, i) => ({ id: i })); globalThis.n = 1; ''")
	s, err := i.Snapshot()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	own := func() (n uint32) {
		if err := engine.pages.written(i.linear.bytes, new(pageScan), func(at, end uint32) { n += end - at }); err != nil {
			t.Fatal(err)
		}
		return n
	}
	run := func(source string) uint32 {
		eval(t, i, source)
		if err := i.Restore(s); err != nil {
			t.Fatal(err)
		}
		return own()
	}
	few := run("String(++n)")
	many := run("for (const row of table) row.id = -1; ''")
	if many < few+1<<20 {
		t.Fatalf("%d bytes of its own after writing to all, %d after writing to few", many, few)
	}
	for range 64 {
		if run("String(++n)") <= 2*few {
			return
		}
	}
	t.Errorf("%d bytes of its own still", own())
}

// TestDescriptorsAndMappingsAreGivenBack counts both.
func TestDescriptorsAndMappingsAreGivenBack(t *testing.T) {
	count := func() string {
		fds, err := os.ReadDir("/proc/self/fd")
		if err != nil {
			t.Fatal(err)
		}
		maps, err := os.ReadFile("/proc/self/maps")
		if err != nil {
			t.Fatal(err)
		}
		return fmt.Sprintf("%d descriptors, %d memory files mapped", len(fds), bytes.Count(maps, []byte("memfd:")))
	}
	before := count()
	for range 3 {
		i, err := engine.NewInstance(4<<20, 256<<10)
		if err != nil {
			t.Fatal(err)
		}
		s, err := i.Snapshot()
		if err != nil {
			t.Fatal(err)
		}
		other, err := engine.NewInstanceFrom(s, 4<<20)
		if err != nil {
			t.Fatal(err)
		}
		i.Close()
		s.Close()
		// Without its snapshot it runs on.
		if got := eval(t, other, "String(1 + 1)"); got != "2" {
			t.Errorf("got %s", got)
		}
		other.Close()
	}
	if after := count(); after != before {
		t.Errorf("%s; before: %s", after, before)
	}
}
