package sandbox_test

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"github.com/bulkhead-run/bulkhead/internal/outcome"
	"github.com/bulkhead-run/bulkhead/ipc"
	"github.com/bulkhead-run/bulkhead/ipc/sandboxpb"
)

// export takes a loaded version's snapshot, as the supervisor does.
func (w *world) export(version string) (description, memory []byte) {
	w.t.Helper()
	stream, err := w.client.Export(w.t.Context(), &sandboxpb.ExportRequest{Version: version})
	if err != nil {
		w.t.Fatal(err)
	}
	check := ipc.SnapshotCheck{Room: 64 << 20}
	for {
		part, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			if err := check.End(); err != nil {
				w.t.Fatal(err)
			}
			return description, memory
		}
		if err == nil {
			err = check.Part(part)
		}
		if err != nil {
			w.t.Fatal(err)
		}
		description = append(description, part.GetSnapshot()...)
		memory = append(memory, part.GetMemory()...)
	}
}

// send sends memory to the server, under a version's name.
func (w *world) send(version string, memory []byte) {
	w.t.Helper()
	path := filepath.Join(w.t.TempDir(), "snapshot")
	if err := os.WriteFile(path, memory, 0o400); err != nil {
		w.t.Fatal(err)
	}
	f, err := os.Open(path)
	if err != nil {
		w.t.Fatal(err)
	}
	defer f.Close()
	if err := w.files.Send(version, f); err != nil {
		w.t.Fatal(err)
	}
}

func withSnapshot(r *sandboxpb.LoadRequest, description []byte) *sandboxpb.LoadRequest {
	r.Source, r.Snapshot = "", description
	return r
}

// A version that comes from another process's snapshot does not evaluate its
// top level again, keeps what that made, and is otherwise as good as new.
func TestSnapshotOfAnotherProcess(t *testing.T) {
	const source = `console.log('top');
const born = [Math.random(), Date.now()];
const seen = new URL('http://h/p');
let n = 0;
class Thing { constructor() { this.kind = 'thing' } }
export default async (event) => {
  if (event === 'throw') throw new TypeError('no');
  if (event === 'grow') return 'x'.repeat(1e6).length;
  return { born, n: ++n, random: Math.random(), id: crypto.randomUUID(), host: seen.host, kind: new Thing().kind, sum: add(1, 2) };
}`
	one, other := newWorld(t), newWorld(t)
	if one.fingerprint != other.fingerprint || len(one.fingerprint) != ipc.FingerprintLen {
		t.Fatalf("fingerprints %q and %q", one.fingerprint, other.fingerprint)
	}
	one.mustLoad(request("a", source))
	description, memory := one.export("a")
	before := one.slot().invoke("a", "null")

	other.send("b", memory)
	loaded := other.mustLoad(withSnapshot(request("b", ""), description))
	if len(loaded.GetLogs()) > 0 || loaded.GetShape() != sandboxpb.Shape_SHAPE_MODULE_FUNCTION {
		t.Errorf("loaded: %v", loaded)
	}
	slot := other.slot()
	seen := map[string]bool{string(before.GetValue()): true}
	for range 5 {
		r := slot.invoke("b", "null")
		if seen[string(r.GetValue())] {
			t.Errorf("twice: %s", r.GetValue())
		}
		seen[string(r.GetValue())] = true
		born, _, _ := strings.Cut(string(before.GetValue()), "],")
		if !strings.HasPrefix(string(r.GetValue()), born+`],"n":1,`) || !strings.HasSuffix(string(r.GetValue()), `"host":"h","kind":"thing","sum":null}`) {
			t.Errorf("got %s, after %s in the other process", r.GetValue(), before.GetValue())
		}
		if r := slot.invoke("b", `"grow"`); string(r.GetValue()) != "1000000" {
			t.Errorf("grown: %v", r)
		}
	}
	r := slot.invoke("b", `"throw"`)
	if r.outcome() != outcome.Exception || !strings.Contains(r.GetException().GetStack(), "f.js:7:") {
		t.Errorf("thrown: %v", r)
	}
	stats, err := other.client.Stats(t.Context(), &sandboxpb.StatsRequest{})
	if err != nil || stats.GetVersions() != 1 || stats.GetInstances() != 1 || stats.GetLinearMemory() == 0 {
		t.Errorf("stats %v, %v", stats, err)
	}
	// What it exports itself is the same.
	if again, same := other.export("b"); string(again) != string(description) || string(same) != string(memory) {
		t.Errorf("exported again: %d and %d bytes, want %d and %d", len(again), len(same), len(description), len(memory))
	}
}

func TestSnapshotOfWarmFunction(t *testing.T) {
	one, other := newWorld(t), newWorld(t)
	one.mustLoad(request("a", `let n = 10; () => ++n`))
	description, memory := one.export("a")
	other.send("b", memory)
	r := withSnapshot(request("b", ""), description)
	r.Warm = true
	other.mustLoad(r)
	slot := other.slot()
	for _, want := range []string{"11", "12", "13"} {
		if r := slot.invoke("b", "null"); string(r.GetValue()) != want {
			t.Errorf("got %s, want %s", r.GetValue(), want)
		}
	}
}

// What does not fit is refused, without a descriptor or a version left behind;
// the source loads afterwards.
func TestSnapshotRefused(t *testing.T) {
	one, other := newWorld(t), newWorld(t)
	one.mustLoad(request("a", `() => 1`))
	description, memory := one.export("a")
	change := func(f func(*sandboxpb.Snapshot)) []byte {
		var d sandboxpb.Snapshot
		if err := proto.Unmarshal(description, &d); err != nil {
			t.Fatal(err)
		}
		f(&d)
		raw, err := proto.Marshal(&d)
		if err != nil {
			t.Fatal(err)
		}
		return raw
	}
	descriptors := func() int {
		list, err := os.ReadDir("/proc/self/fd")
		if err != nil {
			t.Fatal(err)
		}
		return len(list)
	}
	before := descriptors()
	for name, c := range map[string]struct {
		description, memory []byte
		version, want       string
		limit               uint64
	}{
		"another version's file": {description, memory, "b", "no such file", 0},
		"not a description":      {[]byte("nonsense"), memory, "a", "decoded", 0},
		"half a run":             {change(func(d *sandboxpb.Snapshot) { d.Runs = d.Runs[1:] }), memory, "a", "half a run", 0},
		"a run beyond 4 GiB":     {change(func(d *sandboxpb.Snapshot) { d.Runs[1] = 1 << 20 }), memory, "a", "a run of", 0},
		"over the constants":     {change(func(d *sandboxpb.Snapshot) { d.Runs[0], d.Runs[1] = 1, 2 }), memory, "a", "the run from", 0},
		"too few functions":      {change(func(d *sandboxpb.Snapshot) { d.Bridge = d.Bridge[1:] }), memory, "a", "functions of the prelude", 0},
		"a number for one":       {change(func(d *sandboxpb.Snapshot) { d.Bridge[0] = 7 }), memory, "a", "function define of the prelude", 0},
		"no shape":               {change(func(d *sandboxpb.Snapshot) { d.Shape = 0 }), memory, "a", "shape 0", 0},
		"unknown shape":          {change(func(d *sandboxpb.Snapshot) { d.Shape = 99 }), memory, "a", "shape 99", 0},
		"runtime outside":        {change(func(d *sandboxpb.Snapshot) { d.Runtime = d.Size }), memory, "a", "the runtime", 0},
		"a short file":           {description, memory[:len(memory)-4096], "a", "bytes of", 0},
		"too large for the cap":  {description, memory, "a", "the snapshot needs", 1 << 20},
	} {
		other.send(c.version, c.memory)
		r := withSnapshot(request("a", ""), c.description)
		if c.limit > 0 {
			r.Memory = c.limit
		}
		if got := other.load(r); !strings.Contains(got.GetRefusal(), c.want) || got.GetShape() != 0 || got.GetOutcome() != 0 {
			t.Errorf("%s: %v, want %q", name, got, c.want)
		}
	}
	if after := descriptors(); after != before {
		t.Errorf("%d descriptors before, %d after", before, after)
	}
	other.mustLoad(request("a", `() => 2`))
	if r := other.slot().invoke("a", "null"); string(r.GetValue()) != "2" {
		t.Errorf("from source: %v", r)
	}
	stream, err := other.client.Export(t.Context(), &sandboxpb.ExportRequest{Version: "z"})
	if err == nil {
		_, err = stream.Recv()
	}
	if status.Code(err) != codes.NotFound {
		t.Errorf("exporting what is not loaded: %v", err)
	}
}

// A description may lie: whatever else happens, the process answers.
func TestSnapshotOfNonsense(t *testing.T) {
	one, other := newWorld(t), newWorld(t)
	one.mustLoad(request("a", `() => 1`))
	description, memory := one.export("a")
	slot := other.slot()
	for n, lie := range []func(*sandboxpb.Snapshot){
		func(d *sandboxpb.Snapshot) { d.Runtime += 4 },
		func(d *sandboxpb.Snapshot) { d.Context = d.Runtime },
		func(d *sandboxpb.Snapshot) { d.Scratch = d.Context },
		func(d *sandboxpb.Snapshot) { d.ObjectPrototype, d.ArrayPrototype = 1, 2 },
		func(d *sandboxpb.Snapshot) {
			for n := range d.Bridge {
				d.Bridge[n] |= 0xffff_fff0
			}
		},
		func(d *sandboxpb.Snapshot) {
			for n := range d.Bridge {
				d.Bridge[n] = d.Bridge[0]
			}
		},
		func(d *sandboxpb.Snapshot) { d.Runs = d.Runs[:len(d.Runs)-2] },
	} {
		var d sandboxpb.Snapshot
		if err := proto.Unmarshal(description, &d); err != nil {
			t.Fatal(err)
		}
		lie(&d)
		raw, err := proto.Marshal(&d)
		if err != nil {
			t.Fatal(err)
		}
		version := fmt.Sprint("v", n)
		other.send(version, memory)
		if got := other.load(withSnapshot(request(version, ""), raw)); got.GetRefusal() != "" {
			t.Errorf("lie %d is noticed: %v", n, got) // then it belongs to the test above
			continue
		}
		slot.start(version, "null", 200*time.Millisecond)
		slot.finish() // however it ended
	}
	other.mustLoad(request("honest", `() => 3`))
	if r := slot.invoke("honest", "null"); string(r.GetValue()) != "3" {
		t.Errorf("afterwards: %v", r)
	}
}

func TestFingerprintNamesTheAPIs(t *testing.T) {
	all, fewer := newWorld(t), newWorldWith(t, testAPIs[1:])
	if all.fingerprint == fewer.fingerprint {
		t.Errorf("%s whatever the APIs", all.fingerprint)
	}
}
