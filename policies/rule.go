package policies

import (
	"slices"
	"strings"
)

// rule is one compiled rule.
type rule struct {
	apis []apiPattern
	when conditions
	// verdict is what a match returns, made beforehand so that an allowed
	// call costs no allocation.
	verdict Verdict
	// origin is the policy in which the rule is written.
	origin string
}

// in returns the rule as the policy named policy sees it.
func (r rule) in(policy, label string) rule {
	r.verdict.Policy, r.verdict.Rule = policy, label
	if r.verdict.Allowed {
		r.verdict.Reason = label + " of policy " + policy + " allows it"
	}
	return r
}

func (r *rule) names(api string) bool {
	for _, p := range r.apis {
		if p.match(api) {
			return true
		}
	}
	return false
}

func (r *rule) hasWild() bool {
	return slices.ContainsFunc(r.apis, apiPattern.wild)
}

func (r *rule) decide(api string) Verdict {
	v := r.verdict
	if !v.Allowed {
		v.Reason = v.Rule + " of policy " + v.Policy + " denies " + api
	}
	return v
}

// apiPattern is an API's name in which "*" may stand for a segment, or "*".
type apiPattern string

func (p apiPattern) wild() bool { return strings.Contains(string(p), "*") }

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

// conditions are a rule's when. A nil list sets no condition.
type conditions struct {
	schemes, methods []string
	ports            []int
	hosts            *hostSet
}

func (c *conditions) empty() bool {
	return c.schemes == nil && c.methods == nil && c.ports == nil && c.hosts == nil
}

func (c *conditions) hold(a *Attributes) bool {
	switch {
	case c.schemes != nil && !slices.Contains(c.schemes, a.Scheme):
		return false
	case c.methods != nil && !slices.Contains(c.methods, a.Method):
		return false
	case c.ports != nil && !slices.Contains(c.ports, a.Port):
		return false
	case c.hosts != nil && !c.hosts.match(a.Host):
		return false
	}
	return true
}

// hostSet is a list of host patterns. A short one is compared entry by entry;
// a long one is looked up, in time that does not grow with the list.
type hostSet struct {
	any      bool
	exact    []string
	suffixes []string // ".example.org" for "*.example.org"
	long     map[string]bool
}

const longHostSet = 8

func (s *hostSet) match(host string) bool {
	switch {
	case host == "" || host[0] == '.':
		return false
	case s.any:
		return true
	case s.long != nil:
		return s.lookUp(host)
	}
	for _, suffix := range s.suffixes {
		if len(host) > len(suffix) && strings.HasSuffix(host, suffix) {
			return true
		}
	}
	return slices.Contains(s.exact, host)
}

func (s *hostSet) lookUp(host string) bool {
	if s.long[host] {
		return true
	}
	for i := 1; i < len(host); i++ {
		if host[i] == '.' && s.long[host[i:]] {
			return true
		}
	}
	return false
}
