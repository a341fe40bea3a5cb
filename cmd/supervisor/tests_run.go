package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/bulkhead-run/bulkhead/bundle"
	"github.com/bulkhead-run/bulkhead/client"
	"github.com/bulkhead-run/bulkhead/internal/outcome"
	"github.com/bulkhead-run/bulkhead/internal/sourcemap"
	"github.com/bulkhead-run/bulkhead/platform"
	"github.com/bulkhead-run/bulkhead/policies"
	"github.com/bulkhead-run/bulkhead/supervisor"
)

const (
	testMemory  = 64 << 20        // of a file of tests, unless the project says another
	testTimeout = 5 * time.Minute // likewise
	testsAtOnce = 2
)

// testRunner runs files of tests.
type testRunner struct {
	c      *cli.Context
	p      *projectDir
	l      *local
	policy *policies.Policy
	apis   []bundle.TestAPI

	files map[string]*testFile
	mu    sync.Mutex // guards runs
	runs  map[string]*testRun
}

// testFile is a file of tests that is built again and again.
type testFile struct {
	session *bundle.Session
	depends map[string]bool // absolute paths
	failed  bool
}

// testRun is one run of a file.
type testRun struct {
	mu      sync.Mutex
	file    string // as it was named
	root    string // of the paths in the source map
	sources *sourcemap.Map
	started [][]string // tests that have begun and not ended
	entries []testEntry
	receipt *client.Receipt // of the invocation; nil without one
}

// testEntry is a test that has ended, or a line that was logged.
type testEntry struct {
	Path    []string   `json:"path,omitempty"`
	Outcome string     `json:"outcome,omitempty"` // passed, failed, skipped or todo
	MS      float64    `json:"ms,omitempty"`
	Place   string     `json:"place,omitempty"` // FILE:LINE:COLUMN
	Reason  string     `json:"reason,omitempty"`
	Notes   []string   `json:"notes,omitempty"`
	Error   *testError `json:"error,omitempty"`
	Log     string     `json:"log,omitempty"`
	Level   string     `json:"level,omitempty"`
}

// testError is why a test failed.
type testError struct {
	Name     string     `json:"name"`
	Message  string     `json:"message"`
	Stack    string     `json:"stack,omitempty"`
	Actual   *string    `json:"actual,omitempty"`
	Expected *string    `json:"expected,omitempty"`
	Cause    *testError `json:"cause,omitempty"`
	// Problems are those of a file that cannot be built or loaded.
	Problems []outcome.Problem `json:"problems,omitempty"`
	Remedy   string            `json:"remedy,omitempty"`
}

func (e *testError) String() string {
	if e.Name == "" {
		return e.Message
	}
	return e.Name + ": " + e.Message
}

func (r *testRunner) close() {
	for _, f := range r.files {
		f.session.Close()
	}
	if r.l != nil {
		r.l.Close() // what goes wrong now concerns nobody
	}
}

func (r *testRunner) open(dir string) (err error) {
	r.runs = map[string]*testRun{}
	report := platform.API{Name: bundle.ReportAPI, Func: r.report}
	r.l, err = openLocal(r.c, dir, localSetup{
		change: r.p.configure, apis: []platform.API{report},
		options: func(o *supervisor.Options) {
			o.MaxProcesses, o.Watch, o.LoadTimeout = 0, r.listen, 30*time.Second
			o.Tiers = map[string]supervisor.Tier{supervisor.DefaultTier: {MaxMemory: 512 << 20, MaxTimeout: time.Hour, MaxCode: 3 << 20}}
		},
	})
	if err != nil {
		return err
	}
	for _, api := range slices.Concat(r.l.apis.list, r.l.own.list) {
		r.apis = append(r.apis, bundle.TestAPI{Name: api.Name, Sync: api.Sync})
	}
	text := learning // whatever has no stub is stopped before it gets here
	if r.c.Bool("real") {
		name := orText(r.c.String("policy"), orText(r.p.Policy, supervisor.DefaultPolicy))
		text = "version: 1\nname: tests\nextends: [" + name + "]\ndefault: deny\nrules:\n  - {api: " + bundle.ReportAPI + ", action: allow}\n"
		if err := r.giveReal(); err != nil {
			return err
		}
	}
	r.policy, err = policies.Parse("tests.yaml", []byte(text), r.l.policy)
	return err
}

// giveReal stores the project's variables and secrets.
func (r *testRunner) giveReal() error {
	vars := map[string]string{}
	for name, value := range r.p.Env {
		vars[name] = value
	}
	for _, pair := range r.c.StringSlice("env") {
		name, value, _ := strings.Cut(pair, "=")
		vars[name] = value
	}
	if err := r.l.apis.data.PutVars(localTenant, "", vars); err != nil {
		return err
	}
	values, _, err := r.p.secretValues()
	if err != nil {
		return err
	}
	for name, value := range values {
		if err := r.l.apis.data.PutSecret(localTenant, secretOf(name, r.p.Secrets[name]), value); err != nil {
			return err
		}
	}
	return nil
}

// run runs files and reports them in their order. failed tells whether a test
// failed.
func (r *testRunner) run(report reporter, files []string) (failed bool, err error) {
	started := time.Now()
	done := make([]chan *testRun, len(files))
	room := make(chan struct{}, testsAtOnce)
	ctx, cancel := context.WithCancel(r.c.Context)
	defer cancel()
	var running sync.WaitGroup
	defer running.Wait()
	defer cancel()
	for i, file := range files {
		done[i] = make(chan *testRun, 1)
		f := r.files[file]
		if f == nil {
			f = &testFile{session: bundle.NewSession(file, bundle.Options{Test: &bundle.Tests{APIs: r.apis}})}
			r.files[file] = f
		}
		running.Go(func() {
			room <- struct{}{}
			defer func() { <-room }()
			done[i] <- r.runFile(ctx, fmt.Sprintf("test-%d", i), file, f)
		})
	}
	for i := range files {
		run := <-done[i]
		if canceled(r.c.Context, r.c.Context.Err()) {
			return false, exitStatus(1)
		}
		report.file(run)
	}
	return report.end(time.Since(started))
}

func (r *testRunner) runFile(ctx context.Context, function, file string, f *testFile) *testRun {
	run := &testRun{file: file}
	if ctx.Err() != nil {
		return run
	}
	built, err := f.session.Build(ctx)
	f.depends = map[string]bool{}
	for _, path := range f.session.Files() {
		f.depends[path] = true
	}
	if abs, err := filepath.Abs(file); err == nil {
		run.root = bundle.Root(abs)
	}
	if err == nil {
		run.sources, _ = sourcemap.Parse([]byte(built.SourceMap))
		err = r.invoke(ctx, function, built, run)
	}
	if err != nil {
		run.broken(err)
	}
	f.failed = slices.ContainsFunc(run.entries, func(e testEntry) bool { return e.Outcome == "failed" })
	return run
}

func (r *testRunner) invoke(ctx context.Context, function string, built *bundle.Result, run *testRun) error {
	r.mu.Lock()
	r.runs[function] = run
	r.mu.Unlock()
	event, err := json.Marshal(map[string]any{
		"filter": r.c.String("filter"), "timeout": r.c.Duration("timeout").Milliseconds(), "real": r.c.Bool("real"),
	})
	if err != nil {
		return err
	}
	spec := supervisor.FunctionSpec{
		Tenant: localTenant, Function: function, Code: built.Code, SourceMap: built.SourceMap,
		Memory: testMemory, Timeout: testTimeout, Concurrency: 1,
	}
	if m := r.p.Tests.Memory; m != 0 {
		spec.Memory = int64(m)
	}
	if d := r.p.Tests.Timeout; d != 0 {
		spec.Timeout = time.Duration(d)
	}
	result, err := r.l.Run(ctx, spec, r.policy, event)
	if result.Invocation != "" {
		receipt := receiptOf(&result.Receipt)
		run.receipt = &receipt
	}
	return err
}

// broken adds what ended a file's run before all its tests had: to the test
// that ran, if one did.
func (run *testRun) broken(err error) {
	var wrong *bundle.Error
	if errors.As(err, &wrong) {
		err = &outcome.Error{Outcome: outcome.Invalid, Detail: "the file cannot be built", Problems: bundleProblems(wrong.Messages)}
	}
	about := describe(err)
	e := &testError{Message: about.Detail, Problems: about.Problems}
	if x := about.Exception; x != nil && strings.Contains(about.Detail, x.String()) {
		e.Name, e.Message, e.Stack = x.Name, x.Message, x.Stack
	}
	if outcome.Of(err) == outcome.Deadline || outcome.Of(err) == outcome.Memory {
		e.Remedy = "raise tests.timeout or tests.memory in " + projectName + ", or look for a loop that does not end"
	}
	run.mu.Lock()
	defer run.mu.Unlock()
	path := []string{"(loading)"}
	if n := len(run.started); n > 0 {
		path = run.started[n-1]
	} else if len(run.entries) > 0 {
		path = []string{"(the file)"}
	}
	run.entries = append(run.entries, testEntry{Path: path, Outcome: "failed", Error: e})
}

// report is the platform API by which tests tell how they go.
func (r *testRunner) report(_ context.Context, call *platform.Call) (any, error) {
	r.mu.Lock()
	run := r.runs[call.Function]
	r.mu.Unlock()
	var text string
	var m struct {
		Type string `json:"type"`
		testEntry
	}
	if len(call.Args) != 1 || run == nil || json.Unmarshal(call.Args[0], &text) != nil || json.Unmarshal([]byte(text), &m) != nil {
		return nil, platform.TypeErrorf("this is for the test library alone")
	}
	run.mu.Lock()
	defer run.mu.Unlock()
	if m.Type == "start" {
		run.started = append(run.started, m.Path)
		return nil, nil
	}
	run.started = slices.DeleteFunc(run.started, func(p []string) bool { return slices.Equal(p, m.Path) })
	e := m.testEntry
	e.Place = run.first(e.Place)
	for x := e.Error; x != nil; x = x.Cause {
		x.Stack = run.stack(x.Stack)
	}
	run.entries = append(run.entries, e)
	return nil, nil
}

// first is the first place of a stack that is in a file of the user's.
func (run *testRun) first(stack string) string {
	for line := range strings.Lines(run.stack(stack)) {
		if at := stackPlace.FindStringSubmatch(line); at != nil {
			return at[1] + ":" + at[2] + ":" + at[3]
		}
	}
	return ""
}

// stack puts sources' places into a stack, and drops the test library's lines.
func (run *testRun) stack(stack string) string {
	var out []string
	for line := range strings.Lines(stack) {
		line = strings.TrimSpace(line)
		at := stackPlace.FindStringSubmatchIndex(line)
		if at == nil || run.sources == nil {
			continue
		}
		row, _ := strconv.Atoi(line[at[4]:at[5]])
		column, _ := strconv.Atoi(line[at[6]:at[7]])
		p, ok := run.sources.Find(row, column)
		if !ok || strings.HasPrefix(p.Source, "bulkhead:") {
			continue
		}
		out = append(out, fmt.Sprintf("%s%s:%d:%d%s", line[:at[2]], p.Source, p.Line, p.Column, line[at[7]:]))
	}
	return strings.Join(out, "\n")
}

// listen takes what tests log.
func (r *testRunner) listen(_, function, _ string) supervisor.Watch {
	return supervisor.Watch{Log: func(l supervisor.Log) {
		r.mu.Lock()
		run := r.runs[function]
		r.mu.Unlock()
		if run == nil {
			return
		}
		run.mu.Lock()
		defer run.mu.Unlock()
		run.entries = append(run.entries, testEntry{Log: l.Message, Level: strings.ToLower(l.Level.String())})
	}}
}
