package policies

import (
	"slices"
	"strings"
	"unicode/utf8"
)

// maxPrefixes is from how many prefixes on a list of them says nothing.
const maxPrefixes = 16

// pathPrefixes returns few conditions that hold for all of the paths, or nil.
func pathPrefixes(paths []string) []string {
	if slices.ContainsFunc(paths, func(p string) bool {
		_, ok := (&parser{}).path(textNode(p))
		return !ok || !utf8.ValidString(p)
	}) {
		return nil
	}
	prefixes := grouped(paths, "/", 1)
	for _, p := range paths {
		c := conditions{paths: prefixes}
		for _, prefix := range prefixes {
			c.resolved = append(c.resolved, resolvePath(prefix))
		}
		if !c.matchPath(p, false) {
			prefixes = paths // odd ones are named in full
			break
		}
	}
	if len(prefixes) > maxPrefixes {
		return nil
	}
	return prefixes
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
