package policies

import (
	"errors"
	"fmt"
	"regexp"

	"go.yaml.in/yaml/v3"
)

// Bounds of a policy.
const (
	maxPolicy      = 64 << 10 // bytes of its document
	maxRules       = 256      // extended policies included
	maxAPIs        = 1024     // names in all of its own rules
	maxExtends     = 16
	maxDescription = 1 << 10
)

var (
	policyName = regexp.MustCompile(`^[a-z0-9][a-z0-9-]{0,62}$`)

	policyFields = []string{"version", "name", "description", "extends", "default", "rules"}
)

// Parse compiles a policy document of at most 64 KiB. The name is what
// problems and verdicts call the document, usually its file's name.
//
// To look up the policies that the document extends, Parse calls resolve, or
// Preset when resolve is nil. A resolve that parses further documents must
// refuse circles itself.
//
// The error is a *ParseError that lists every problem.
func Parse(name string, data []byte, resolve func(name string) (*Policy, error)) (*Policy, error) {
	p := &parser{document: document{file: name}, resolve: resolve}
	policy := p.parse(data)
	if err := p.err(); err != nil {
		return nil, err
	}
	return policy, nil
}

// parser reads a policy.
type parser struct {
	document
	resolve func(string) (*Policy, error)
	apis    int // names read so far
}

func (p *parser) parse(data []byte) *Policy {
	root := p.read(data, maxPolicy, "a policy")
	if root == nil {
		return nil
	}
	policy := &Policy{}
	fields := p.fields(root, "a policy", policyFields)
	p.version(root, fields["version"])
	if n, ok := fields["name"]; !ok {
		p.problem(root, "name is missing")
	} else if s, ok := p.text(n, "name"); ok {
		if policyName.MatchString(s) {
			policy.name = s
		} else {
			p.problem(n, "name %s must be 1 to 63 of a-z, 0-9 and -, and not begin with -", quote(s))
		}
	}
	if n, ok := fields["description"]; ok {
		policy.description, _ = p.line(n, "description", maxDescription)
	}
	policy.fallback = &rule{origin: policy.name, label: "default", place: p.at(root)}
	if n, ok := fields["default"]; ok {
		policy.fallback.action, _ = p.action(n, "default")
		policy.fallback.place = p.at(n)
	}
	if n, ok := fields["rules"]; ok {
		policy.own = p.rules(n, policy.name)
	}
	var extended []*Policy
	if n, ok := fields["extends"]; ok {
		extended = p.extends(n, policy.name)
	}
	if len(p.problems) > 0 {
		return nil
	}
	policy.digest = digest(data, extended)
	policy.compile(extended)
	if len(policy.rules) > maxRules {
		p.problem(root, "the policy has %d rules, those of the policies it extends included; at most %d are allowed", len(policy.rules), maxRules)
		return nil
	}
	return policy
}

func (p *parser) at(n *yaml.Node) place { return place{p.file, n.Line, n.Column} }

func (p *parser) extends(n *yaml.Node, self string) []*Policy {
	extended := list(&p.document, n, "extends", func(n *yaml.Node) (*Policy, bool) {
		s, ok := p.text(n, "extends")
		switch {
		case !ok:
			return nil, false
		case !policyName.MatchString(s):
			p.problem(n, "%s is not a policy's name", quote(s))
			return nil, false
		case s == self:
			p.problem(n, "policy %s extends itself", s)
			return nil, false
		}
		e, err := p.lookUp(s)
		if err != nil {
			p.suggest(n, nearest(s, presetNames()), "cannot extend %s: %v", s, err)
			return nil, false
		}
		return e, true
	})
	if len(extended) > maxExtends {
		p.problem(n, "extends %d policies; at most %d are allowed", len(extended), maxExtends)
		return nil
	}
	return extended
}

func (p *parser) lookUp(name string) (*Policy, error) {
	if p.resolve == nil {
		if e, ok := Preset(name); ok {
			return e, nil
		}
		return nil, errors.New("there is no such policy")
	}
	e, err := p.resolve(name)
	switch {
	case err != nil:
		return nil, err
	case e == nil:
		return nil, errors.New("there is no such policy")
	case e.layers != nil:
		return nil, fmt.Errorf("%s is several policies that narrow one another", e.name)
	}
	return e, nil
}
