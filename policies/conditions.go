package policies

import (
	"slices"
	"strings"
)

// field is one condition of a rule's when.
type field uint8

const (
	schemeField field = iota
	hostField
	portField
	methodField
	pathField
	statementField
	tableField
	keyField
	sizeField
	nameField
)

// whenFields are the conditions' names, by their fields.
var whenFields = []string{"scheme", "host", "port", "method", "path", "statement", "table", "key", "size", "name"}

// conditions are a rule's when.
type conditions struct {
	// set are the conditions that are given; the others mean nothing.
	set []field

	schemes, methods, statements []string
	ports                        []int
	hosts                        *hostSet
	paths, plain, resolved       []string // as written, decoded, and as resolvePath reads them
	keys                         []string
	tables, names                *nameSet
	size                         sizeBound
}

// hold reports whether every condition lets the rule decide. A rule that
// refuses gets the benefit of every doubt, one that allows of none.
func (c *conditions) hold(a *Attributes, refuses bool) bool {
	for _, f := range c.set {
		if !c.holds(f, a, refuses) {
			return false
		}
	}
	return true
}

// holds checks one condition. For what the call lacks (see missing) it is
// refuses that is returned.
func (c *conditions) holds(f field, a *Attributes, refuses bool) bool {
	switch f {
	case schemeField:
		if a.Scheme != "" {
			return slices.Contains(c.schemes, a.Scheme)
		}
	case hostField:
		if a.Host != "" && a.Host[0] != '.' {
			return c.hosts.match(a.Host)
		}
	case portField:
		if a.Port != 0 {
			return slices.Contains(c.ports, a.Port)
		}
	case methodField:
		if a.Method != "" {
			return slices.Contains(c.methods, a.Method)
		}
	case pathField:
		if a.Path != "" {
			return c.matchPath(a.Path, refuses)
		}
	case statementField:
		if a.Statement != "" {
			return slices.Contains(c.statements, a.Statement)
		}
	case tableField:
		if a.Statement != "" || len(a.Tables) > 0 {
			return c.holdsTables(a.Tables, refuses)
		}
	case keyField:
		if a.Key != "" {
			return matchKey(c.keys, a, refuses)
		}
	case sizeField:
		if a.Size >= 0 {
			return c.size.match(a.Size)
		}
	case nameField:
		if a.Name != "" {
			return c.names.match(a.Name)
		}
	}
	return refuses
}

// missing reports whether the call lacks what the condition is about.
func missing(f field, a *Attributes) bool {
	switch f {
	case schemeField:
		return a.Scheme == ""
	case hostField:
		return a.Host == "" || a.Host[0] == '.'
	case portField:
		return a.Port == 0
	case methodField:
		return a.Method == ""
	case pathField:
		return a.Path == ""
	case statementField:
		return a.Statement == ""
	case tableField:
		return a.Statement == "" && len(a.Tables) == 0
	case keyField:
		return a.Key == ""
	case sizeField:
		return a.Size < 0
	case nameField:
		return a.Name == ""
	}
	return true
}

// holdsTables: a rule that allows must name every table of the statement; one
// that refuses any of them, or a join would get around it.
func (c *conditions) holdsTables(tables []string, refuses bool) bool {
	for _, t := range tables {
		if c.tables.match(t) == refuses {
			return refuses
		}
	}
	return !refuses && len(tables) > 0
}

// matchKey: a call that sees every key with a prefix must lie within what a
// rule allows, and is refused when it would see one that a rule refuses.
func matchKey(prefixes []string, a *Attributes, refuses bool) bool {
	for _, p := range prefixes {
		if strings.HasPrefix(a.Key, p) || refuses && a.Prefix && strings.HasPrefix(p, a.Key) {
			return true
		}
	}
	return false
}

// sizeBound is a condition on a size: at most, or over, so many bytes.
type sizeBound struct {
	over  bool
	bytes int64
}

func (s sizeBound) match(size int64) bool { return size > s.bytes == s.over }

func (s sizeBound) String() string {
	if s.over {
		return "> " + formatSize(s.bytes)
	}
	return formatSize(s.bytes)
}
