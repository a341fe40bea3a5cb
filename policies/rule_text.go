package policies

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
)

// String writes the rule as a policy would, on one line and without its comment.
func (r *rule) String() string {
	var b strings.Builder
	b.WriteString("{api: " + flowList(r.apis) + ", action: " + r.action.String())
	if len(r.when.set) > 0 {
		b.WriteString(", when: {")
		for i, f := range r.when.set {
			if i > 0 {
				b.WriteString(", ")
			}
			b.WriteString(whenFields[f] + ": " + flowList(r.when.values(f)))
		}
		b.WriteString("}")
	}
	if r.expression != nil {
		b.WriteString(", cel: " + strconv.Quote(r.expression.source))
	}
	if r.private {
		b.WriteString(", private: true")
	}
	if r.maxResponse > 0 {
		b.WriteString(", max_response: " + formatSize(r.maxResponse))
	}
	if r.quota != nil {
		b.WriteString(", quota: " + r.quota.String())
	}
	if len(r.redact) > 0 {
		var paths []string
		for _, p := range r.redact {
			paths = append(paths, p.source)
		}
		b.WriteString(", redact: " + flowList(paths))
	}
	b.WriteString("}")
	return b.String()
}

// values are those of one condition.
func (c *conditions) values(f field) []any {
	switch f {
	case schemeField:
		return anys(c.schemes)
	case hostField:
		return anys(c.hosts.patterns)
	case portField:
		return anys(c.ports)
	case methodField:
		return anys(c.methods)
	case pathField:
		return anys(c.paths)
	case statementField:
		return anys(c.statements)
	case tableField:
		return anys(c.tables.patterns)
	case keyField:
		return anys(c.keys)
	case sizeField:
		return []any{c.size.String()}
	}
	return anys(c.names.patterns)
}

func anys[T any](list []T) []any {
	all := make([]any, len(list))
	for i, v := range list {
		all[i] = v
	}
	return all
}

func flowList[T any](list []T) string {
	words := make([]string, len(list))
	for i, v := range list {
		words[i] = fmt.Sprint(v)
		if s, ok := any(v).(string); ok {
			words[i] = flowWord(s)
		} else if p, ok := any(v).(apiPattern); ok {
			words[i] = flowWord(string(p))
		}
	}
	if len(words) == 1 {
		return words[0]
	}
	return "[" + strings.Join(words, ", ") + "]"
}

// plainWord is a string that YAML reads as one without quotes, wherever it stands.
var plainWord = regexp.MustCompile(`^[a-zA-Z/][a-zA-Z0-9_./-]*$`)

// notStrings are words that some reader of YAML takes for something else.
var notStrings = regexp.MustCompile(`(?i)^(true|false|yes|no|on|off|y|n|null)$`)

func flowWord(s string) string {
	if plainWord.MatchString(s) && !notStrings.MatchString(s) {
		return s
	}
	return strconv.Quote(s)
}
