package main

import (
	"fmt"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
)

// benchLine is a line of go test's benchmark output: a name, then values with
// units.
var benchLine = regexp.MustCompile(`^(Benchmark\S+?)(?:-\d+)?\s+\d+\s+(.*)$`)

// goBench runs benchmarks of a test binary once and returns name and unit to
// value.
func (b *bench) goBench(binary, pattern, benchtime string) (map[string]float64, error) {
	cmd := exec.CommandContext(b.ctx, b.path(binary), "-test.run=^$", "-test.bench="+pattern, "-test.benchtime="+benchtime)
	out, err := cmd.CombinedOutput()
	if err != nil {
		return nil, fmt.Errorf("%s -test.bench=%s: %w\n%s", binary, pattern, err, out)
	}
	values := make(map[string]float64)
	for line := range strings.Lines(string(out)) {
		m := benchLine.FindStringSubmatch(strings.TrimSpace(line))
		if m == nil {
			continue
		}
		fields := strings.Fields(m[2])
		for i := 0; i+1 < len(fields); i += 2 {
			v, err := strconv.ParseFloat(fields[i], 64)
			if err != nil {
				return nil, fmt.Errorf("%s: %q", binary, line)
			}
			values[strings.TrimPrefix(m[1], "Benchmark")+" "+fields[i+1]] = v
		}
	}
	if len(values) == 0 {
		return nil, fmt.Errorf("%s -test.bench=%s printed no figures:\n%s", binary, pattern, out)
	}
	return values, nil
}

// invocations compares a fresh-state invocation with a call through qjs's Go
// API, which keeps state.
func invocations(b *bench) error {
	var fresh, large, warm, peer, instance []float64
	for range b.runs {
		v, err := b.goBench("sandbox.test", "^Benchmark(Invocation|NewInstance)$", "1s")
		if err != nil {
			return err
		}
		fresh = append(fresh, v["Invocation/fresh ns/op"])
		large = append(large, v["Invocation/bundle ns/op"])
		warm = append(warm, v["Invocation/warm ns/op"])
		instance = append(instance, v["NewInstance ns/op"])
		out, err := exec.CommandContext(b.ctx, b.path("qjs")).Output()
		if err != nil {
			return fmt.Errorf("the qjs peer: %w", err)
		}
		ns, err := strconv.ParseFloat(strings.TrimSpace(string(out)), 64)
		if err != nil {
			return fmt.Errorf("the qjs peer printed %q", out)
		}
		peer = append(peer, ns)
	}
	f, p := median(fresh)/1000, median(peer)/1000
	b.add("fresh-state invocation in one process", "≤ 30 µs", f <= 30, "%.1f µs", f)
	b.add("  beside qjs's Go API, without fresh state", "≥ 1.5x faster", p/f >= 1.5, "%.1f µs, %.1fx", p, p/f)
	b.add("  with isolation: warm", "", true, "%.1f µs", median(warm)/1000)
	l, i := median(large)/1000, median(instance)/1000
	b.add("  of a function of 2 MiB", "≤ 80 µs", l <= 80, "%.1f µs", l)
	b.add("new instance of a loaded function", "≤ 250 µs", i <= 250, "%.0f µs", i)
	v, err := b.goBench("sandbox.test", "^BenchmarkLoad$", "1s")
	if err != nil {
		return err
	}
	b.add("loading a small function", "", true, "%.1f ms", v["Load/small ns/op"]/1e6)
	b.add("  of 500 KiB", "", true, "%.0f ms", v["Load/500KiB ns/op"]/1e6)
	return nil
}

func deadlines(b *bench) error {
	var overHook, overWazero, pause []float64
	for range b.runs {
		v, err := b.goBench("quickjs.test", "^BenchmarkCompute$", "1s")
		if err != nil {
			return err
		}
		hook := v["Compute/hook ns/op"]
		overHook = append(overHook, v["Compute/unchecked ns/op"]/hook)
		overWazero = append(overWazero, v["Compute/CloseOnContextDone ns/op"]/hook)
		if v, err = b.goBench("quickjs.test", "^BenchmarkGCPause$", "1x"); err != nil {
			return err
		}
		pause = append(pause, v["GCPause max-pause-ms"])
	}
	// One run is 200 loops of 100 ms already.
	v, err := b.goBench("quickjs.test", "^BenchmarkDeadline$", "1x")
	if err != nil {
		return err
	}
	late := v["Deadline p99-late-µs"] / 1000
	b.add("endless loop, 100 ms deadline: stops late by, p99 of 200", "≤ 5 ms", late <= 5, "%.2f ms", late)
	h, w := median(overHook), median(overWazero)
	b.add("computing with the hook, beside no check", "≥ 0.95x", h >= 0.95, "%.2fx", h)
	b.add("computing with the hook, beside CloseOnContextDone", "≥ 6x", w >= 6, "%.1fx", w)
	p := median(pause)
	b.add("longest GC pause while functions compute", "≤ 10 ms", p <= 10, "%.2f ms", p)
	return nil
}

// verdicts measures what the policy and the audit log add to a host call.
func verdicts(b *bench) error {
	var rules, cel, audit []float64
	var allocations float64
	for range b.runs {
		v, err := b.goBench("policies.test", "^BenchmarkEvaluate$/^(chain|CEL)$", "1s")
		if err != nil {
			return err
		}
		rules = append(rules, v["Evaluate/chain ns/op"])
		cel = append(cel, v["Evaluate/CEL ns/op"])
		allocations = v["Evaluate/chain allocs/op"]
		if v, err = b.goBench("audit.test", "^BenchmarkRecord$", "1s"); err != nil {
			return err
		}
		audit = append(audit, v["Record ns/op"])
	}
	r, c := median(rules)/1000, median(cel)/1000
	b.add("policy verdict: three levels, 200 rules, 1,000 hosts", "≤ 2 µs", r <= 2, "%.2f µs", r)
	b.add("  allocations", "0", allocations == 0, "%.0f", allocations)
	b.add("  with an expression in CEL", "≤ 10 µs", c <= 10, "%.2f µs", c)
	b.add("an entry in the audit log", "", true, "%.2f µs", median(audit)/1000)
	return nil
}
