package sandbox

import (
	"context"
	"io"
	"log/slog"
	"testing"
	"time"

	"github.com/bulkhead-run/bulkhead/internal/outcome"
	"github.com/bulkhead-run/bulkhead/ipc/sandboxpb"
)

const benchSource = `async (event) => ({ sum: event.a + event.b, name: event.name.toUpperCase() })`
const benchEvent = `{"a":1,"b":2,"name":"bulkhead"}`

func benchVersion(b *testing.B, source string, warm bool) *version {
	b.Helper()
	s, err := New(context.Background(), Options{CacheDir: b.TempDir(), Logger: slog.New(slog.NewTextHandler(io.Discard, nil))})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = s.Close() })
	r := &sandboxpb.LoadRequest{Version: "v", Function: "f", Source: source, Memory: 5 << 20, TimeoutNs: int64(time.Second), Concurrency: 1, Warm: warm}
	l, _, err := s.load(nil, r)
	if err != nil {
		b.Fatal(err)
	}
	return newVersion(s.engine, s.base, l, r)
}

// BenchmarkInvocation is an invocation within the process, without the slot:
// acquire, run, release.
func BenchmarkInvocation(b *testing.B) {
	for name, warm := range map[string]bool{"fresh": false, "warm": true} {
		b.Run(name, func(b *testing.B) {
			v := benchVersion(b, benchSource, warm)
			inbox := newInbox()
			for b.Loop() {
				inst, _, err := v.acquire()
				if err != nil {
					b.Fatal(err)
				}
				inv := &invocation{id: 1, version: v, inst: inst, inbox: inbox, send: func(*sandboxpb.FromSandbox) error { return nil }}
				if r := inv.run([]byte(benchEvent), time.Second); outcome.Outcome(r.Outcome) != outcome.OK {
					b.Fatal(r)
				}
				v.release(inst)
			}
		})
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
	s, err := New(context.Background(), Options{CacheDir: b.TempDir(), Logger: slog.New(slog.NewTextHandler(io.Discard, nil))})
	if err != nil {
		b.Fatal(err)
	}
	defer s.Close()
	r := &sandboxpb.LoadRequest{Version: "v", Function: "f", Source: benchSource, Memory: 5 << 20, TimeoutNs: int64(time.Second)}
	for b.Loop() {
		l, _, err := s.load(nil, r)
		if err != nil {
			b.Fatal(err)
		}
		l.first.Close()
	}
}

// BenchmarkStart is a process's start after exec, with a full cache.
func BenchmarkStart(b *testing.B) {
	o := Options{CacheDir: b.TempDir(), Logger: slog.New(slog.NewTextHandler(io.Discard, nil))}
	warm, err := New(context.Background(), o)
	if err != nil {
		b.Fatal(err)
	}
	defer func() { _ = warm.Close() }()
	for b.Loop() {
		s, err := New(context.Background(), o)
		if err != nil {
			b.Fatal(err)
		}
		_ = s.Close()
	}
}
