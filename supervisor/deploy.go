package supervisor

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/bulkhead-run/bulkhead/internal/outcome"
	"github.com/bulkhead-run/bulkhead/internal/snapshots"
	"github.com/bulkhead-run/bulkhead/internal/store"
	"github.com/bulkhead-run/bulkhead/ipc/sandboxpb"
)

const (
	// maxChecks is how many deploys are checked at once.
	maxChecks = 4
	// maxMatches is how often one forbidden pattern is reported.
	maxMatches = 20
)

// Deploy checks a function and makes it the one that is invoked from now on;
// invocations that are running finish with the version they began with. It
// either returns the new version, or changes nothing. Deploying what is
// deployed already changes nothing either, and returns it.
//
// The error's outcome is NotFound when there is no such tenant and Invalid when
// something is wrong with the code or a setting: then Problems holds every
// fault that was found. To find them, the code's top level is run in a sandbox
// process of its own, with the function's memory and Options.LoadTimeout.
func (s *Supervisor) Deploy(ctx context.Context, f FunctionSpec) (Function, error) {
	done, err := s.enter()
	if err != nil {
		return Function{}, err
	}
	defer done()
	t, err := s.Tenant(f.Tenant)
	if err != nil {
		return Function{}, err
	}
	f = f.withDefaults(s.tiers()[t.Tier])
	unlock, err := s.deploys.lock(ctx, f.Tenant+"/"+f.Function)
	if err != nil {
		return Function{}, contextError(f.Tenant, f.Function, err)
	}
	defer unlock()

	version := versionOf(f)
	if old, err := s.store.Function(f.Tenant, f.Function); err == nil && old.Version == version && len(f.Problems) == 0 {
		return fromStore(old), nil
	}
	if err := s.shedder.refuse(scarce, f.Tenant, f.Function, "a deploy"); err != nil {
		return Function{}, err
	}
	problems := slices.Concat(f.Problems, s.inspect(f, s.tiers()[t.Tier]))
	sources, faults := specTranslation(f)
	problems = append(problems, faults...)
	trial, err := s.tryOut(ctx, f, version, problems)
	if err != nil {
		return Function{}, err
	}
	defer trial.discard()
	problems = append(problems, trial.problems...)
	if sources != nil {
		problems = sources.problems(problems)
	}
	if len(problems) > 0 {
		return Function{}, invalid(f, problems)
	}

	s.registry.Lock()
	defer s.registry.Unlock()
	t, err = s.Tenant(f.Tenant) // it may have changed meanwhile
	if err != nil {
		return Function{}, err
	}
	if problems := s.withinTier(f, s.tiers()[t.Tier]); len(problems) > 0 {
		return Function{}, invalid(f, problems)
	}
	stored, err := s.store.PutFunction(ctx, store.Function{
		Tenant: f.Tenant, Function: f.Function, Version: version, Shape: trial.shape,
		Memory: f.Memory, Timeout: f.Timeout, CPU: f.CPU, Concurrency: f.Concurrency, Isolation: string(f.Isolation), Policy: f.Policy, Public: f.Public,
	}, []byte(f.Code), []byte(f.SourceMap))
	if err != nil {
		return Function{}, storeError(f.Tenant, f.Function, "the function could not be stored", err)
	}
	if r := s.pool.residentOf(f.Tenant); r != nil {
		r.unload(f.Function)
	}
	s.shelf.forget(f.Tenant, f.Function)
	if trial.draft != nil {
		s.shelf.keep(trial.draft)
	}
	s.log.Info("deployed", "tenant", f.Tenant, "function", f.Function, "version", version)
	return fromStore(stored), nil
}

func invalid(f FunctionSpec, problems []outcome.Problem) error {
	return &outcome.Error{Outcome: outcome.Invalid, Tenant: f.Tenant, Function: f.Function,
		Detail: "the function cannot be deployed", Problems: problems}
}

// versionOf names a function's code, its source map and its settings.
func versionOf(f FunctionSpec) string {
	h := sha256.New()
	fmt.Fprintf(h, "%d %d %d %s\n%s", f.Memory, f.Timeout, f.Concurrency, f.Isolation, f.Code)
	if f.CPU != 0 {
		fmt.Fprintf(h, "\x00cpu %d", f.CPU)
	}
	if f.Policy != "" {
		fmt.Fprintf(h, "\x00policy %s", f.Policy)
	}
	if f.Public {
		fmt.Fprint(h, "\x00public")
	}
	if f.SourceMap != "" {
		fmt.Fprintf(h, "\x00%s", f.SourceMap) // no code holds a NUL
	}
	return hex.EncodeToString(h.Sum(nil))[:12]
}

// inspect finds what is wrong with a function without running it.
func (s *Supervisor) inspect(f FunctionSpec, tier Tier) []outcome.Problem {
	var problems []outcome.Problem
	add := func(field, format string, args ...any) {
		problems = append(problems, outcome.Problem{Field: field, Reason: fmt.Sprintf(format, args...)})
	}
	if !validName(f.Function) {
		add("name", nameRule)
	}
	if f.Memory < MinMemory {
		add("memory", "it is %s; the least is %s", formatBytes(f.Memory), formatBytes(MinMemory))
	}
	if f.Timeout < MinTimeout {
		add("timeout", "it is %v; the least is %v", f.Timeout, MinTimeout)
	}
	if f.CPU != 0 && f.CPU < MinCPU {
		add("cpu", "it is %v; the least is %v", f.CPU, MinCPU)
	}
	if f.Concurrency < 1 {
		add("concurrency", "it is %d; the least is 1", f.Concurrency)
	}
	if f.Isolation != Fresh && f.Isolation != Warm {
		add("isolation", "it is %q; it can be %q or %q", f.Isolation, Fresh, Warm)
	}
	if known := s.rules.Load().byName; f.Policy != "" && known[f.Policy] == nil {
		add("policy", "there is no policy %q; there are %s", f.Policy, listed(known))
	}
	problems = append(problems, s.withinTier(f, tier)...)
	return append(problems, s.inspectCode(f.Code, tier)...)
}

// withinTier finds where a function is over its tenant's tier.
func (s *Supervisor) withinTier(f FunctionSpec, tier Tier) []outcome.Problem {
	var problems []outcome.Problem
	add := func(field, format string, args ...any) {
		problems = append(problems, outcome.Problem{Field: field, Reason: fmt.Sprintf(format, args...)})
	}
	if f.Memory > tier.MaxMemory {
		add("memory", "it is %s; the tier's most is %s", formatBytes(f.Memory), formatBytes(tier.MaxMemory))
	}
	if f.Timeout > tier.MaxTimeout {
		add("timeout", "it is %v; the tier's most is %v", f.Timeout, tier.MaxTimeout)
	}
	if tier.MaxCPU > 0 && f.CPU > tier.MaxCPU {
		add("cpu", "it is %v; the tier's most is %v", f.CPU, tier.MaxCPU)
	}
	if f.Concurrency > tier.MaxConcurrency {
		add("concurrency", "it is %d; the tier's most is %d", f.Concurrency, tier.MaxConcurrency)
	}
	functions, err := s.store.Functions(f.Tenant)
	if err == nil && len(functions) >= tier.MaxFunctions {
		if _, err := s.store.Function(f.Tenant, f.Function); err != nil {
			add("name", "the tenant has %d functions already; the tier's most is %d", len(functions), tier.MaxFunctions)
		}
	}
	return problems
}

// inspectCode finds what can be told of code without parsing it.
func (s *Supervisor) inspectCode(code string, tier Tier) []outcome.Problem {
	problem := func(at int, format string, args ...any) outcome.Problem {
		p := outcome.Problem{Field: "code", Reason: fmt.Sprintf(format, args...)}
		if at >= 0 {
			p.Line, p.Column = position(code, at)
		}
		return p
	}
	switch {
	case strings.TrimSpace(code) == "":
		return []outcome.Problem{problem(-1, "it is empty")}
	case len(code) > tier.MaxCode:
		return []outcome.Problem{problem(-1, "it has %d bytes; the tier's most is %d", len(code), tier.MaxCode)}
	case strings.HasPrefix(code, "\x00asm"):
		return []outcome.Problem{problem(-1, "it is a WebAssembly module; it must be JavaScript source")}
	case code[0] < '\t' || code[0] > '\r' && code[0] < ' ':
		return []outcome.Problem{problem(-1, "it is not text (bytecode?); it must be JavaScript source")}
	}
	if i := strings.IndexByte(code, 0); i >= 0 {
		return []outcome.Problem{problem(i, "it holds a NUL byte")}
	}
	if !utf8.ValidString(code) {
		at := 0
		for at < len(code) {
			r, size := utf8.DecodeRuneInString(code[at:])
			if r == utf8.RuneError && size == 1 {
				break
			}
			at += size
		}
		return []outcome.Problem{problem(at, "it is not UTF-8")}
	}
	var problems []outcome.Problem
	for _, p := range s.o.Forbidden {
		for _, at := range p.Regexp.FindAllStringIndex(code, maxMatches) {
			problems = append(problems, problem(at[0], "it is forbidden here (%s): %s", p.Name, p.Reason))
		}
	}
	return problems
}

// position turns an offset into a line and a column in characters, from 1.
func position(text string, offset int) (line, column int) {
	before := text[:offset]
	start := strings.LastIndexByte(before, '\n') + 1
	return strings.Count(before, "\n") + 1, utf8.RuneCountInString(before[start:]) + 1
}

// trial is what came of loading a function once.
type trial struct {
	shape    string
	problems []outcome.Problem
	draft    *snapshots.Draft // its snapshot, or nil
}

func (t *trial) discard() {
	if t.draft != nil {
		t.draft.Discard()
	}
}

func faulty(problems ...outcome.Problem) *trial { return &trial{problems: problems} }

// tryOut loads a function in a process that is thrown away. Limits that are
// known to be wrong are replaced, so that the code's own faults are found too.
// The caller discards the trial.
func (s *Supervisor) tryOut(ctx context.Context, f FunctionSpec, version string, known []outcome.Problem) (*trial, error) {
	for _, p := range known {
		switch p.Field {
		case "code":
			if p.Line == 0 || strings.IndexByte(f.Code, 0) >= 0 || !utf8.ValidString(f.Code) {
				return faulty(), nil // not a text that could be loaded
			}
		case "memory":
			f.Memory = DefaultMemory
		case "concurrency":
			f.Concurrency = DefaultConcurrency
		}
	}
	if !validName(f.Function) {
		f.Function = "function"
	}
	select {
	case s.checks <- struct{}{}:
		defer func() { <-s.checks }()
	case <-ctx.Done():
		return nil, contextError(f.Tenant, f.Function, ctx.Err())
	}
	r, err := s.pool.assign(f.Tenant)
	if err != nil {
		return nil, err
	}
	defer r.kill(causeSpent, nil)
	set := settingsOf(f, version)
	v, _, err := r.load(ctx, set, func(context.Context) (string, error) { return f.Code, nil })
	if err == nil {
		t := &trial{shape: shapeName(v.shape)}
		if len(known) == 0 {
			t.draft = r.export(set, v)
		}
		return t, nil
	}
	var e *outcome.Error
	switch {
	case ctx.Err() != nil:
		return nil, contextError(f.Tenant, f.Function, ctx.Err())
	case errors.Is(err, errLost):
		return faulty(outcome.Problem{Field: "code", Reason: "its top level brings its sandbox process down"}), nil
	case !errors.As(err, &e):
		return nil, internal(f.Tenant, f.Function, "the code could not be checked", err)
	case e.Outcome == outcome.Internal:
		return nil, e
	case len(e.Problems) > 0:
		return faulty(e.Problems...), nil
	default:
		return faulty(outcome.Problem{Field: "code", Reason: e.Detail}), nil
	}
}

func settingsOf(f FunctionSpec, version string) settings {
	return settings{f.Function, version, f.Memory, f.Timeout, f.CPU, f.Concurrency, f.Isolation, false}
}

func shapeName(s sandboxpb.Shape) string {
	name := strings.TrimPrefix(s.String(), "SHAPE_")
	return strings.ReplaceAll(strings.ToLower(name), "_", "-")
}
