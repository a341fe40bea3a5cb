package policies

import "slices"

// Policy is a compiled policy. It is immutable and safe for concurrent use.
// A nil policy allows nothing.
type Policy struct {
	name        string
	description string
	digest      string  // of its document and of those that it extends
	own         []*rule // as written
	rules       []*rule // own rules, then those of the extended policies
	fallback    *rule   // the default
	byName      index
	// layers, if any, are the policies that this one narrows to, the
	// outermost first; it then has no rules itself.
	layers []*Policy
	joined map[quotaKey][]*Quota // nil if there are too many; see joinQuotas
}

// Name returns the policy's name; of a narrowed policy those of its levels,
// joined by "+".
func (p *Policy) Name() string { return p.name }

// Description returns the policy's description, or "".
func (p *Policy) Description() string { return p.description }

// Digest returns the SHA-256, in lower-case hexadecimal, of the document that
// the policy was parsed from together with those that it extends; "" for one
// that was narrowed.
func (p *Policy) Digest() string { return p.digest }

// APIs returns the patterns of the APIs that the policy's rules name, sorted.
func (p *Policy) APIs() []string {
	var all []string
	for _, l := range p.levels() {
		for _, r := range l.rules {
			for _, pat := range r.apis {
				all = append(all, string(pat))
			}
		}
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// Evaluate says whether a call of api with these attributes may go on.
func (p *Policy) Evaluate(api string, a Attributes) Verdict {
	switch {
	case p == nil:
		return noPolicy
	case p.layers == nil:
		return p.decide(api, &a).verdict
	}
	return p.evaluateLayers(api, &a)
}

func (p *Policy) evaluateLayers(api string, a *Attributes) Verdict {
	var v Verdict
	var key quotaKey
	charged := 0
	for i, l := range p.layers {
		r := l.decide(api, a)
		if i == 0 {
			v = r.verdict
		} else {
			v.narrow(&r.verdict)
		}
		if r.quota != nil {
			charged++
			key[min(i, len(key)-1)] = r.quota
		}
	}
	v.Quotas = nil
	if !v.Allowed || charged == 0 {
		return v
	}
	if p.joined != nil {
		v.Quotas = p.joined[key]
		return v
	}
	v.Quotas = make([]*Quota, 0, charged)
	for _, l := range p.layers {
		v.Quotas = append(v.Quotas, l.decide(api, a).verdict.Quotas...)
	}
	return v
}

// decide returns the rule that decides: the first that matches, or the default.
func (p *Policy) decide(api string, a *Attributes) *rule {
	rules, named := p.byName.candidates(api)
	domain := a.domain()
	for _, r := range rules {
		if r.domains&domain != 0 && (named || r.names(api)) && r.holds(api, a) {
			return r.rule
		}
	}
	return p.fallback
}

// MayAllow reports whether some call of api could be allowed: whether it is
// worth offering to a function at all.
func (p *Policy) MayAllow(api string) bool {
	if p == nil {
		return false
	}
	if p.layers != nil {
		return !slices.ContainsFunc(p.layers, func(l *Policy) bool { return !l.MayAllow(api) })
	}
	rules, named := p.byName.candidates(api)
	for _, r := range rules {
		if !named && !r.names(api) {
			continue
		}
		if r.action.Allows() {
			return true
		}
		if r.unconditional() {
			return false
		}
	}
	return p.fallback.action.Allows()
}

// Narrow returns a policy whose verdict is the stricter of both: nothing that
// either does not allow is allowed, and of two refusals kill counts. The calls
// that both allow are charged to the quotas of both, have the smaller
// MaxResponse, are audited if one of them says so, and reach private addresses
// only if both let them. So a chain is built from the outside: a tier's policy,
// narrowed by its tenant's, narrowed by the function's.
//
// A nil policy stands for a level that sets none: Narrow returns the other, and
// nil if both are. A policy that is already among the levels counts once.
func Narrow(outer, inner *Policy) *Policy {
	if outer == nil {
		return inner
	}
	if inner == nil {
		return outer
	}
	var layers []*Policy
	for _, l := range slices.Concat(outer.levels(), inner.levels()) {
		if !slices.Contains(layers, l) {
			layers = append(layers, l)
		}
	}
	if len(layers) == 1 {
		return layers[0]
	}
	p := &Policy{description: inner.description, layers: layers, joined: joinQuotas(layers)}
	for i, l := range layers {
		if i > 0 {
			p.name += "+"
		}
		p.name += l.name
	}
	return p
}

// levels are the policies with rules that p consists of, the outermost first.
func (p *Policy) levels() []*Policy {
	if p.layers != nil {
		return p.layers
	}
	return []*Policy{p}
}
