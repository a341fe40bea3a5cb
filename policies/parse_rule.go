package policies

import (
	"fmt"
	"math"
	"regexp"
	"strings"

	"go.yaml.in/yaml/v3"
)

const (
	maxAPIName = 128
	maxComment = 1 << 10
	maxRedact  = 32
)

var (
	ruleFields  = []string{"api", "action", "when", "cel", "private", "max_response", "quota", "redact", "comment"}
	quotaFields = []string{"calls_per_invocation", "calls_per_second", "burst", "bytes_per_minute"}
	apiSegment  = regexp.MustCompile(`^(\*|[A-Za-z_][A-Za-z0-9_]*)$`)
)

func (p *parser) rules(n *yaml.Node, policy string) []*rule {
	if n.Kind != yaml.SequenceNode {
		p.problem(n, "rules must be a list")
		return nil
	}
	if len(n.Content) > maxRules {
		p.problem(n, "%d rules; at most %d are allowed", len(n.Content), maxRules)
		return nil
	}
	var rules []*rule
	for i, c := range n.Content {
		rules = append(rules, p.rule(c, policy, fmt.Sprintf("rules[%d]", i)))
	}
	return rules
}

func (p *parser) rule(n *yaml.Node, policy, label string) *rule {
	r := &rule{origin: policy, label: label, place: p.at(n)}
	fields := p.fields(n, "a rule", ruleFields)
	if fields == nil {
		return r
	}
	if v, ok := fields["api"]; !ok {
		p.problem(n, "api is missing; name the APIs that the rule is about")
	} else {
		r.apis = list(&p.document, v, "api", p.apiPattern)
	}
	known := false
	if v, ok := fields["action"]; !ok {
		p.problem(n, "action is missing; write %s", strings.Join(actions, ", "))
	} else {
		r.action, known = p.action(v, "action")
	}
	if v, ok := fields["when"]; ok {
		r.when = p.when(v, known && !r.action.Allows())
	}
	if v, ok := fields["cel"]; ok {
		r.expression = p.expression(v)
	}
	if v, ok := fields["private"]; ok {
		r.private = p.truth(v, "private")
	}
	if v, ok := fields["max_response"]; ok {
		r.maxResponse, _ = p.bytes(v, "max_response", 1)
	}
	if v, ok := fields["quota"]; ok {
		r.quota = p.quota(v)
	}
	if v, ok := fields["redact"]; ok {
		r.redact = p.redact(v)
	}
	if v, ok := fields["comment"]; ok {
		r.comment, _ = p.line(v, "comment", maxComment)
	}
	if known && !r.action.Allows() {
		for _, f := range []string{"private", "max_response", "quota"} {
			if v, ok := fields[f]; ok && (f != "private" || r.private) {
				p.problem(v, "%s has no meaning in a rule that %s", f, r.action.verb())
			}
		}
	}
	return r
}

func (p *parser) apiPattern(n *yaml.Node) (apiPattern, bool) {
	s, ok := p.text(n, "api")
	if !ok {
		return "", false
	}
	if p.apis++; p.apis > maxAPIs {
		if p.apis == maxAPIs+1 {
			p.problem(n, "the rules name more than %d APIs", maxAPIs)
		}
		return "", false
	}
	if len(s) > maxAPIName {
		p.problem(n, "an API's name has at most %d bytes", maxAPIName)
		return "", false
	}
	for segment := range strings.SplitSeq(s, ".") {
		if !apiSegment.MatchString(segment) {
			if strings.Contains(segment, "*") {
				p.problem(n, "in api %s the wildcard must be a whole segment, as in \"kv.*\"", quote(s))
			} else {
				p.problem(n, "%s is not an API's name", quote(s))
			}
			return "", false
		}
	}
	return apiPattern(s), true
}

func (p *parser) quota(n *yaml.Node) *Quota {
	q := &Quota{}
	fields := p.fields(n, "quota", quotaFields)
	if fields != nil && len(n.Content) == 0 {
		p.problem(n, "quota is empty; leave it out, or give %s", strings.Join(quotaFields, ", "))
	}
	if v, ok := fields["calls_per_invocation"]; ok {
		q.CallsPerInvocation, _ = p.count(v, "calls_per_invocation")
	}
	if v, ok := fields["calls_per_second"]; ok {
		q.CallsPerSecond, _ = p.rate(v, "calls_per_second")
		q.Burst = int64(math.Ceil(q.CallsPerSecond))
	}
	if v, ok := fields["burst"]; ok {
		if fields["calls_per_second"] == nil {
			p.problem(v, "burst belongs to calls_per_second, which is missing")
		}
		q.Burst, _ = p.count(v, "burst")
	}
	if v, ok := fields["bytes_per_minute"]; ok {
		q.BytesPerMinute, _ = p.bytes(v, "bytes_per_minute", 1)
	}
	return q
}

func (p *parser) redact(n *yaml.Node) []argPath {
	paths := list(&p.document, n, "redact", func(n *yaml.Node) (argPath, bool) {
		s, ok := p.text(n, "redact")
		if !ok {
			return argPath{}, false
		}
		path, ok := parseArgPath(s)
		if !ok {
			p.problem(n, "redact %s must be a path into the arguments, written like args[0] or args[1].headers.authorization", quote(s))
		}
		return path, ok
	})
	if len(paths) > maxRedact {
		p.problem(n, "redact has %d entries; at most %d are allowed", len(paths), maxRedact)
	}
	return paths
}

func (p *parser) expression(n *yaml.Node) *expression {
	s, ok := p.text(n, "cel")
	if !ok {
		return nil
	}
	e, issues := compileExpression(s)
	for _, i := range issues {
		at := *n
		switch {
		case n.Style&(yaml.LiteralStyle|yaml.FoldedStyle) != 0:
			at.Line, at.Column = n.Line+max(i.line, 1), 0
		case i.line == 1 && n.Style&(yaml.SingleQuotedStyle|yaml.DoubleQuotedStyle) != 0:
			at.Column += i.column
		case i.line == 1:
			at.Column += i.column - 1
		}
		p.problem(&at, "cel: %s", i.reason)
	}
	return e
}
