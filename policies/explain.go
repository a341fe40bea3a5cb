package policies

import (
	"fmt"
	"strconv"
	"strings"
)

// Explanation tells how a policy came to its verdict on one call.
type Explanation struct {
	API     string `json:"api"`
	Action  Action `json:"action"`
	Allowed bool   `json:"allowed"`
	// Policy, Rule, Place and Reason are those of the verdict.
	Policy string `json:"policy"`
	Rule   string `json:"rule"`
	Place  string `json:"place"`
	Reason string `json:"reason"`
	// Quotas are what the call would be charged to.
	Quotas []*Quota `json:"quotas,omitempty"`
	// Considered are the rules in the order in which they were tried, up to
	// the one that decided; for each level of a narrowed policy, the
	// outermost first.
	Considered []Considered `json:"considered"`
}

// Considered is one rule that was tried.
type Considered struct {
	Policy  string `json:"policy"`
	Rule    string `json:"rule"`
	Place   string `json:"place"`
	Action  Action `json:"action"`
	Comment string `json:"comment,omitempty"`
	// Decides says that every condition held, so that no further rule of
	// this level was tried.
	Decides    bool        `json:"decides"`
	Conditions []Condition `json:"conditions,omitempty"`
}

// Condition is one condition of a rule, and what it came to.
type Condition struct {
	// Name is "api", a condition of when, or "cel".
	Name   string `json:"name"`
	Held   bool   `json:"held"`
	Wanted string `json:"wanted"`
	// Seen is the call's value, "" if it has none.
	Seen string `json:"seen"`
	// Note says why, where the two values do not.
	Note string `json:"note,omitempty"`
}

// Explain says which rule decides about a call, and what kept those before it
// from doing so. Its verdict is Evaluate's.
func (p *Policy) Explain(api string, a Attributes) Explanation {
	v := p.Evaluate(api, a)
	e := Explanation{
		API: api, Action: v.Action, Allowed: v.Allowed, Policy: v.Policy, Rule: v.Rule, Place: v.Place, Reason: v.Reason, Quotas: v.Quotas,
		Considered: []Considered{},
	}
	if p == nil {
		return e
	}
	for _, l := range p.levels() {
		decided := l.decide(api, &a)
		for _, r := range l.rules {
			e.Considered = append(e.Considered, r.explain(api, &a))
			if r == decided {
				break
			}
		}
		if decided == l.fallback {
			e.Considered = append(e.Considered, decided.explain(api, &a))
		}
	}
	return e
}

func (r *rule) explain(api string, a *Attributes) Considered {
	c := Considered{Policy: r.verdict.Policy, Rule: r.label, Place: r.verdict.Place, Action: r.action, Comment: r.comment}
	if r.label == "default" {
		c.Decides = true
		return c
	}
	named := Condition{Name: "api", Held: r.names(api), Wanted: wantedList(r.apis), Seen: api}
	c.Conditions = append(c.Conditions, named)
	if !named.Held {
		return c
	}
	refuses := !r.action.Allows()
	c.Decides = true
	for _, f := range r.when.set {
		x := Condition{Name: whenFields[f], Held: r.when.holds(f, a, refuses), Wanted: wantedList(r.when.values(f)), Seen: seen(f, a)}
		switch {
		case missing(f, a):
			x.Note = "the call has none: " + r.action.doubt()
		case f == tableField && refuses:
			x.Note = "any one of the tables is enough"
		case f == tableField:
			x.Note = "every table must be named"
		case f == pathField && x.Held != isBelow(r.when.plain, a.Path):
			x.Note = "a server could read it as " + strconv.Quote(resolvePath(a.Path))
		}
		c.Conditions = append(c.Conditions, x)
		c.Decides = c.Decides && x.Held
	}
	if e := r.expression; e != nil && c.Decides {
		x := Condition{Name: "cel", Wanted: e.source}
		held, err := e.evaluate(api, *a)
		x.Held, x.Seen = held, strconv.FormatBool(held)
		if err != nil {
			x.Held, x.Seen, x.Note = refuses, "", "it failed ("+err.Error()+"): "+r.action.doubt()
		}
		c.Conditions = append(c.Conditions, x)
		c.Decides = x.Held
	}
	return c
}

// doubt says what a rule with this action does with what it cannot know.
func (a Action) doubt() string {
	if a.Allows() {
		return "a rule that " + a.verb() + " does not hold then"
	}
	return "a rule that " + a.verb() + " holds then"
}

// seen writes the call's value of what a condition is about.
func seen(f field, a *Attributes) string {
	if missing(f, a) {
		return ""
	}
	switch f {
	case schemeField:
		return a.Scheme
	case hostField:
		return a.Host
	case portField:
		return strconv.Itoa(a.Port)
	case methodField:
		return a.Method
	case pathField:
		return a.Path
	case statementField:
		return a.Statement
	case tableField:
		return strings.Join(a.Tables, ", ")
	case keyField:
		return a.Key
	case sizeField:
		return formatSize(a.Size)
	}
	return a.Name
}

// wantedList writes a list, cut where it would fill a screen.
func wantedList[T any](list []T) string {
	words := make([]string, len(list))
	for i, v := range list {
		words[i] = fmt.Sprint(v)
	}
	return enumerate(words, 12)
}

// enumerate writes a list of which more than most may not be worth showing.
func enumerate(words []string, most int) string {
	if left := len(words) - most; left > 1 {
		return strings.Join(words[:most], ", ") + fmt.Sprintf(" and %d more", left)
	}
	return strings.Join(words, ", ")
}
