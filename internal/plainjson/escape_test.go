package plainjson_test

import (
	"bytes"
	"encoding/json"
	"reflect"
	"strings"
	"testing"

	"github.com/bulkhead-run/bulkhead/internal/plainjson"
)

func TestEscape(t *testing.T) {
	for text, want := range map[string]string{
		"":                               "",
		"{\n\t\"a\": [1, \"é😀\"]\r\n}\n": "{\n\t\"a\": [1, \"é😀\"]\r\n}\n",
		"\"a\u009b2Jb\x7f\"":             `"a\u009b2Jb\u007f"`,
		"\"\u202ex\u2066\"":              `"\u202ex\u2066"`,
		"\"\u2028\u200f\u061c\"":         `"\u2028\u200f\u061c"`,
		"\"\xff\"":                       "\"\xff\"",
	} {
		if got := string(plainjson.Escape([]byte(text))); got != want {
			t.Errorf("%q: got %q, want %q", text, got, want)
		}
	}
}

// Whatever is escaped still means the same, and nothing in it acts.
func FuzzEscape(f *testing.F) {
	f.Add("a\u009b\u202eb\x7f\u2028\n")
	f.Add("\\\u0085")
	f.Fuzz(func(t *testing.T, s string) {
		var out bytes.Buffer
		enc := json.NewEncoder(plainjson.NewWriter(&out))
		enc.SetEscapeHTML(false)
		if err := enc.Encode(map[string]string{s: s}); err != nil {
			t.Fatal(err)
		}
		var got map[string]string
		if err := json.Unmarshal(out.Bytes(), &got); err != nil {
			t.Fatalf("%q: %v", out.String(), err)
		}
		valid := strings.ToValidUTF8(s, "\ufffd")
		if len(got) != 1 || !reflect.DeepEqual(toRunes(got), []rune(valid)) && len([]rune(s)) == len([]rune(valid)) {
			t.Errorf("%q came back as %q", s, got)
		}
		if line := strings.TrimSuffix(out.String(), "\n"); strings.ContainsFunc(line, plainjson.Acts) {
			t.Errorf("%q can act", line)
		}
	})
}

func toRunes(m map[string]string) []rune {
	for _, v := range m {
		return []rune(v)
	}
	return nil
}
