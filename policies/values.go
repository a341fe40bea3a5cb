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

var (
	apiSegment = regexp.MustCompile(`^(\*|[A-Za-z_][A-Za-z0-9_]*)$`)
	hostLabel  = regexp.MustCompile(`^[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?$`)
	methods    = []string{"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"}
	schemes    = []string{"http", "https"}
)

// list reads one value or a list of them, each with read, which reports its
// own problems.
func list[T any](p *parser, n *yaml.Node, what string, read func(*yaml.Node) (T, bool)) []T {
	nodes := []*yaml.Node{n}
	if n.Kind == yaml.SequenceNode {
		nodes = n.Content
		if len(nodes) == 0 {
			p.problem(n, "%s is an empty list", what)
			return nil
		}
		if len(nodes) > maxList {
			p.problem(n, "%s has %d entries; at most %d are allowed", what, len(nodes), maxList)
			return nil
		}
	}
	var values []T
	for _, c := range nodes {
		if v, ok := read(c); ok {
			values = append(values, v)
		}
	}
	return values
}

// text reads a string.
func (p *parser) text(n *yaml.Node, what string) (string, bool) {
	if n.Kind != yaml.ScalarNode {
		p.problem(n, "%s must be a string", what)
		return "", false
	}
	switch n.Tag {
	case "!!str":
	case "!!null":
		p.problem(n, "%s has no value", what)
		return "", false
	default:
		p.problem(n, "%s must be a string; put %s in quotes", what, quote(n.Value))
		return "", false
	}
	return n.Value, true
}

func (p *parser) action(n *yaml.Node, what string) (allow bool) {
	s, ok := p.text(n, what)
	if ok && !slices.Contains(actions, s) {
		p.suggest(n, nearest(s, actions), "%s %s is unknown; it must be one of %s", what, quote(s), strings.Join(actions, ", "))
	}
	return s == "allow"
}

func (p *parser) apiPattern(n *yaml.Node) (apiPattern, bool) {
	s, ok := p.text(n, "api")
	if !ok {
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
	if len(s) > 128 {
		p.problem(n, "an API's name has at most 128 bytes")
		return "", false
	}
	return apiPattern(s), true
}

func (p *parser) scheme(n *yaml.Node) (string, bool) {
	s, ok := p.text(n, "scheme")
	if ok && !slices.Contains(schemes, s) {
		p.suggest(n, nearest(s, schemes), "scheme %s must be one of %s", quote(s), strings.Join(schemes, ", "))
		return "", false
	}
	return s, ok
}

func (p *parser) method(n *yaml.Node) (string, bool) {
	s, ok := p.text(n, "method")
	if !ok {
		return "", false
	}
	up := strings.ToUpper(s)
	if !slices.Contains(methods, up) {
		p.problem(n, "method %s must be one of %s", quote(s), strings.Join(methods, ", "))
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

func newHostSet(hosts []string) *hostSet {
	s := &hostSet{}
	for _, h := range hosts {
		if h == "*" {
			s.any = true
		} else if rest, ok := strings.CutPrefix(h, "*"); ok {
			s.suffixes = append(s.suffixes, rest)
		} else {
			s.exact = append(s.exact, h)
		}
	}
	if len(hosts) > longHostSet {
		s.long = map[string]bool{}
		for _, h := range slices.Concat(s.exact, s.suffixes) {
			s.long[h] = true
		}
	}
	return s
}

// quote makes text from a document safe and short enough for a message.
func quote(s string) string {
	const most = 64
	if len(s) > most {
		s = strings.ToValidUTF8(s[:most], "") + "..."
	}
	return strconv.Quote(s)
}
