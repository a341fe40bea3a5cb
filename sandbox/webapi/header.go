package webapi

import "strings"

// PlainHeader tells whether a header stays as it is when it becomes one: its name is
// a token in lower case, its value printable text that begins and ends with no space.
func PlainHeader(name, value []byte) bool {
	for _, c := range name {
		if !(c >= 'a' && c <= 'z' || c >= '0' && c <= '9' || strings.IndexByte("!#$%&'*+-.^_`|~", c) >= 0) {
			return false
		}
	}
	for _, c := range value {
		if c < ' ' || c > '~' {
			return false
		}
	}
	return len(name) > 0 && len(value) > 0 && value[0] != ' ' && value[len(value)-1] != ' '
}
