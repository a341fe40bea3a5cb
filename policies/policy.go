package policies

import "encoding/json"

// Attributes is what a host call's rule may set conditions on. An API fills
// what it has; a condition on an empty attribute does not hold.
type Attributes struct {
	// Of fetch.
	Scheme string // "https"
	Host   string // lower case, ASCII, no port, no brackets, no trailing dot
	Port   int
	Method string // upper case
	Path   string // of the URL: begins with "/", dot segments resolved, no query

	// Of db: what the database's own authorizer saw in the statement.
	Statement string   // "select", "insert", "update", "delete", "create", "alter", "drop", "pragma", "other"
	Tables    []string // lower case, each once

	// Of kv and storage.
	Key  string
	Size int64 // bytes that the call writes

	// Of queue, invoke, secrets and env: the queue, function, secret or
	// variable that is named.
	Name string

	// Of every call; the supervisor fills them.
	Tenant, Function string
	Args             []json.RawMessage
}

// Verdict is the result of evaluating one host call.
type Verdict struct {
	// Allowed says whether the call may go on.
	Allowed bool
	// Policy is the policy's name.
	Policy string
	// Rule names the rule that decided: "rules[2]", "compute.rules[0]" for a
	// rule of an extended policy, or "default".
	Rule string
	// Reason is one sentence for people.
	Reason string
	// Private lets fetch reach loopback, private and link-local addresses.
	Private bool
	// PortNamed means that the deciding rule has a port condition, so that an
	// API's own list of unwanted ports need not apply.
	PortNamed bool
	// MaxResponse is the most bytes of a response's body; 0 leaves it to the
	// API's own limit.
	MaxResponse int64
}

// Policy is a compiled policy. It is immutable and safe for concurrent use.
type Policy struct {
	name        string
	description string
	own         []rule // as written
	rules       []rule // own rules, then those of the extended policies
	fallback    Verdict
	// exact maps every API that some rule names in full to the rules that
	// name it; wild holds the rules with a wildcard, for all others.
	exact map[string][]*rule
	wild  []*rule
}

// Name returns the policy's name.
func (p *Policy) Name() string { return p.name }

// Description returns the policy's description, or "".
func (p *Policy) Description() string { return p.description }

// Evaluate says whether a call of api with these attributes may go on.
func (p *Policy) Evaluate(api string, a Attributes) Verdict {
	rules, named := p.candidates(api)
	for _, r := range rules {
		if (named || r.names(api)) && r.when.hold(&a) {
			return r.decide(api)
		}
	}
	v := p.fallback
	if !v.Allowed {
		v.Reason = "policy " + p.name + " has no rule that allows " + api
	}
	return v
}

// MayAllow reports whether some call of api could be allowed: whether it is
// worth offering to a function at all.
func (p *Policy) MayAllow(api string) bool {
	rules, named := p.candidates(api)
	for _, r := range rules {
		if !named && !r.names(api) {
			continue
		}
		if r.verdict.Allowed {
			return true
		}
		if r.when.empty() {
			return false
		}
	}
	return p.fallback.Allowed
}

// candidates returns the rules that may match api; named says that they do
// name it, and only their conditions are left to check.
func (p *Policy) candidates(api string) (rules []*rule, named bool) {
	if rules, ok := p.exact[api]; ok {
		return rules, true
	}
	return p.wild, false
}

// compile builds what Evaluate needs from p.own and the policies it extends.
func (p *Policy) compile(extended []*Policy) {
	for _, r := range p.own {
		p.rules = append(p.rules, r.in(p.name, r.verdict.Rule))
	}
	seen := map[string]bool{}
	for _, e := range extended {
		for _, r := range e.rules {
			label := r.verdict.Rule
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
	p.fallback.Policy, p.fallback.Rule = p.name, "default"
	if p.fallback.Allowed {
		p.fallback.Reason = "the default of policy " + p.name + " allows it"
	}
	p.exact = map[string][]*rule{}
	for i := range p.rules {
		for _, pat := range p.rules[i].apis {
			if !pat.wild() {
				p.exact[string(pat)] = nil
			}
		}
	}
	for i := range p.rules {
		r := &p.rules[i]
		for name := range p.exact {
			if r.names(name) {
				p.exact[name] = append(p.exact[name], r)
			}
		}
		if r.hasWild() {
			p.wild = append(p.wild, r)
		}
	}
}
