package policies

import (
	"crypto/sha256"
	"encoding/hex"
	"strings"
)

func digest(data []byte, extended []*Policy) string {
	h := sha256.New()
	h.Write(data)
	for _, e := range extended {
		h.Write([]byte("\x00" + e.digest)) // no document holds a NUL
	}
	return hex.EncodeToString(h.Sum(nil))
}

// compile builds what Evaluate needs from p.own and the policies it extends.
func (p *Policy) compile(extended []*Policy) {
	for _, r := range p.own {
		p.rules = append(p.rules, r.in(p.name, r.label))
	}
	seen := map[string]bool{}
	for _, e := range extended {
		for _, r := range e.rules {
			label := r.label
			if r.origin == e.name {
				label = e.name + "." + label
			}
			// Two extended policies may share a base: its rules count once,
			// where they come first.
			if seen[label] {
				continue
			}
			seen[label] = true
			p.rules = append(p.rules, r.in(p.name, label))
		}
	}
	p.fallback = p.fallback.in(p.name, "default")
	p.byName = newIndex(p.rules)
}

// index finds the rules that may match an API's name.
type index struct {
	// exact maps every name that some rule has in full to the rules that
	// name it; others are found by their first segment.
	exact map[string][]candidate
	heads map[string][]candidate
	// wild are the rules that match any first segment.
	wild []candidate
}

func newIndex(rules []*rule) index {
	x := index{exact: map[string][]candidate{}, heads: map[string][]candidate{}}
	for _, r := range rules {
		for _, pat := range r.apis {
			if !pat.wild() {
				x.exact[string(pat)] = nil
			} else if head := pat.head(); head != "*" {
				x.heads[head] = nil
			}
		}
	}
	for _, r := range rules {
		var wild bool
		heads := map[string]bool{}
		for _, pat := range r.apis {
			switch head := pat.head(); {
			case !pat.wild():
				x.exact[string(pat)] = add(x.exact[string(pat)], r)
			case head == "*":
				wild = true
			default:
				heads[head] = true
			}
		}
		if wild {
			x.wild = add(x.wild, r)
		}
		for head := range x.heads {
			if wild || heads[head] {
				x.heads[head] = add(x.heads[head], r)
			}
		}
		if wild || len(heads) > 0 {
			for name := range x.exact {
				head, _, _ := strings.Cut(name, ".")
				if (wild || heads[head]) && r.names(name) {
					x.exact[name] = add(x.exact[name], r)
				}
			}
		}
	}
	return x
}

// add appends r, unless it is there already.
func add(rules []candidate, r *rule) []candidate {
	if len(rules) > 0 && rules[len(rules)-1].rule == r {
		return rules
	}
	return append(rules, candidate{r, r.when.domains()})
}

// candidates returns the rules that may match api, in their order; named says
// that they do name it, and only their conditions are left to check.
func (x *index) candidates(api string) (rules []candidate, named bool) {
	if rules, ok := x.exact[api]; ok {
		return rules, true
	}
	head, _, _ := strings.Cut(api, ".")
	if rules, ok := x.heads[head]; ok {
		return rules, false
	}
	return x.wild, false
}
