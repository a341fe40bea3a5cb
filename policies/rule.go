package policies

import (
	"strconv"
	"strings"
)

// rule is one compiled rule.
type rule struct {
	apis        []apiPattern
	action      Action
	when        conditions
	expression  *expression // nil for none
	private     bool
	maxResponse int64
	quota       *Quota // nil for none
	redact      []argPath
	comment     string
	// origin is the policy in which the rule is written, label how the policy
	// that it belongs to calls it.
	origin, label string
	place         place
	// verdict is what a match returns, made beforehand so that a call costs
	// no allocation.
	verdict Verdict
}

// place is where something is written.
type place struct {
	file         string
	line, column int
}

func (p place) String() string { return p.file + ":" + strconv.Itoa(p.line) }

// in returns the rule as the policy named policy sees it.
func (r *rule) in(policy, label string) *rule {
	c := *r
	c.label = label
	c.verdict = Verdict{
		Action: c.action, Allowed: c.action.Allows(), Policy: policy, Rule: label, Place: c.place.String(),
		Private: c.private, PortNamed: c.action.Allows() && c.when.ports != nil, MaxResponse: c.maxResponse,
	}
	what := label
	if label == "default" {
		what = "the default"
	}
	c.verdict.Reason = what + " of policy " + policy + " " + c.action.verb() + " it"
	if label == "default" && c.action == Deny {
		c.verdict.Reason = "policy " + policy + " has no rule that allows it"
	}
	if c.quota != nil {
		q := *c.quota
		q.ID, q.Place = policy+"/"+label, c.verdict.Place
		c.quota = &q
		c.verdict.Quotas = []*Quota{&q}
	}
	return &c
}

func (r *rule) names(api string) bool {
	for _, p := range r.apis {
		if p.match(api) {
			return true
		}
	}
	return false
}

// holds reports whether the rule's conditions let it decide the call.
func (r *rule) holds(api string, a *Attributes) bool {
	refuses := !r.action.Allows()
	if !r.when.hold(a, refuses) {
		return false
	}
	return r.expression == nil || r.expression.holds(api, a, refuses)
}

func (r *rule) unconditional() bool { return len(r.when.set) == 0 && r.expression == nil }

// apiPattern is an API's name in which "*" may stand for a segment, or "*".
type apiPattern string

func (p apiPattern) wild() bool { return strings.Contains(string(p), "*") }

func (p apiPattern) head() string {
	head, _, _ := strings.Cut(string(p), ".")
	return head
}

func (p apiPattern) match(api string) bool {
	if p == "*" || string(p) == api {
		return true
	}
	rest := string(p)
	for {
		want, wantRest, wantMore := strings.Cut(rest, ".")
		got, gotRest, gotMore := strings.Cut(api, ".")
		if want != got && (want != "*" || got == "") {
			return false
		}
		if wantMore != gotMore {
			return false
		}
		if !wantMore {
			return true
		}
		rest, api = wantRest, gotRest
	}
}
