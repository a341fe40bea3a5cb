package sandbox

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/bulkhead-run/bulkhead/bench/sample"
	"github.com/bulkhead-run/bulkhead/internal/outcome"
	"github.com/bulkhead-run/bulkhead/ipc"
	"github.com/bulkhead-run/bulkhead/ipc/sandboxpb"
)

const benchSource = `async (event) => ({ sum: event.a + event.b, name: event.name.toUpperCase() })`
const benchEvent = `{"a":1,"b":2,"name":"bulkhead"}`

func benchVersion(b *testing.B, source string, warm bool, apis ...*sandboxpb.API) *version {
	b.Helper()
	s, err := New(context.Background(), Options{CacheDir: b.TempDir()})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = s.Close() })
	r := &sandboxpb.LoadRequest{Version: "v", Function: "f", Source: source, Memory: 5<<20 + 16*uint64(len(source)), TimeoutNs: int64(time.Minute), Concurrency: 1, Warm: warm}
	l, _, err := s.load(apis, r)
	if err != nil {
		b.Fatal(err)
	}
	return newVersion(s.engine, l, r)
}

// BenchmarkInvocation is an invocation within the process, without the slot:
// acquire, run, release.
func BenchmarkInvocation(b *testing.B) {
	for _, c := range []struct {
		name, source string
		warm         bool
	}{
		{"fresh", benchSource, false},
		{"warm", benchSource, true},
		{"bundle", sample.Bundle(2 << 20), false},
	} {
		b.Run(c.name, func(b *testing.B) {
			v := benchVersion(b, c.source, c.warm)
			inbox := newInbox()
			for b.Loop() {
				inst, _, err := v.acquire()
				if err != nil {
					b.Fatal(err)
				}
				inv := &invocation{id: 1, version: v, inst: inst, inbox: inbox, send: func(*sandboxpb.FromSandbox) error { return nil }}
				if r := inv.run([]byte(benchEvent), time.Second, 0); outcome.Outcome(r.Outcome) != outcome.OK {
					b.Fatal(r)
				}
				v.release(inst)
			}
		})
	}
}

// BenchmarkHostCall is the sandbox's part of a host call: what its answer costs
// elsewhere, and the way there, come on top.
func BenchmarkHostCall(b *testing.B) {
	apis := []*sandboxpb.API{{Name: "kv.get"}}
	v := benchVersion(b, "async (n) => { while (n-- > 0) await kv.get('greeting'); }", false, apis...)
	inst, _, err := v.acquire()
	if err != nil {
		b.Fatal(err)
	}
	defer v.release(inst)
	inv := &invocation{id: 1, version: v, inst: inst, apis: apis, inbox: newInbox()}
	inv.send = func(f *sandboxpb.FromSandbox) error {
		inv.inbox.put(&sandboxpb.HostResult{Invocation: 1, Call: f.GetHostCall().GetCall(), Value: []byte(`{"text":"hello"}`)})
		return nil
	}
	b.ResetTimer()
	if r := inv.run(strconv.AppendInt(nil, int64(b.N), 10), time.Hour, 0); outcome.Outcome(r.Outcome) != outcome.OK {
		b.Fatal(r)
	}
}

// BenchmarkNewInstance is what a further instance of a loaded function costs.
func BenchmarkNewInstance(b *testing.B) {
	v := benchVersion(b, benchSource, false)
	for b.Loop() {
		inst, err := v.engine.NewInstanceFrom(v.snapshot, v.memory)
		if err != nil {
			b.Fatal(err)
		}
		inst.Close()
	}
}

// BenchmarkLoad is the sandbox's part of a cold start in a spare process.
func BenchmarkLoad(b *testing.B) {
	s, err := New(context.Background(), Options{CacheDir: b.TempDir()})
	if err != nil {
		b.Fatal(err)
	}
	defer s.Close()
	for name, source := range map[string]string{"small": benchSource, "500KiB": sample.Bundle(500 << 10), "2MiB": sample.Bundle(2 << 20)} {
		r := &sandboxpb.LoadRequest{Version: "v", Function: "f", Source: source, Memory: 5<<20 + 16*uint64(len(source)), TimeoutNs: int64(time.Minute)}
		b.Run(name, func(b *testing.B) {
			var stored uint64
			for b.Loop() {
				l, _, err := s.load(nil, r)
				if err != nil {
					b.Fatal(err)
				}
				stored = l.snapshot.Stored()
				l.first.Close()
			}
			b.ReportMetric(float64(stored)/1024, "KiB")
		})
	}
}

// BenchmarkLoadSnapshot is the sandbox's part of a cold start from the snapshot
// of another process, the first invocation included.
func BenchmarkLoadSnapshot(b *testing.B) {
	sender, end, err := ipc.NewFileSender()
	if err != nil {
		b.Fatal(err)
	}
	defer func() { _ = errors.Join(sender.Close(), end.Close()) }()
	s, err := New(context.Background(), Options{CacheDir: b.TempDir(), Files: ipc.NewFileReceiver(int(end.Fd()))})
	if err != nil {
		b.Fatal(err)
	}
	defer s.Close()
	for name, source := range map[string]string{"small": benchSource, "500KiB": sample.Bundle(500 << 10), "2MiB": sample.Bundle(2 << 20)} {
		r := &sandboxpb.LoadRequest{Version: "v", Function: "f", Source: source, Memory: 5<<20 + 16*uint64(len(source)), TimeoutNs: int64(time.Minute), Concurrency: 1}
		l, _, err := s.load(nil, r)
		if err != nil {
			b.Fatal(err)
		}
		path := filepath.Join(b.TempDir(), "snapshot")
		description, err := proto.Marshal(l.describe())
		if err := errors.Join(err, os.WriteFile(path, l.snapshot.Memory(), 0o400)); err != nil {
			b.Fatal(err)
		}
		l.first.Close()
		l.snapshot.Close()
		f, err := os.Open(path)
		if err != nil {
			b.Fatal(err)
		}
		r.Source, r.Snapshot = "", description
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				if err := sender.Send("v", f); err != nil {
					b.Fatal(err)
				}
				l, err := s.loadSnapshot(r)
				if err != nil {
					b.Fatal(err)
				}
				v := newVersion(s.engine, l, r)
				inst, _, err := v.acquire()
				if err != nil {
					b.Fatal(err)
				}
				inv := &invocation{id: 1, version: v, inst: inst, inbox: newInbox(), send: func(*sandboxpb.FromSandbox) error { return nil }}
				if r := inv.run([]byte(benchEvent), time.Second, 0); outcome.Outcome(r.Outcome) != outcome.OK {
					b.Fatal(r)
				}
				v.leave(nil)
				inst.Close()
				v.unload()
			}
		})
		_ = f.Close()
	}
}

// BenchmarkStart is a process's start after exec, with a full cache. It reports
// what the prelude adds to the engine's own memory in the base snapshot, the
// part of a process that every instance maps.
func BenchmarkStart(b *testing.B) {
	o := Options{CacheDir: b.TempDir()}
	warm, err := New(context.Background(), o)
	if err != nil {
		b.Fatal(err)
	}
	defer func() { _ = warm.Close() }()
	bare, err := warm.engine.NewInstance(baseMemory, baseStack)
	if err != nil {
		b.Fatal(err)
	}
	defer bare.Close()
	alone, err := bare.Snapshot()
	if err != nil {
		b.Fatal(err)
	}
	defer alone.Close()
	for b.Loop() {
		s, err := New(context.Background(), o)
		if err != nil {
			b.Fatal(err)
		}
		_ = s.Close()
	}
	b.ReportMetric(float64(warm.base.snapshot.Stored()-alone.Stored())/1024, "prelude-KiB")
}
