package policies

import (
	"encoding/json"
	"fmt"

	"go.yaml.in/yaml/v3"
)

const maxCases = 256 << 10 // bytes of a document of cases

var (
	casesFields = []string{"version", "cases"}
	caseFields  = []string{"name", "call", "with", "args", "expect", "rule"}
)

// Case is a call, and what a policy is expected to say to it.
type Case struct {
	Name string `json:"name"`
	// Place is where the case is written.
	Place      string     `json:"place"`
	API        string     `json:"call"`
	Attributes Attributes `json:"with"`
	Expect     Action     `json:"expect"`
	// Rule is the rule that is expected to decide, or "".
	Rule string `json:"rule,omitempty"`
}

// CaseResult is what came of a case.
type CaseResult struct {
	Case
	Passed bool `json:"passed"`
	// Reason says what was not as expected.
	Reason string `json:"reason,omitempty"`
	// Explanation is given for a case that failed.
	Explanation *Explanation `json:"explanation,omitempty"`
}

// Run evaluates every case.
func (p *Policy) Run(cases []Case) []CaseResult {
	results := make([]CaseResult, len(cases))
	for i, c := range cases {
		v := p.Evaluate(c.API, c.Attributes)
		r := &results[i]
		r.Case = c
		switch {
		case v.Action != c.Expect:
			r.Reason = fmt.Sprintf("expected %s, got %s by %s of policy %s (%s)", c.Expect, v.Action, v.Rule, v.Policy, v.Place)
		case c.Rule != "" && v.Rule != c.Rule:
			r.Reason = fmt.Sprintf("expected %s to decide, but %s of policy %s (%s) did", c.Rule, v.Rule, v.Policy, v.Place)
		default:
			r.Passed = true
			continue
		}
		e := p.Explain(c.API, c.Attributes)
		r.Explanation = &e
	}
	return results
}

// ParseCases reads a document of cases, of at most 256 KiB. The error is a
// *ParseError that lists every problem.
func ParseCases(name string, data []byte) ([]Case, error) {
	p := &casesParser{document{file: name}}
	cases := p.parse(data)
	if err := p.err(); err != nil {
		return nil, err
	}
	return cases, nil
}

type casesParser struct{ document }

func (p *casesParser) parse(data []byte) []Case {
	root := p.read(data, maxCases, "a document of cases")
	if root == nil {
		return nil
	}
	fields := p.fields(root, "a document of cases", casesFields)
	p.version(root, fields["version"])
	n, ok := fields["cases"]
	switch {
	case !ok:
		p.problem(root, "cases is missing")
		return nil
	case n.Kind != yaml.SequenceNode:
		p.problem(n, "cases must be a list")
		return nil
	case len(n.Content) > maxList:
		p.problem(n, "%d cases; at most %d are allowed", len(n.Content), maxList)
		return nil
	}
	var cases []Case
	for _, c := range n.Content {
		cases = append(cases, p.one(c))
	}
	return cases
}

func (p *casesParser) one(n *yaml.Node) Case {
	c := Case{Place: place{p.file, n.Line, n.Column}.String()}
	fields := p.fields(n, "a case", caseFields)
	if fields == nil {
		return c
	}
	if v, ok := fields["call"]; !ok {
		p.problem(n, "call is missing; name the API that is called")
	} else {
		c.API, _ = p.line(v, "call", maxAPIName)
	}
	c.Name = c.API
	if v, ok := fields["name"]; ok {
		c.Name, _ = p.line(v, "name", maxText)
	}
	if v, ok := fields["with"]; ok {
		p.with(v, &c.Attributes)
	}
	if v, ok := fields["args"]; ok {
		c.Attributes.Args = p.args(v)
	}
	if v, ok := fields["expect"]; !ok {
		p.problem(n, "expect is missing; write allow, deny, audit or kill")
	} else {
		c.Expect, _ = p.action(v, "expect")
	}
	if v, ok := fields["rule"]; ok {
		c.Rule, _ = p.line(v, "rule", maxText)
	}
	return c
}

// with reads attributes.
func (p *casesParser) with(n *yaml.Node, a *Attributes) {
	for name, v := range p.fields(n, "with", attributeNames) {
		values := []*yaml.Node{v}
		if name == "tables" && v.Kind == yaml.SequenceNode {
			values = v.Content
		}
		for _, v := range values {
			if v.Kind != yaml.ScalarNode || v.Tag == "!!null" {
				p.problem(v, "%s must have a value", name)
			} else if reason, suggestion := a.set(name, v.Value); reason != "" {
				p.suggest(v, suggestion, "%s", reason)
			}
		}
	}
}

// args reads arguments of any shape as the JSON that they would have.
func (p *casesParser) args(n *yaml.Node) []json.RawMessage {
	if n.Kind != yaml.SequenceNode {
		p.problem(n, "args must be a list")
		return nil
	}
	var args []json.RawMessage
	for _, v := range n.Content {
		var value any
		if err := v.Decode(&value); err != nil {
			p.problem(v, "the argument cannot be read: %v", err)
			continue
		}
		raw, err := json.Marshal(value)
		if err != nil {
			p.problem(v, "the argument has no form in JSON: %v", err)
			continue
		}
		args = append(args, raw)
	}
	return args
}
