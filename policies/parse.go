package policies

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"
)

// Bounds of a policy document.
const (
	maxSize     = 64 << 10
	maxDepth    = 16   // nesting
	maxList     = 1000 // entries of one list
	maxRules    = 128  // extended policies included
	maxExtends  = 16
	maxProblems = 100
)

var (
	policyName = regexp.MustCompile(`^[a-z0-9][a-z0-9-]{0,62}$`)

	topFields  = []string{"version", "name", "description", "extends", "default", "rules"}
	ruleFields = []string{"api", "action", "when", "private"}
	whenFields = []string{"scheme", "host", "port", "method"}
	actions    = []string{"allow", "deny"}
)

// Parse compiles a policy document of at most 64 KiB. The name is what
// problems call the document, usually its file's name.
//
// To look up the policies that the document extends, Parse calls resolve, or
// Preset when resolve is nil. A resolve that parses further documents must
// refuse circles itself.
//
// The error is a *ParseError that lists every problem.
func Parse(name string, data []byte, resolve func(name string) (*Policy, error)) (*Policy, error) {
	p := &parser{file: name, resolve: resolve}
	policy := p.parse(data)
	if len(p.problems) > 0 {
		slices.SortStableFunc(p.problems, func(a, b Problem) int {
			if a.Line != b.Line {
				return a.Line - b.Line
			}
			return a.Column - b.Column
		})
		return nil, &ParseError{File: name, Problems: p.problems}
	}
	return policy, nil
}

// parser walks one document's YAML nodes and collects problems.
type parser struct {
	file     string
	resolve  func(string) (*Policy, error)
	problems []Problem
}

func (p *parser) problem(n *yaml.Node, format string, args ...any) {
	p.suggest(n, "", format, args...)
}

func (p *parser) suggest(n *yaml.Node, suggestion, format string, args ...any) {
	if len(p.problems) == maxProblems {
		return
	}
	pr := Problem{File: p.file, Reason: fmt.Sprintf(format, args...), Suggestion: suggestion}
	if n != nil {
		pr.Line, pr.Column = n.Line, n.Column
	}
	p.problems = append(p.problems, pr)
}

func (p *parser) parse(data []byte) *Policy {
	root := p.document(data)
	if root == nil {
		return nil
	}
	policy := &Policy{}
	fields := p.fields(root, "a policy", topFields)
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
		policy.description, _ = p.text(n, "description")
	}
	if n, ok := fields["default"]; ok {
		policy.fallback.Allowed = p.action(n, "default")
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
	policy.compile(extended)
	if len(policy.rules) > maxRules {
		p.problem(root, "the policy has %d rules, those of the policies it extends included; at most %d are allowed", len(policy.rules), maxRules)
		return nil
	}
	return policy
}

// document returns the one document's top node, after the checks that hold
// for all of it.
func (p *parser) document(data []byte) *yaml.Node {
	switch {
	case len(data) > maxSize:
		p.problem(nil, "the document has %d bytes; at most %d are allowed", len(data), maxSize)
		return nil
	case !utf8.Valid(data):
		p.problem(nil, "the document is not UTF-8 text")
		return nil
	}
	dec := yaml.NewDecoder(bytes.NewReader(data))
	var doc, next yaml.Node
	if err := dec.Decode(&doc); errors.Is(err, io.EOF) {
		p.problem(nil, "the document is empty")
		return nil
	} else if err != nil {
		p.syntax(err)
		return nil
	}
	if err := dec.Decode(&next); err == nil {
		p.problem(&next, "there is a second document; write one policy to a file")
		return nil
	} else if !errors.Is(err, io.EOF) {
		p.syntax(err)
		return nil
	}
	if len(doc.Content) != 1 {
		p.problem(nil, "the document is empty")
		return nil
	}
	root := doc.Content[0]
	p.plain(root, 0)
	if len(p.problems) > 0 {
		return nil
	}
	if root.Kind != yaml.MappingNode {
		p.problem(root, "a policy must be a mapping with the fields %s", strings.Join(topFields, ", "))
		return nil
	}
	return root
}

var yamlPlace = regexp.MustCompile(`^yaml: (?:line (\d+): )?(.*)$`)

func (p *parser) syntax(err error) {
	place := &yaml.Node{}
	reason := err.Error()
	if m := yamlPlace.FindStringSubmatch(reason); m != nil {
		fmt.Sscan(m[1], &place.Line)
		reason = m[2]
	}
	p.problem(place, "not valid YAML: %s", reason)
}

// plain refuses what a policy has no use for and a bomb is made of.
func (p *parser) plain(n *yaml.Node, depth int) {
	switch {
	case depth > maxDepth:
		p.problem(n, "nested more than %d deep", maxDepth)
		return
	case n.Kind == yaml.AliasNode:
		p.problem(n, "aliases are not supported; write the value out")
		return
	case n.Anchor != "":
		p.problem(n, "anchors are not supported; write the value out")
	case len(n.Content) > 2*maxList:
		p.problem(n, "more than %d entries", maxList)
		return
	}
	for _, c := range n.Content {
		p.plain(c, depth+1)
	}
}

func (p *parser) version(root, n *yaml.Node) {
	switch {
	case n == nil:
		p.problem(root, "version is missing; write version: 1")
	case n.Kind != yaml.ScalarNode || n.Tag != "!!int" || n.Value != "1":
		p.problem(n, "version must be 1")
	}
}

// fields returns a mapping's values by their names. Every returned name is
// one of known.
func (p *parser) fields(n *yaml.Node, what string, known []string) map[string]*yaml.Node {
	if n.Kind != yaml.MappingNode {
		p.problem(n, "%s must be a mapping with the fields %s", what, strings.Join(known, ", "))
		return nil
	}
	fields := make(map[string]*yaml.Node, len(known))
	lines := make(map[string]int, len(known))
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, value := n.Content[i], n.Content[i+1]
		switch {
		case key.Kind != yaml.ScalarNode:
			p.problem(key, "a field's name must be a word")
		case lines[key.Value] > 0:
			p.problem(key, "field %s is given twice; the first is on line %d", quote(key.Value), lines[key.Value])
		case !slices.Contains(known, key.Value):
			lines[key.Value] = key.Line
			p.suggest(key, nearest(key.Value, known), "unknown field %s; %s has the fields %s", quote(key.Value), what, strings.Join(known, ", "))
		default:
			lines[key.Value] = key.Line
			fields[key.Value] = value
		}
	}
	return fields
}

func (p *parser) rules(n *yaml.Node, policy string) []rule {
	if n.Kind != yaml.SequenceNode {
		p.problem(n, "rules must be a list")
		return nil
	}
	if len(n.Content) > maxRules {
		p.problem(n, "%d rules; at most %d are allowed", len(n.Content), maxRules)
		return nil
	}
	var rules []rule
	for i, c := range n.Content {
		rules = append(rules, p.rule(c, policy, fmt.Sprintf("rules[%d]", i)))
	}
	return rules
}

func (p *parser) rule(n *yaml.Node, policy, label string) rule {
	r := rule{origin: policy, verdict: Verdict{Rule: label}}
	fields := p.fields(n, "a rule", ruleFields)
	if fields == nil {
		return r
	}
	if v, ok := fields["api"]; !ok {
		p.problem(n, "api is missing; name the APIs that the rule is about")
	} else {
		r.apis = list(p, v, "api", p.apiPattern)
	}
	if v, ok := fields["action"]; !ok {
		p.problem(n, "action is missing; write allow or deny")
	} else {
		r.verdict.Allowed = p.action(v, "action")
	}
	if v, ok := fields["when"]; ok {
		r.when = p.when(v)
		r.verdict.PortNamed = r.when.ports != nil
	}
	if v, ok := fields["private"]; ok {
		switch {
		case v.Kind != yaml.ScalarNode || v.Tag != "!!bool":
			p.problem(v, "private must be true or false")
		case strings.EqualFold(v.Value, "true"):
			r.verdict.Private = true
			if !r.verdict.Allowed && fields["action"] != nil && fields["action"].Value == "deny" {
				p.problem(v, "private: true has no meaning in a rule that denies")
			}
		}
	}
	return r
}

func (p *parser) when(n *yaml.Node) conditions {
	var c conditions
	fields := p.fields(n, "when", whenFields)
	if fields != nil && len(n.Content) == 0 {
		p.problem(n, "when is empty; leave it out, or give %s", strings.Join(whenFields, ", "))
	}
	if v, ok := fields["scheme"]; ok {
		c.schemes = list(p, v, "scheme", p.scheme)
	}
	if v, ok := fields["method"]; ok {
		c.methods = list(p, v, "method", p.method)
	}
	if v, ok := fields["port"]; ok {
		c.ports = list(p, v, "port", p.port)
	}
	if v, ok := fields["host"]; ok {
		c.hosts = newHostSet(list(p, v, "host", p.host))
	}
	return c
}

func (p *parser) extends(n *yaml.Node, self string) []*Policy {
	names := list(p, n, "extends", func(n *yaml.Node) (*Policy, bool) {
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
	if len(names) > maxExtends {
		p.problem(n, "extends %d policies; at most %d are allowed", len(names), maxExtends)
		return nil
	}
	return names
}

func (p *parser) lookUp(name string) (*Policy, error) {
	if p.resolve != nil {
		e, err := p.resolve(name)
		if err == nil && e == nil {
			err = errors.New("there is no such policy")
		}
		return e, err
	}
	if e, ok := Preset(name); ok {
		return e, nil
	}
	return nil, errors.New("there is no such policy")
}
