package policies

import (
	"net/netip"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
	"golang.org/x/net/idna"
)

const maxText = 1 << 10 // bytes of a path, a key or a name

var (
	hostLabel  = regexp.MustCompile(`^[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?$`)
	methods    = []string{"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"}
	schemes    = []string{"http", "https"}
	statements = []string{"select", "insert", "update", "delete", "create", "alter", "drop", "pragma", "other"}
)

// when reads conditions. Those of a rule that refuses may not say "at most".
func (p *parser) when(n *yaml.Node, refuses bool) conditions {
	var c conditions
	fields := p.fields(n, "when", whenFields)
	if fields != nil && len(n.Content) == 0 {
		p.problem(n, "when is empty; leave it out, or give %s", strings.Join(whenFields, ", "))
	}
	for i, name := range whenFields {
		v, ok := fields[name]
		if !ok {
			continue
		}
		c.set = append(c.set, field(i))
		switch field(i) {
		case schemeField:
			c.schemes = list(&p.document, v, name, func(n *yaml.Node) (string, bool) { return p.word(n, name, schemes) })
		case hostField:
			c.hosts = newHostSet(list(&p.document, v, name, p.host))
		case portField:
			c.ports = list(&p.document, v, name, p.port)
		case methodField:
			c.methods = list(&p.document, v, name, p.method)
		case pathField:
			c.paths = list(&p.document, v, name, p.path)
			c.setPaths(c.paths)
		case statementField:
			c.statements = list(&p.document, v, name, func(n *yaml.Node) (string, bool) { return p.word(n, name, statements) })
		case tableField:
			c.tables = newNameSet(list(&p.document, v, name, p.table))
		case keyField:
			c.keys = list(&p.document, v, name, p.key)
		case sizeField:
			c.size = p.sizeBound(v, refuses)
		case nameField:
			c.names = newNameSet(list(&p.document, v, name, p.namePattern))
		}
	}
	return c
}

func (p *parser) method(n *yaml.Node) (string, bool) {
	s, ok := p.text(n, "method")
	if !ok {
		return "", false
	}
	up := strings.ToUpper(s)
	if !slices.Contains(methods, up) {
		p.suggest(n, nearest(up, methods), "unknown method %s; it must be one of %s", quote(s), strings.Join(methods, ", "))
		return "", false
	}
	return up, true
}

func (p *parser) port(n *yaml.Node) (int, bool) {
	port, err := strconv.ParseUint(n.Value, 10, 16)
	if n.Kind != yaml.ScalarNode || n.Tag != "!!int" || err != nil || port == 0 {
		p.problem(n, "port must be a number from 1 to 65535")
		return 0, false
	}
	return int(port), true
}

func (p *parser) path(n *yaml.Node) (string, bool) {
	s, ok := p.line(n, "path", maxText)
	if ok && (!strings.HasPrefix(s, "/") || strings.ContainsAny(s, "?#*\\ ")) {
		p.problem(n, "path %s must begin with /, as it stands in a URL, without a query; it holds for all below it", quote(s))
		return "", false
	}
	return s, ok
}

func (p *parser) key(n *yaml.Node) (string, bool) {
	s, ok := p.line(n, "key", maxText)
	switch {
	case ok && s == "":
		p.problem(n, "key is empty; leave it out for every key")
		return "", false
	case ok && strings.HasSuffix(s, "*"):
		p.problem(n, "key %s must be the prefix alone, without a wildcard", quote(s))
		return "", false
	}
	return s, ok
}

func (p *parser) table(n *yaml.Node) (string, bool) {
	s, ok := p.namePattern(n)
	return strings.ToLower(s), ok
}

func (p *parser) namePattern(n *yaml.Node) (string, bool) {
	s, ok := p.line(n, "a name", maxText)
	switch {
	case ok && s == "":
		p.problem(n, "the name is empty")
		return "", false
	case ok && strings.Contains(strings.TrimSuffix(s, "*"), "*"):
		p.problem(n, "in %s the wildcard must stand last, as in \"orders-*\"", quote(s))
		return "", false
	}
	return s, ok
}

func (p *parser) sizeBound(n *yaml.Node, refuses bool) sizeBound {
	var b sizeBound
	v := *n
	if rest, ok := strings.CutPrefix(v.Value, ">"); ok && n.Kind == yaml.ScalarNode {
		b.over, v.Value = true, strings.TrimSpace(rest)
	}
	var ok bool
	b.bytes, ok = p.bytes(&v, "size", 0)
	if ok && refuses && !b.over {
		p.suggest(n, "> "+formatSize(b.bytes), "size %s would refuse the small calls; a rule that refuses names the size above which it does", quote(n.Value))
	}
	return b
}

// host reads a host pattern and returns it as Attributes.Host spells it.
func (p *parser) host(n *yaml.Node) (string, bool) {
	s, ok := p.text(n, "host")
	if !ok {
		return "", false
	}
	if s == "*" {
		return s, true
	}
	if a, err := netip.ParseAddr(strings.Trim(s, "[]")); err == nil && a.Zone() == "" {
		return a.Unmap().String(), true
	}
	if strings.Contains(s, "/") {
		p.problem(n, "host %s must be a host alone, without a scheme or a path", quote(s))
		return "", false
	}
	if strings.Contains(s, ":") {
		p.problem(n, "host %s must be a host alone; ports have the field port", quote(s))
		return "", false
	}
	prefix, name := "", strings.TrimSuffix(s, ".")
	if rest, ok := strings.CutPrefix(name, "*."); ok {
		prefix, name = "*.", rest
	}
	if ascii, err := idna.Lookup.ToASCII(name); err == nil {
		name = ascii
	}
	name = strings.ToLower(name)
	if strings.Contains(name, "*") {
		p.problem(n, "in host %s the wildcard must stand first, as in \"*.example.org\"", quote(s))
		return "", false
	}
	for label := range strings.SplitSeq(name, ".") {
		if !hostLabel.MatchString(label) {
			p.problem(n, "%s is not a host's name", quote(s))
			return "", false
		}
	}
	return prefix + name, true
}
