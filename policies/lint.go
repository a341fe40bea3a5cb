package policies

import (
	"fmt"
	"slices"
	"strings"
)

// Lint finds what is probably not meant: rules that can never decide, rules
// whose refusal reaches calls that it is not about, and, with any known APIs
// given (names, or patterns like those of rules), rules that name none of
// them. A policy works with all of it. The rules of the policies that it
// extends are not looked at.
func (p *Policy) Lint(known []string) []Problem {
	var found []Problem
	for _, l := range p.levels() {
		for i, r := range l.rules {
			if r.origin != l.name {
				continue
			}
			found = append(found, r.lint(known)...)
			if by := shadowing(l.rules[:i], r); by != nil {
				found = append(found, r.place.problem("%s can never decide: %s (line %d) always does before", r.label, by.label, by.place.line))
			}
		}
	}
	return found
}

func (r *rule) lint(known []string) []Problem {
	var found []Problem
	if len(known) > 0 {
		for _, pat := range r.apis {
			if !slices.ContainsFunc(known, func(k string) bool { return pat.covers(apiPattern(k)) || apiPattern(k).covers(pat) }) {
				p := r.place.problem("%s names the API %s, which is not known", r.label, quote(string(pat)))
				p.Suggestion = nearest(string(pat), known)
				found = append(found, p)
			}
		}
	}
	if !r.action.Allows() && !r.unconditional() && slices.Contains(r.apis, "*") {
		found = append(found, r.place.problem("%s refuses every call that lacks what its conditions are about; name the APIs that have it instead of \"*\"", r.label))
	}
	return found
}

// shadowing returns the rule that decides every call that r could decide, or nil.
func shadowing(before []*rule, r *rule) *rule {
	for _, b := range before {
		if b.unconditional() && !slices.ContainsFunc(r.apis, func(a apiPattern) bool {
			return !slices.ContainsFunc(b.apis, func(wide apiPattern) bool { return wide.covers(a) })
		}) {
			return b
		}
	}
	return nil
}

// covers reports whether p matches every name that q does.
func (p apiPattern) covers(q apiPattern) bool {
	if p == "*" || q == "*" {
		return p == "*"
	}
	ps, qs := strings.Split(string(p), "."), strings.Split(string(q), ".")
	if len(ps) != len(qs) {
		return false
	}
	for i := range ps {
		if ps[i] != "*" && ps[i] != qs[i] {
			return false
		}
	}
	return true
}

func (p place) problem(format string, args ...any) Problem {
	return Problem{File: p.file, Line: p.line, Column: p.column, Reason: fmt.Sprintf(format, args...)}
}
