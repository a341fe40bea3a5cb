package quickjs

import (
	"encoding/binary"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// exported returns the layout and the memory of a snapshot in which a global n
// is 1.
func exported(t testing.TB) (Layout, []byte) {
	t.Helper()
	i, err := engine.NewInstance(8<<20, 1<<20)
	if err != nil {
		t.Fatal(err)
	}
	defer i.Close()
	if _, err := i.Eval("globalThis.n = 1; globalThis.table = Array.from({ length: 1e4 }, (_, i) => ({ id: i }))", "f.js", EvalScript); err != nil {
		t.Fatal(err)
	}
	s, err := i.Snapshot()
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	return s.Layout(), slices.Clone(s.Memory())
}

// file writes memory to a file and returns its descriptor, open for reading.
func file(t testing.TB, memory []byte) int {
	t.Helper()
	path := filepath.Join(t.TempDir(), "memory")
	if err := os.WriteFile(path, memory, 0o400); err != nil {
		t.Fatal(err)
	}
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	fd, err := unix.Dup(int(f.Fd()))
	if err != nil {
		t.Fatal(err)
	}
	return fd
}

// A snapshot opened from a file is the one that was exported: for new
// instances, and for those that are restored.
func TestOpenSnapshot(t *testing.T) {
	layout, memory := exported(t)
	s, err := OpenSnapshot(layout, file(t, append(memory, "what the file holds behind it"...)))
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if again := s.Layout(); !slices.Equal(again.Runs, layout.Runs) || again.Size != layout.Size {
		t.Errorf("the layout changed: %+v", again)
	}
	first := from(t, engine, s)
	for _, source := range dirt {
		want := from(t, engine, s)
		if got := eval(t, first, source); got != "2" {
			t.Fatalf("%s is %s, want 2", source, got)
		}
		if err := first.Restore(s); err != nil {
			t.Fatal(err)
		}
		if at := difference(first.linear.bytes, want.linear.bytes); at >= 0 {
			t.Fatalf("after %s memory differs at %#x", source, at)
		}
		want.Close()
	}
}

func TestOpenSnapshotRefuses(t *testing.T) {
	good, memory := exported(t)
	last := len(good.Runs) - 1
	for name, c := range map[string]struct {
		change func(*Layout)
		want   string
	}{
		"no memory":              {func(l *Layout) { l.Size = 0 }, "memory of 0"},
		"half a page":            {func(l *Layout) { l.Size += 4096 }, "memory of"},
		"runtime in constants":   {func(l *Layout) { l.Runtime = constantsStart }, "runtime"},
		"runtime at the end":     {func(l *Layout) { l.Runtime = l.Size - 4 }, "runtime"},
		"context outside":        {func(l *Layout) { l.Context = math.MaxUint32 &^ 3 }, "context"},
		"context odd":            {func(l *Layout) { l.Context++ }, "context"},
		"scratch at the end":     {func(l *Layout) { l.Scratch = l.Size - scratchSize + 4 }, "scratch"},
		"stack outside":          {func(l *Layout) { l.StackBlock = l.Size }, "stack"},
		"stack pointer below":    {func(l *Layout) { l.StackPointer = l.StackBlock &^ 15 }, "stack pointer"},
		"stack pointer outside":  {func(l *Layout) { l.StackPointer = l.Size + 16 }, "stack pointer"},
		"stack pointer odd":      {func(l *Layout) { l.StackPointer-- }, "stack pointer"},
		"no runs":                {func(l *Layout) { l.Runs = nil }, "0 runs"},
		"run off its page":       {func(l *Layout) { l.Runs[last].Start++ }, "run from"},
		"run without an end":     {func(l *Layout) { l.Runs[last].End = l.Runs[last].Start }, "run from"},
		"run backwards":          {func(l *Layout) { l.Runs[last].End = grain }, "run from"},
		"runs out of order":      {func(l *Layout) { slices.Reverse(l.Runs) }, "run from"},
		"runs that overlap":      {func(l *Layout) { l.Runs = append(l.Runs, l.Runs[last]) }, "run from"},
		"run outside":            {func(l *Layout) { l.Runs[last].End = l.Size + grain }, "run from"},
		"run over the constants": {func(l *Layout) { l.Runs = []Run{{0, constantsEnd + grain}} }, "run from"},
		"run over the stack": {func(l *Layout) {
			l.Runs = []Run{{l.StackPointer/grain*grain - grain, l.StackPointer / grain * grain}}
		}, "run from"},
		"too many runs":  {func(l *Layout) { l.Runs = make([]Run, MaxRuns+1) }, "runs"},
		"a longer file":  {func(l *Layout) { l.Runs = []Run{{constantsEnd, constantsEnd + grain}, {l.Size - grain, l.Size}} }, ""},
		"a shorter file": {func(l *Layout) { memory = memory[:len(memory)-1] }, "bytes of"},
	} {
		t.Run(name, func(t *testing.T) {
			before := openFiles(t)
			whole := memory
			l := good
			l.Runs = slices.Clone(good.Runs)
			c.change(&l)
			fd := file(t, memory)
			memory = whole
			s, err := OpenSnapshot(l, fd)
			if s != nil {
				s.Close()
			}
			if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want %q", err, c.want)
			}
			if after := openFiles(t); after != before {
				t.Errorf("%d descriptors before, %d after", before, after)
			}
		})
	}
	dir, err := os.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer dir.Close()
	fd, err := unix.Dup(int(dir.Fd()))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := OpenSnapshot(good, fd); err == nil {
		t.Error("a directory was opened")
	}
}

func openFiles(t testing.TB) int {
	t.Helper()
	list, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(list)
}

// FuzzLayout: a layout that is accepted keeps every access that this package
// makes without asking inside linear memory, and off the constants.
func FuzzLayout(f *testing.F) {
	good, _ := exported(f)
	seed := []uint32{good.Size, good.StackBlock, good.StackPointer, good.Runtime, good.Context, good.Scratch}
	for _, r := range good.Runs {
		seed = append(seed, r.Start, r.End)
	}
	var raw []byte
	for _, n := range seed {
		raw = binary.LittleEndian.AppendUint32(raw, n)
	}
	f.Add(raw)
	f.Fuzz(func(t *testing.T, raw []byte) {
		var n []uint32
		for ; len(raw) >= 4; raw = raw[4:] {
			n = append(n, binary.LittleEndian.Uint32(raw))
		}
		if len(n) < 6 {
			return
		}
		l := Layout{Size: n[0], StackBlock: n[1], StackPointer: n[2], Runtime: n[3], Context: n[4], Scratch: n[5]}
		for pair := range slices.Chunk(n[6:], 2) {
			if len(pair) == 2 {
				l.Runs = append(l.Runs, Run{pair[0], pair[1]})
			}
		}
		s, size, err := l.snapshot()
		if err != nil {
			return
		}
		inside := func(what string, at, end uint64) {
			if at >= end || end > uint64(s.size) || at < constantsEnd && end > constantsStart {
				t.Errorf("%s from %#x to %#x of %#x", what, at, end, s.size)
			}
		}
		inside("runtime", uint64(s.rt), uint64(s.rt)+rtModuleLoader+4)
		inside("context", uint64(s.jsctx), uint64(s.jsctx)+ctxRandomState+8)
		inside("scratch", uint64(s.scratch), uint64(s.scratch)+scratchSize)
		inside("stack", uint64(s.stackBlock), s.sp)
		if s.stack.at > s.stack.end || s.stack.end > uint32(s.sp) || s.stack.end > s.stack.at && s.stack.at < s.stackBlock {
			t.Errorf("unused stack %+v of %#x to %#x", s.stack, s.stackBlock, s.sp)
		}
		var offset int64
		for _, r := range s.runs {
			inside("run", uint64(r.at), uint64(r.end))
			if r.at%grain != 0 || r.end%grain != 0 || r.offset != offset || r.overlaps(s.stack) {
				t.Errorf("run %+v", r)
			}
			offset += int64(r.end - r.at)
		}
		if offset != size {
			t.Errorf("a file of %d bytes for %d", size, offset)
		}
	})
}
