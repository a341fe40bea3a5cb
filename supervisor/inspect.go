package supervisor

import (
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/bulkhead-run/bulkhead/internal/assets"
	"github.com/bulkhead-run/bulkhead/internal/outcome"
)

// maxMatches is how often one forbidden pattern is reported.
const maxMatches = 20

func invalid(f FunctionSpec, problems []outcome.Problem) error {
	return &outcome.Error{Outcome: outcome.Invalid, Tenant: f.Tenant, Function: f.Function,
		Detail: "the function cannot be deployed", Problems: problems}
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
	if f.Public && tier.NoPublic {
		add("public", "the tier allows no functions that answer without a token; deploy it without public")
	}
	problems = append(problems, assets.Check(f.Assets, tier.MaxAssets)...)
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
