// Command engine compares Bulkhead's JavaScript engine, computing in one warm
// instance, with what a user would pick instead, in one run:
//
//	make bench-engine
//
// The peers are the Go API of github.com/fastschema/qjs (the same QuickJS),
// github.com/dop251/goja (an interpreter in Go) and the npm package
// quickjs-emscripten (QuickJS in Node). Each is a program of its own in
// bench/peers that reads one JSON object, {"Moment": nanoseconds, "Workloads":
// {name: source}}, where a source's value is a function; calls each function for
// that moment; and prints {name: {"Answer": text, "Ns": nanoseconds per call}}.
// All engines must give the same answers. Every figure is the median of several
// runs, in which the engines take turns. A peer that cannot be built or
// installed is left out, and the reason printed.
package main

import (
	"bytes"
	"context"
	"embed"
	"encoding/json"
	"flag"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"os/signal"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"text/tabwriter"
	"time"
)

//go:embed workloads/*.js
var workloads embed.FS

const emscripten = "quickjs-emscripten@0.32.0"

type request struct {
	Moment    time.Duration
	Workloads map[string]string
}

type result struct {
	Answer string
	Ns     float64
}

// contender is an engine in the comparison.
type contender struct {
	name string
	run  func(request) (map[string]result, error)
	ns   map[string][]float64 // per workload, one for each run
}

func main() {
	runs := flag.Int("runs", 5, "runs of each engine; the median counts")
	moment := flag.Duration("moment", 200*time.Millisecond, "how long each workload runs each time")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := compare(ctx, *runs, *moment); err != nil {
		fmt.Fprintln(os.Stderr, "bench/engine:", err)
		os.Exit(1)
	}
}

func compare(ctx context.Context, runs int, moment time.Duration) error {
	r := request{moment, make(map[string]string)}
	files, err := workloads.ReadDir("workloads")
	if err != nil {
		return err
	}
	for _, f := range files {
		source, err := workloads.ReadFile(path.Join("workloads", f.Name()))
		if err != nil {
			return err
		}
		r.Workloads[strings.TrimSuffix(f.Name(), ".js")] = string(source)
	}
	dir, err := os.MkdirTemp("", "bulkhead-bench-engine")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	ours, err := newBulkhead(ctx)
	if err != nil {
		return err
	}
	defer ours.close()
	contenders := []*contender{{name: "bulkhead", run: ours.run}}
	for _, p := range []struct {
		name    string
		prepare func(ctx context.Context, dir string) ([]string, error)
	}{
		{"qjs's Go API", func(ctx context.Context, dir string) ([]string, error) { return buildPeer(ctx, dir, "qjs", "suite") }},
		{"goja", func(ctx context.Context, dir string) ([]string, error) { return buildPeer(ctx, dir, "goja") }},
		{"quickjs-emscripten", installEmscripten},
	} {
		command, err := p.prepare(ctx, dir)
		if err != nil {
			fmt.Fprintf(os.Stderr, "skipped: %s: %v\n", p.name, err)
			continue
		}
		contenders = append(contenders, &contender{name: p.name, run: func(r request) (map[string]result, error) { return runPeer(ctx, command, r) }})
	}
	if err := measure(contenders, r, runs); err != nil {
		return err
	}
	return report(contenders, slices.Sorted(maps.Keys(r.Workloads)), runs)
}

// buildPeer builds a Go program of bench/peers, a module of its own.
func buildPeer(ctx context.Context, dir, name string, args ...string) ([]string, error) {
	binary := filepath.Join(dir, name)
	cmd := exec.CommandContext(ctx, "go", "build", "-o", binary, ".")
	cmd.Dir = filepath.Join("bench", "peers", name)
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("go build: %w: %s", err, bytes.TrimSpace(out))
	}
	return append([]string{binary}, args...), nil
}

// installEmscripten installs the npm package where it is gone afterwards.
func installEmscripten(ctx context.Context, dir string) ([]string, error) {
	if _, err := exec.LookPath("node"); err != nil {
		return nil, err
	}
	if err := os.WriteFile(filepath.Join(dir, "package.json"), []byte(`{"private":true}`), 0o600); err != nil {
		return nil, err
	}
	cmd := exec.CommandContext(ctx, "npm", "install", "--no-audit", "--no-fund", "--ignore-scripts", emscripten)
	cmd.Dir = dir
	if out, err := cmd.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("npm install %s: %w: %s", emscripten, err, bytes.TrimSpace(out))
	}
	return []string{"node", filepath.Join("bench", "peers", "quickjs-emscripten", "main.mjs"), dir}, nil
}

func runPeer(ctx context.Context, command []string, r request) (map[string]result, error) {
	in, err := json.Marshal(r)
	if err != nil {
		return nil, err
	}
	cmd := exec.CommandContext(ctx, command[0], command[1:]...)
	cmd.Stdin, cmd.Stderr = bytes.NewReader(in), os.Stderr
	out, err := cmd.Output()
	if err != nil {
		return nil, err
	}
	var results map[string]result
	return results, json.Unmarshal(out, &results)
}

// measure runs the engines in turn, and compares their answers with the first
// one's.
func measure(contenders []*contender, r request, runs int) error {
	answers := make(map[string]string)
	for n := range runs {
		fmt.Fprintf(os.Stderr, "run %d of %d...\n", n+1, runs)
		for _, c := range contenders {
			results, err := c.run(r)
			if err != nil {
				return fmt.Errorf("%s: %w", c.name, err)
			}
			if c.ns == nil {
				c.ns = make(map[string][]float64)
			}
			for name := range r.Workloads {
				got := results[name]
				want, known := answers[name]
				if !known {
					want, answers[name] = got.Answer, got.Answer
				}
				if got.Answer == "" || got.Answer != want || got.Ns <= 0 {
					return fmt.Errorf("%s: %s gave %q, want %q", c.name, name, got.Answer, want)
				}
				c.ns[name] = append(c.ns[name], got.Ns)
			}
		}
	}
	return nil
}

// report prints how long ours takes, and how many times as long each other.
func report(contenders []*contender, names []string, runs int) error {
	fmt.Printf("time per call of ours, and how many times as long the others take: above 1.00x ours is faster; median of %d runs\n\n", runs)
	w := tabwriter.NewWriter(os.Stdout, 0, 4, 2, ' ', tabwriter.AlignRight)
	fmt.Fprint(w, "workload\t")
	for _, c := range contenders {
		fmt.Fprintf(w, "%s\t", c.name)
	}
	fmt.Fprintln(w)
	ratios := make([][]float64, len(contenders))
	for _, name := range names {
		ours := median(contenders[0].ns[name])
		fmt.Fprintf(w, "%s\t%.2f ms\t", name, ours/1e6)
		for n, c := range contenders[1:] {
			ratio := median(c.ns[name]) / ours
			ratios[n+1] = append(ratios[n+1], ratio)
			fmt.Fprintf(w, "%.2fx\t", ratio)
		}
		fmt.Fprintln(w)
	}
	fmt.Fprint(w, "median\t\t")
	for _, r := range ratios[1:] {
		fmt.Fprintf(w, "%.2fx\t", median(r))
	}
	fmt.Fprintln(w)
	return w.Flush()
}

func median(values []float64) float64 {
	s := slices.Sorted(slices.Values(values))
	return s[len(s)/2]
}
