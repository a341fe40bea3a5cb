package policies

import (
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"
)

// maxPrefixes is from how many prefixes on a list of them says nothing.
const maxPrefixes = 16

// pathPrefixes returns few conditions that hold for all of the paths, or nil.
func pathPrefixes(paths []string) []string {
	var c conditions
	c.setPaths(escapePaths(grouped(paths, "/", 1)))
	if slices.ContainsFunc(paths, func(p string) bool { return !c.matchPath(p, false) }) {
		c.setPaths(escapePaths(paths)) // odd ones are named in full
	}
	if len(c.paths) > maxPrefixes || slices.ContainsFunc(c.paths, func(p string) bool { return len(p) > maxText || p[0] != '/' }) {
		return nil
	}
	return c.paths
}

// escapePaths writes decoded paths as they would stand in URLs.
func escapePaths(paths []string) []string {
	escaped := make([]string, len(paths))
	for i, p := range paths {
		valid := utf8.ValidString(p)
		var b strings.Builder
		for _, c := range []byte(p) {
			if c <= ' ' || c == 0x7f || c >= utf8.RuneSelf && !valid || strings.IndexByte(`%?#*\`, c) >= 0 {
				fmt.Fprintf(&b, "%%%02X", c)
			} else {
				b.WriteByte(c)
			}
		}
		escaped[i] = b.String()
	}
	return escaped
}

// keyPrefixes returns few prefixes that all of the keys have, or nil.
func keyPrefixes(keys []string) []string {
	for i, k := range keys {
		if len(k) > maxText {
			k = k[:maxText]
		}
		for !utf8.ValidString(k) {
			k = k[:len(k)-1]
		}
		if k = strings.TrimRight(k, "*"); k == "" {
			return nil
		}
		keys[i] = k
	}
	prefixes := grouped(keys, "/:", 0)
	if len(prefixes) > maxPrefixes {
		return nil
	}
	return prefixes
}

// grouped puts texts with the same first segment together, behind skip bytes
// that all have, and returns what each group has in common up to a separator.
func grouped(texts []string, separators string, skip int) []string {
	common := map[string]string{}
	for _, t := range texts {
		head := t
		if i := strings.IndexAny(t[skip:], separators); i >= 0 {
			head = t[:skip+i+1]
		}
		if before, ok := common[head]; ok {
			common[head] = commonPrefix(before, t, separators)
		} else {
			common[head] = t
		}
	}
	var prefixes []string
	for _, p := range common {
		prefixes = append(prefixes, p)
	}
	slices.Sort(prefixes)
	return prefixes
}

// commonPrefix cuts behind the last separator that both have, unless one of
// the two is the prefix itself and the other goes on with a segment of its own.
func commonPrefix(a, b, separators string) string {
	n := 0
	for n < len(a) && n < len(b) && a[n] == b[n] {
		n++
	}
	if n == len(a) && n == len(b) {
		return a
	}
	longer := a
	if len(b) > len(a) {
		longer = b
	}
	if n == min(len(a), len(b)) && strings.ContainsRune(separators, rune(longer[n])) {
		return longer[:n]
	}
	return a[:strings.LastIndexAny(a[:n], separators)+1]
}
