package sandbox

import (
	"strings"
	"testing"
	"unicode/utf8"

	"google.golang.org/protobuf/proto"
)

// FuzzThrown reads descriptions of thrown values as a script that owns its
// memory may write them: whatever they hold can be sent on, and a stack's
// columns move by one at most.
func FuzzThrown(f *testing.F) {
	for _, s := range []string{
		`{"name":"TypeError","message":"m","stack":"at f (f.js:1:14)\nat g (f.js:2:3)"}`,
		`{"name":"E","cause":{"name":"F","stack":"f.js:1:0"},"errors":[{"name":"G"},null]}`,
		`{"name":"\ud800","message":"\u0000","properties":{"a":1}}`,
		`{"stack":"f.js:1:f.js:1:999999999999f.js:1:"}`, `{"cause":` + strings.Repeat(`{"cause":`, 50) + `null` + strings.Repeat("}", 51), `[]`, `null`, ``,
	} {
		f.Add([]byte(s), true)
	}
	f.Fuzz(func(t *testing.T, text []byte, ok bool) {
		thrown := parseThrown(text, ok)
		if thrown == nil {
			t.Fatal("nothing")
		}
		_, _ = thrown.text(), thrown.outOfMemory()
		before := thrown.Stack
		moved := unshift(before, "f.js", true)
		if strings.Count(moved, "f.js:1:") != strings.Count(before, "f.js:1:") || strings.Count(moved, "\n") != strings.Count(before, "\n") {
			t.Errorf("%q became %q", before, moved)
		}
		if unshift(before, "f.js", false) != before {
			t.Error("changed what was not shifted")
		}
		e := thrown.proto()
		if _, err := proto.Marshal(e); err != nil {
			t.Errorf("cannot be sent: %v", err)
		}
		for c := e; c != nil; c = c.GetCause() {
			if !utf8.ValidString(c.GetName() + c.GetMessage() + c.GetStack()) {
				t.Error("not UTF-8")
			}
		}
	})
}
