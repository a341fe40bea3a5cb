package kv

import (
	"strings"
	"testing"
	"unicode/utf8"
)

func FuzzKey(f *testing.F) {
	for _, s := range []string{"k", ".", "*", ">", "../x", "a.b", "\x00", "é", "YQ", "Y Q", "YR"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if s != "" && len(s) <= maxKey && utf8.ValidString(s) {
			token := encodeKey(s)
			if strings.ContainsAny(token, ".*> \t\r\n\x00$") || token == "" {
				t.Fatalf("%q becomes %q", s, token)
			}
			if back, ok := decodeKey(token); !ok || back != s {
				t.Fatalf("%q comes back as %q", s, back)
			}
		}
		if key, ok := decodeKey(s); ok && encodeKey(key) != s {
			t.Fatalf("%q and %q are one key", s, encodeKey(key))
		}
	})
}
