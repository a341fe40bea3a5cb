package main

import (
	"context"
	"fmt"
	"os"
	"time"

	"github.com/bulkhead-run/bulkhead/sandbox/quickjs"
)

// bulkhead is this project's engine: one instance for each workload, with the
// deadline set, as in an invocation.
type bulkhead struct {
	engine *quickjs.Engine
	cache  string
}

func newBulkhead(ctx context.Context) (*bulkhead, error) {
	cache, err := os.MkdirTemp("", "bulkhead-bench")
	if err != nil {
		return nil, err
	}
	b := &bulkhead{cache: cache}
	b.engine, err = quickjs.NewEngine(ctx, cache)
	if err != nil {
		os.RemoveAll(cache)
		return nil, err
	}
	return b, nil
}

func (b *bulkhead) close() {
	b.engine.Close()
	os.RemoveAll(b.cache)
}

func (b *bulkhead) run(r request) (map[string]result, error) {
	results := make(map[string]result)
	for name, source := range r.Workloads {
		v, err := b.workload(source, r.Moment)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		results[name] = v
	}
	return results, nil
}

func (b *bulkhead) workload(source string, moment time.Duration) (result, error) {
	inst, err := b.engine.NewInstance(32<<20, 1<<20)
	if err != nil {
		return result{}, err
	}
	defer inst.Close()
	inst.SetDeadline(time.Now().Add(time.Hour))
	fn, err := inst.Eval(source, "workload.js", quickjs.EvalScript)
	if err != nil {
		return result{}, err
	}
	once := func() (string, error) {
		v, err := inst.Call(fn)
		if err != nil {
			return "", err
		}
		text, _, ok := inst.Text(v, 1<<20)
		if !ok {
			return "", fmt.Errorf("the answer is not a text")
		}
		return string(text), inst.Free(v)
	}
	answer, err := once() // once to warm up
	if err != nil {
		return result{}, err
	}
	n, start := 0, time.Now()
	for ; time.Since(start) < moment; n++ {
		if _, err := once(); err != nil {
			return result{}, err
		}
	}
	return result{answer, float64(time.Since(start).Nanoseconds()) / float64(n)}, nil
}
