package ipc

import "strings"

// plainPath and plainQuery are the bytes that a path and a query have as they
// are, wherever they stand.
var plainPath, plainQuery = bytesOf("!$&'()*+,-./:;=@_~%"), bytesOf("!$&()*+,-./:;=?@_~%")

func bytesOf(others string) (set [256]bool) {
	for c := range 256 {
		set[c] = c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || strings.IndexByte(others, byte(c)) >= 0
	}
	return set
}

// PlainURL tells whether text is an http or https URL that a parser after the
// URL Standard gives back as it is, without credentials and without a fragment.
// For one that is not sure it is false. Where it is true, the first / behind the
// scheme's begins the path, and the first ? the query, which is not empty.
func PlainURL(text string) bool {
	rest, secure := strings.CutPrefix(text, "https://")
	if !secure {
		var ok bool
		if rest, ok = strings.CutPrefix(text, "http://"); !ok {
			return false
		}
	}
	slash := strings.IndexByte(rest, '/')
	if slash < 0 {
		return false
	}
	host, port, hasPort := strings.Cut(rest[:slash], ":")
	if hasPort && !plainPort(port, secure) || !plainHost(host) {
		return false
	}
	path, query, hasQuery := strings.Cut(rest[slash:], "?")
	if hasQuery && query == "" {
		return false
	}
	for i := range len(query) {
		if !plainQuery[query[i]] {
			return false
		}
	}
	for i := range len(path) {
		switch c := path[i]; {
		case !plainPath[c]:
			return false
		// A segment of dots, however they are written.
		case c == '/' && i+1 < len(path) && (path[i+1] == '.' || path[i+1] == '%'):
			return false
		}
	}
	return true
}

func plainPort(port string, secure bool) bool {
	n := 0
	for i := range len(port) {
		if port[i] < '0' || port[i] > '9' {
			return false
		}
		n = 10*n + int(port[i]-'0')
	}
	return len(port) > 0 && len(port) <= 5 && port[0] != '0' && n <= 0xffff && (n != 80 || secure) && (n != 443 || !secure)
}

// plainHost takes names whose labels begin with letters, and IPv4 addresses.
func plainHost(host string) bool {
	if len(host) > 253 {
		return false
	}
	labels, numbers := 0, 0
	for label := range strings.SplitSeq(host, ".") {
		labels++
		if label == "" || len(label) > 63 || strings.HasPrefix(label, "xn--") {
			return false
		}
		if label[0] >= '0' && label[0] <= '9' {
			numbers++
			if len(label) > 3 || label[0] == '0' && len(label) > 1 {
				return false
			}
			n := 0
			for i := range len(label) {
				if label[i] < '0' || label[i] > '9' {
					return false
				}
				n = 10*n + int(label[i]-'0')
			}
			if n > 255 {
				return false
			}
			continue
		}
		if label[0] == '-' || label[len(label)-1] == '-' {
			return false
		}
		for i := range len(label) {
			if c := label[i]; !(c >= 'a' && c <= 'z' || c >= '0' && c <= '9' || c == '-') {
				return false
			}
		}
	}
	return numbers == 0 || numbers == 4 && labels == 4
}
