// Command bench measures every performance claim of the project, next to what a
// user would pick instead, in one run:
//
//	make bench
//
// Each figure is the median of several runs (-runs), and a peer's runs are
// taken in turn with ours, so that a machine whose speed drifts drifts for
// both. Quote ratios rather than times: machines differ.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"text/tabwriter"
)

func main() {
	runs := flag.Int("runs", 5, "runs of each measurement; the median counts")
	only := flag.String("only", "", "measure only the steps whose names contain this")
	attacked := flag.String("attack", "", "send without end to the supervisor at this address, for the tenants that are named; used by the bench itself")
	spin := flag.Bool("spin", false, "compute without end; used by the bench itself")
	document := flag.String("write", "", "put the rows into the table of this file, SPECIFICATION.md, in the place of what these steps measured before")
	event := flag.String("event", "", "what -attack sends")
	flag.Parse()
	if *spin {
		for n := 0; n >= 0; n++ { // as good as without end
		}
	}
	if *attacked != "" {
		if err := flood(*attacked, *event, flag.Args()); err != nil {
			fmt.Fprintln(os.Stderr, "bench:", err)
			os.Exit(1)
		}
		return
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, *runs, *only, *document); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// row is one claim.
type row struct {
	step, what, figure, target string
	ok                         bool
}

// mark says whether the row reaches its target: "" without one.
func (r row) mark() string {
	switch {
	case !r.ok:
		return "missed"
	case r.target != "":
		return "kept"
	}
	return ""
}

// bench is one run of the command.
type bench struct {
	ctx  context.Context
	runs int
	dir  string // scratch: binaries and data
	step string // the name of the one that runs
	rows []row
}

// steps are what is measured, in this order.
var steps = []struct {
	name string
	run  func(*bench) error
}{
	{"building", build},
	{"invocations in one process", invocations},
	{"deadlines and computing", deadlines},
	{"policies and the audit log", verdicts},
	{"the lock-down", lockdown},
	{"over HTTP", overHTTP},
	{"functions over HTTP", functionsOverHTTP},
	{"receipts", receipts},
	{"host calls", hostCalls},
	{"kills", kills},
	{"recovery", recoveries},
	{"neighbours", neighbours},
	{"idle processes", idleProcesses},
	{"dev", reloads},
}

func run(ctx context.Context, runs int, only, document string) error {
	dir, err := os.MkdirTemp("", "bulkhead-bench")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	b := &bench{ctx: ctx, runs: runs, dir: dir}
	for _, step := range steps {
		if step.name != "building" && !strings.Contains(step.name, only) {
			continue
		}
		fmt.Fprintf(os.Stderr, "%s...\n", step.name)
		b.step = step.name
		if err := step.run(b); err != nil {
			return fmt.Errorf("%s: %w", step.name, err)
		}
	}
	if err := b.print(); err != nil || document == "" {
		return err
	}
	return b.write(document)
}

func (b *bench) add(what, target string, ok bool, figure string, args ...any) {
	b.rows = append(b.rows, row{b.step, what, fmt.Sprintf(figure, args...), target, ok})
}

// machine says what was measured on.
func (b *bench) machine() string {
	return fmt.Sprintf("%s, %d processors, %s, median of %d runs", processor(), runtime.NumCPU(), runtime.Version(), b.runs)
}

func (b *bench) print() error {
	fmt.Printf("%s\n\n", b.machine())
	w := tabwriter.NewWriter(os.Stdout, 0, 4, 2, ' ', 0)
	fmt.Fprintln(w, "what\tmeasured\tto reach\t")
	for _, r := range b.rows {
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\n", r.what, r.figure, r.target, r.mark())
	}
	return w.Flush()
}

// processor names the machine's processor.
func processor() string {
	info, err := os.ReadFile("/proc/cpuinfo")
	if err != nil {
		return runtime.GOARCH
	}
	for line := range strings.Lines(string(info)) {
		if name, ok := strings.CutPrefix(line, "model name"); ok {
			return strings.Trim(name, "\t :\n")
		}
	}
	return runtime.GOARCH
}

// build makes the binaries that are measured, as make build does.
func build(b *bench) error {
	for _, c := range []struct {
		dir  string
		args []string
	}{
		{".", []string{"build", "-trimpath", "-o", b.dir + "/", "./cmd/supervisor", "./cmd/sandbox", "./cmd/database"}},
		{".", []string{"test", "-c", "-o", b.path("sandbox.test"), "./sandbox"}},
		{".", []string{"test", "-c", "-o", b.path("quickjs.test"), "./sandbox/quickjs"}},
		{".", []string{"test", "-c", "-o", b.path("policies.test"), "./policies"}},
		{".", []string{"test", "-c", "-o", b.path("audit.test"), "./internal/audit"}},
		{".", []string{"test", "-c", "-o", b.path("supervisor.test"), "./supervisor"}},
		{".", []string{"test", "-c", "-o", b.path("gateway.test"), "./gateway"}},
		{"bench/peers/qjs", []string{"build", "-o", b.path("qjs"), "."}},
	} {
		cmd := exec.CommandContext(b.ctx, "go", c.args...)
		cmd.Dir, cmd.Stderr = c.dir, os.Stderr
		cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
		if err := cmd.Run(); err != nil {
			return fmt.Errorf("go %s: %w", c.args[0], err)
		}
	}
	return nil
}

func (b *bench) path(name string) string { return filepath.Join(b.dir, name) }

func median(values []float64) float64 {
	s := slices.Sorted(slices.Values(values))
	return s[len(s)/2]
}

// percentile returns the value that this share of values does not exceed.
func percentile(values []float64, share float64) float64 {
	s := slices.Sorted(slices.Values(values))
	return s[min(int(float64(len(s))*share), len(s)-1)]
}
