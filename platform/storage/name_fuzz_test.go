package storage

import (
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf8"
)

func FuzzName(f *testing.F) {
	for _, s := range []string{"a", "a/b", "/", "//", "../x", "a/../b", ".", "x.attrs", "a.o", "=", "=2E", "\x00", "é", "a/", strings.Repeat("x", 512), strings.Repeat(".", 300)} {
		f.Add(s)
		f.Add(encodeKey(s))
	}
	f.Fuzz(func(t *testing.T, s string) {
		if s != "" && len(s) <= maxKey && utf8.ValidString(s) {
			name := encodeKey(s)
			if !filepath.IsLocal(name) || filepath.Clean(name) != name || strings.HasSuffix(name, ".attrs") {
				t.Fatalf("%q becomes the path %q", s, name)
			}
			for segment := range strings.SplitSeq(name, "/") {
				if len(segment) > 240 || segment == "" || segment[0] == '.' {
					t.Fatalf("%q becomes %q", s, name)
				}
			}
			if back, ok := decodeKey(name); len(name) <= maxName && (!ok || back != s) {
				t.Fatalf("%q comes back as %q from %q", s, back, name)
			}
		}
		if key, ok := decodeKey(s); ok && encodeKey(key) != s {
			t.Fatalf("%q and %q are one key", s, encodeKey(key))
		}
	})
}
