package quickjs

import (
	"context"
	"errors"
	"runtime"
	"runtime/metrics"
	"slices"
	"testing"
	"time"

	"github.com/tetratelabs/wazero"
)

// computeSource is some 20 ms of plain interpretation.
const computeSource = "(() => { let s = 0; for (let i = 0; i < 2e5; i++) s = (s + i * i) % 1000003; return String(s) })()"

// BenchmarkCompute compares computing under the interrupt hook with computing
// under no check at all, and under wazero's own check of the context.
func BenchmarkCompute(b *testing.B) {
	compute := func(b *testing.B, i *Instance) {
		for b.Loop() {
			eval(b, i, computeSource)
		}
	}
	b.Run("hook", func(b *testing.B) {
		i := newInstance(b, 5<<20, 1<<20)
		i.SetDeadline(time.Now().Add(time.Hour))
		compute(b, i)
	})
	b.Run("unchecked", func(b *testing.B) {
		i := newInstance(b, 5<<20, 1<<20)
		if err := i.store32(i.rt+rtInterruptHandler, 0); err != nil {
			b.Fatal(err)
		}
		compute(b, i)
	})
	b.Run("CloseOnContextDone", func(b *testing.B) {
		e, err := newEngine(context.Background(), "", wazero.NewRuntimeConfigCompiler().WithCloseOnContextDone(true))
		if err != nil {
			b.Fatal(err)
		}
		b.Cleanup(func() { _ = e.Close() })
		i, err := e.NewInstance(5<<20, 1<<20)
		if err != nil {
			b.Fatal(err)
		}
		b.Cleanup(i.Close)
		// Without a context that can end, wazero would check nothing.
		ctx, cancel := context.WithTimeout(i.ctx, time.Hour)
		b.Cleanup(cancel)
		i.ctx = ctx
		compute(b, i)
	})
}

// BenchmarkDeadline reports how late an endless loop stops, of 200 with a
// deadline of 100 ms.
func BenchmarkDeadline(b *testing.B) {
	const runs = 200
	var late []time.Duration
	for b.Loop() {
		late = late[:0]
		for range runs {
			i, err := engine.NewInstance(5<<20, 1<<20)
			if err != nil {
				b.Fatal(err)
			}
			deadline := time.Now().Add(100 * time.Millisecond)
			i.SetDeadline(deadline)
			if _, err := i.Eval("for (;;);", "x.js", EvalScript); !errors.Is(err, ErrInterrupted) {
				b.Fatal(err)
			}
			late = append(late, time.Since(deadline))
			i.Close()
		}
	}
	slices.Sort(late)
	b.ReportMetric(float64(late[runs/2].Microseconds()), "p50-late-µs")
	b.ReportMetric(float64(late[runs*99/100].Microseconds()), "p99-late-µs")
}

// BenchmarkGCPause reports the longest stop of the world while JavaScript
// computes on every processor.
func BenchmarkGCPause(b *testing.B) {
	for b.Loop() {
		before := pauses()
		done := make(chan error)
		n := runtime.GOMAXPROCS(0)
		for range n {
			go func() {
				i, err := engine.NewInstance(5<<20, 1<<20)
				if err == nil {
					i.SetDeadline(time.Now().Add(time.Second))
					_, err = i.Eval("for (;;);", "x.js", EvalScript)
					i.Close()
				}
				done <- err
			}()
		}
		for range 20 {
			runtime.GC()
		}
		for range n {
			if err := <-done; !errors.Is(err, ErrInterrupted) {
				b.Fatal(err)
			}
		}
		b.ReportMetric(longest(before, pauses())*1000, "max-pause-ms")
	}
}

func pauses() *metrics.Float64Histogram {
	s := []metrics.Sample{{Name: "/sched/pauses/total/gc:seconds"}}
	metrics.Read(s)
	h := s[0].Value.Float64Histogram()
	return &metrics.Float64Histogram{Counts: slices.Clone(h.Counts), Buckets: slices.Clone(h.Buckets)}
}

// longest returns the upper bound of the highest bucket that has grown.
func longest(before, after *metrics.Float64Histogram) float64 {
	for n := len(after.Counts) - 1; n >= 0; n-- {
		if after.Counts[n] > before.Counts[n] {
			return after.Buckets[n+1]
		}
	}
	return 0
}

// BenchmarkRestore is the reset between two invocations.
func BenchmarkRestore(b *testing.B) {
	i := newInstance(b, 5<<20, 1<<20)
	if err := i.Reserve(512 << 10); err != nil {
		b.Fatal(err)
	}
	s, err := i.Snapshot()
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		if err := i.Restore(s); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkNewInstance makes an instance of a snapshot.
func BenchmarkNewInstance(b *testing.B) {
	s, err := newInstance(b, 5<<20, 1<<20).Snapshot()
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		i, err := engine.NewInstanceFrom(s, 5<<20)
		if err != nil {
			b.Fatal(err)
		}
		i.Close()
	}
}

// BenchmarkCPUAccount is what measuring CPU time adds to an invocation: its
// beginning and its end, and once to each pause for the interrupt hook.
func BenchmarkCPUAccount(b *testing.B) {
	i := new(Instance)
	b.Run("invocation", func(b *testing.B) {
		for b.Loop() {
			i.StartCPU(0)
			i.StopCPU()
		}
	})
	b.Run("hook", func(b *testing.B) {
		i.StartCPU(0)
		now := time.Since(processStart)
		for b.Loop() {
			now += pollEvery
			i.spend(now)
		}
		i.StopCPU()
	})
}
