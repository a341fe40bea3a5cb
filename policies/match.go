package policies

import (
	"slices"
	"strings"
)

// longSet is from how many entries on a list is looked up, in time that does
// not grow with it, instead of compared entry by entry.
const longSet = 8

// hostSet is a list of host patterns.
type hostSet struct {
	patterns []string // as written
	any      bool
	exact    []string
	suffixes []string // ".example.org" for "*.example.org"
	long     map[string]bool
}

func newHostSet(hosts []string) *hostSet {
	s := &hostSet{patterns: hosts}
	for _, h := range hosts {
		if h == "*" {
			s.any = true
		} else if rest, ok := strings.CutPrefix(h, "*"); ok {
			s.suffixes = append(s.suffixes, rest)
		} else {
			s.exact = append(s.exact, h)
		}
	}
	if len(hosts) > longSet {
		s.long = map[string]bool{}
		for _, h := range slices.Concat(s.exact, s.suffixes) {
			s.long[h] = true
		}
	}
	return s
}

func (s *hostSet) match(host string) bool {
	switch {
	case s.any:
		return true
	case s.long != nil:
		return s.lookUp(host)
	}
	for _, suffix := range s.suffixes {
		if len(host) > len(suffix) && strings.HasSuffix(host, suffix) {
			return true
		}
	}
	return slices.Contains(s.exact, host)
}

func (s *hostSet) lookUp(host string) bool {
	if s.long[host] {
		return true
	}
	for i := 1; i < len(host); i++ {
		if host[i] == '.' && s.long[host[i:]] {
			return true
		}
	}
	return false
}

// nameSet is a list of names, of which some may end in "*".
type nameSet struct {
	patterns []string // as written
	exact    []string
	prefixes []string
	long     map[string]bool
}

func newNameSet(names []string) *nameSet {
	s := &nameSet{patterns: names}
	for _, n := range names {
		if rest, ok := strings.CutSuffix(n, "*"); ok {
			s.prefixes = append(s.prefixes, rest)
		} else {
			s.exact = append(s.exact, n)
		}
	}
	if len(s.exact) > longSet {
		s.long = map[string]bool{}
		for _, n := range s.exact {
			s.long[n] = true
		}
	}
	return s
}

func (s *nameSet) match(name string) bool {
	for _, p := range s.prefixes {
		if strings.HasPrefix(name, p) {
			return true
		}
	}
	if s.long != nil {
		return s.long[name]
	}
	return slices.Contains(s.exact, name)
}

// matchPath reports whether a URL's path lies below one of the prefixes. A
// server may decode and resolve what we do not: a rule that allows must hold
// for the path both as it stands and as such a server reads it, one that
// refuses for either.
func (c *conditions) matchPath(path string, refuses bool) bool {
	plain := isBelow(c.plain, path)
	if plain == refuses || !strings.ContainsAny(path, `%\;`) && !strings.Contains(path, "//") && !strings.Contains(path, "/.") {
		return plain
	}
	return isBelow(c.resolved, resolvePath(path))
}

// setPaths takes paths as they stand in URLs.
func (c *conditions) setPaths(paths []string) {
	c.paths, c.plain, c.resolved = paths, nil, nil
	for _, p := range paths {
		c.plain = append(c.plain, unescape(p))
		c.resolved = append(c.resolved, resolvePath(p))
	}
}

func isBelow(prefixes []string, path string) bool {
	for _, p := range prefixes {
		if rest, ok := strings.CutPrefix(path, p); ok && (rest == "" || rest[0] == '/' || p[len(p)-1] == '/') {
			return true
		}
	}
	return false
}

// resolvePath reads a path as the most lenient server would: decoded until
// nothing is left to decode, backslashes as slashes, without parameters, empty
// and dot segments.
func resolvePath(path string) string {
	for range 4 {
		decoded := unescape(path)
		if decoded == path {
			break
		}
		path = decoded
	}
	path = strings.ReplaceAll(path, `\`, "/")
	var kept []string
	for s := range strings.SplitSeq(path, "/") {
		s, _, _ = strings.Cut(s, ";")
		switch s {
		case "", ".":
		case "..":
			kept = kept[:max(0, len(kept)-1)]
		default:
			kept = append(kept, s)
		}
	}
	resolved := "/" + strings.Join(kept, "/")
	if strings.HasSuffix(path, "/") && resolved != "/" {
		resolved += "/"
	}
	return resolved
}

// unescape decodes a path once; what is no escape stays.
func unescape(s string) string {
	if !strings.Contains(s, "%") {
		return s
	}
	b := make([]byte, 0, len(s))
	for i := 0; i < len(s); i++ {
		if s[i] == '%' && i+2 < len(s) {
			hi, ok1 := unhex(s[i+1])
			lo, ok2 := unhex(s[i+2])
			if ok1 && ok2 {
				b = append(b, hi<<4|lo)
				i += 2
				continue
			}
		}
		b = append(b, s[i])
	}
	return string(b)
}

func unhex(c byte) (byte, bool) {
	switch {
	case c >= '0' && c <= '9':
		return c - '0', true
	case c >= 'a' && c <= 'f':
		return c - 'a' + 10, true
	case c >= 'A' && c <= 'F':
		return c - 'A' + 10, true
	}
	return 0, false
}
