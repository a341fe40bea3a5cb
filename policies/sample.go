package policies

import (
	"slices"
	"strings"
)

// maxSamples bounds the calls that are tried on two policies to compare them.
const maxSamples = 5_000

// Values that no sensible rule names.
const (
	otherHost = "other.invalid"
	otherName = "other-name"
)

// sampler makes calls at the edges of what rules say: for each of them calls
// for which it holds, and their neighbours that differ in one or two
// attributes.
type sampler struct {
	// edges are, for each condition, the ways to set what it is about.
	edges [nameField + 1][]func(*Attributes)
}

// learn adds the edges of a rule's conditions; of one that both policies have,
// a single one for each condition.
func (s *sampler) learn(r *rule, common bool) {
	for _, f := range r.when.set {
		edges := r.when.edges(f)
		if common {
			edges = edges[:min(1, len(edges))]
		}
		s.edges[f] = append(s.edges[f], edges...)
	}
}

// each calls try with every sample until it has had enough.
func (s *sampler) each(rules []*rule, try func(Attributes)) {
	left := maxSamples
	one := func(a Attributes) bool {
		try(a)
		left--
		return left > 0
	}
	bases := []Attributes{{}, others()}
	for _, r := range rules {
		for _, base := range []Attributes{{}, others()} {
			for _, f := range r.when.set {
				if edges := r.when.edges(f); len(edges) > 0 {
					edges[0](&base)
				}
			}
			bases = append(bases, base)
		}
	}
	for _, base := range bases {
		if !one(base) {
			return
		}
		for f := range s.edges {
			for _, set := range s.edges[f] {
				a := base
				if set(&a); !one(a) {
					return
				}
			}
		}
	}
	for _, base := range bases {
		for f := range s.edges {
			for g := f + 1; g < len(s.edges); g++ {
				for _, set := range s.edges[f] {
					for _, also := range s.edges[g] {
						a := base
						set(&a)
						if also(&a); !one(a) {
							return
						}
					}
				}
			}
		}
	}
}

// others has every attribute, and none that a rule would name.
func others() Attributes {
	return Attributes{
		Scheme: "https", Host: otherHost, Port: 1, Method: "GET", Path: "/" + otherName, Statement: "other", Tables: []string{otherName},
		Key: otherName, Name: otherName,
	}
}

// edges returns ways to meet a condition, the plainest first, and to just miss it.
func (c *conditions) edges(f field) (edges []func(*Attributes)) {
	add := func(set func(*Attributes)) { edges = append(edges, set) }
	o := others()
	switch f {
	case schemeField:
		for _, v := range slices.Concat(c.schemes, schemes, []string{""}) {
			add(func(a *Attributes) { a.Scheme = v })
		}
	case hostField:
		for _, v := range append(slices.Clone(c.hosts.patterns), otherHost, "") {
			add(func(a *Attributes) { a.Host = strings.Replace(v, "*", "any", 1) })
		}
	case portField:
		for _, v := range append(slices.Clone(c.ports), o.Port, 0) {
			add(func(a *Attributes) { a.Port = v })
		}
	case methodField:
		for _, v := range slices.Concat(c.methods, methods, []string{""}) {
			add(func(a *Attributes) { a.Method = v })
		}
	case pathField:
		for _, v := range append(slices.Clone(c.plain), o.Path, "") {
			add(func(a *Attributes) { a.Path = v })
			if v != "" {
				add(func(a *Attributes) { a.Path = strings.TrimSuffix(v, "/") + "/any" })
			}
		}
	case statementField:
		for _, v := range slices.Concat(c.statements, statements) {
			add(func(a *Attributes) { a.Statement = v })
		}
		add(func(a *Attributes) { a.Statement, a.Tables = "", nil })
	case tableField:
		for _, v := range c.tables.patterns {
			v = strings.Replace(v, "*", "any", 1)
			add(func(a *Attributes) { a.Tables = []string{v} })
			add(func(a *Attributes) { a.Tables = []string{v, otherName} })
		}
		add(func(a *Attributes) { a.Tables = nil })
	case keyField:
		for _, v := range append(slices.Clone(c.keys), o.Key, "") {
			add(func(a *Attributes) { a.Key = v })
			add(func(a *Attributes) { a.Key, a.Prefix = v[:max(0, len(v)-1)], true })
		}
	case sizeField:
		for _, v := range []int64{c.size.bytes, c.size.bytes + 1, 0, -1} {
			add(func(a *Attributes) { a.Size = v })
		}
		if c.size.over {
			edges[0], edges[1] = edges[1], edges[0]
		}
	case nameField:
		for _, v := range append(slices.Clone(c.names.patterns), otherName, "") {
			add(func(a *Attributes) { a.Name = strings.Replace(v, "*", "any", 1) })
		}
	}
	return edges
}
