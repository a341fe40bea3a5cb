package policies

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// Direction says what a change of a policy does to an API.
type Direction string

// The directions.
const (
	// Wider lets through calls that were refused, or lets them do more.
	Wider Direction = "wider"
	// Narrower refuses calls that were let through, or bounds them more.
	Narrower Direction = "narrower"
	// Changed does both, or something that cannot be compared.
	Changed Direction = "changed"
	// Same means other rules with which no call was found to fare differently.
	Same Direction = "same"
)

// Change is a difference between two policies for one API.
type Change struct {
	// API is a pattern that rules name; "*" is every API that none names.
	API       string    `json:"api"`
	Direction Direction `json:"direction"`
	// Removed and Added are the rules that only the first and only the second
	// policy has, each with its place. When both are empty, the order or a
	// default makes the difference.
	Removed []string `json:"removed,omitempty"`
	Added   []string `json:"added,omitempty"`
	// Example is a call that fares differently.
	Example *Example `json:"example,omitempty"`
}

// Example is a call on which two policies differ.
type Example struct {
	API        string     `json:"call"`
	Attributes Attributes `json:"with"`
	Before     Action     `json:"before"`
	After      Action     `json:"after"`
}

func (c Change) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s: %s\n", c.API, c.Direction)
	for _, r := range c.Removed {
		fmt.Fprintf(&b, "  - %s\n", r)
	}
	for _, r := range c.Added {
		fmt.Fprintf(&b, "  + %s\n", r)
	}
	if e := c.Example; e != nil && e.Before != e.After {
		fmt.Fprintf(&b, "  for one, %s%s: %s before, %s now\n", e.API, e.Attributes.list(), e.Before, e.After)
	}
	return b.String()
}

// Diff compares what two policies mean, API by API; nothing is returned for
// APIs about which they say the same. Directions are found by trying calls at
// the edges of every rule on both, so what they say is very likely, not
// proven; rules with different expressions are Changed.
func Diff(a, b *Policy) []Change {
	var changes []Change
	for _, pattern := range patterns(a, b) {
		if c := diffAPI(a, b, pattern); c != nil {
			changes = append(changes, *c)
		}
	}
	return changes
}

// patterns returns every API pattern that the policies name, and "*" for the rest.
func patterns(ps ...*Policy) []string {
	all := []string{"*"}
	for _, p := range ps {
		all = append(all, p.APIs()...)
	}
	slices.SortFunc(all, func(x, y string) int {
		return cmp.Or(cmp.Compare(strings.Count(x, "*"), strings.Count(y, "*")), cmp.Compare(x, y))
	})
	return slices.Compact(all)
}

// stands returns a name that the pattern matches and nobody would write.
func stands(pattern string) string { return strings.ReplaceAll(pattern, "*", "some_other") }

func diffAPI(a, b *Policy, pattern string) *Change {
	api := stands(pattern)
	before, after := a.rulesFor(api), b.rulesFor(api)
	removed, common := without(before, after)
	added, _ := without(after, before)
	if slices.EqualFunc(before, after, func(x, y *rule) bool { return x.String() == y.String() }) && a.defaults() == b.defaults() {
		return nil
	}
	c := &Change{API: pattern, Removed: describe(removed), Added: describe(added)}
	s := &sampler{}
	// opaque: an expression differs; doubtful: something that no call shows might.
	opaque, doubtful := false, false
	for _, r := range slices.Concat(removed, added) {
		s.learn(r, false)
		opaque = opaque || r.expression != nil
		doubtful = doubtful || len(r.redact) > 0
	}
	for _, r := range common {
		s.learn(r, true)
		doubtful = doubtful || r.expression != nil
	}
	wider, narrower := false, false
	s.each(slices.Concat(before, after), func(at Attributes) {
		x, y := a.Evaluate(api, at), b.Evaluate(api, at)
		w, n := x.compare(&y)
		wider, narrower = wider || w, narrower || n
		if (w || n) && (c.Example == nil || c.Example.Before == c.Example.After && x.Action != y.Action) {
			c.Example = &Example{API: api, Attributes: at, Before: x.Action, After: y.Action}
		}
	})
	switch {
	case wider && narrower, opaque:
		c.Direction = Changed
	case wider:
		c.Direction = Wider
	case narrower:
		c.Direction = Narrower
	case doubtful:
		c.Direction = Changed
	default:
		c.Direction = Same
	}
	return c
}

// rulesFor returns the rules that name api, of every level.
func (p *Policy) rulesFor(api string) []*rule {
	var rules []*rule
	for _, l := range p.levels() {
		for _, r := range l.rules {
			if r.names(api) {
				rules = append(rules, r)
			}
		}
	}
	return rules
}

func (p *Policy) defaults() string {
	var s string
	for _, l := range p.levels() {
		s += l.fallback.action.String() + " "
	}
	return s
}

// without returns the rules that others lack, and those that they have.
func without(rules, others []*rule) (only, common []*rule) {
	has := map[string]bool{}
	for _, r := range others {
		has[r.String()] = true
	}
	for _, r := range rules {
		if has[r.String()] {
			common = append(common, r)
		} else {
			only = append(only, r)
		}
	}
	return only, common
}

func describe(rules []*rule) []string {
	var list []string
	for _, r := range rules {
		list = append(list, r.place.String()+": "+r.String())
	}
	return list
}

// compare says whether w lets a call do more than v, and whether it lets it do
// less.
func (v *Verdict) compare(w *Verdict) (wider, narrower bool) {
	if d := w.Action.strictness() - v.Action.strictness(); d != 0 {
		return d < 0, d > 0
	}
	if !v.Allowed {
		return false, false
	}
	limit := func(x, y float64) { // 0 is none
		wider = wider || x != 0 && (y == 0 || y > x)
		narrower = narrower || y != 0 && (x == 0 || x > y)
	}
	limit(float64(v.MaxResponse), float64(w.MaxResponse))
	x, y := v.bounds(), w.bounds()
	for i := range x {
		limit(x[i], y[i])
	}
	for _, free := range [][2]bool{{v.Private, w.Private}, {v.PortNamed, w.PortNamed}} {
		wider, narrower = wider || !free[0] && free[1], narrower || free[0] && !free[1]
	}
	return wider, narrower
}

// bounds are the smallest of each quota's numbers; 0 is none.
func (v *Verdict) bounds() (least [4]float64) {
	for _, q := range v.Quotas {
		for i, n := range []float64{float64(q.CallsPerInvocation), q.CallsPerSecond, float64(q.Burst), float64(q.BytesPerMinute)} {
			if n != 0 && (least[i] == 0 || n < least[i]) {
				least[i] = n
			}
		}
	}
	return least
}
