package supervisor

import (
	"strings"
	"testing"

	"golang.org/x/net/http/httpguts"
)

func TestParseAnswer(t *testing.T) {
	for text, reason := range map[string]string{
		"":                   "no description",
		"200":                "no description",
		"200\n":              "no description",
		"2000\n\n":           "no description",
		"+20\n\n":            "no description",
		"200 \n\n":           "no description",
		"200\na\n":           "no description",
		"200\na":             "no description",
		"200\na\nb":          "no description",
		"200\na\nb\n":        "no description",
		"199\n\n":            "its status is 199",
		"600\n\n":            "its status is 600",
		"200\na b\nc\n\n":    "its header",
		"200\na\nb\rc\n\n":   "its header",
		"200\na\n\x00\n\n":   "its header",
		"200\na\n\u20ac\n\n": "its header",
		"200\n" + strings.Repeat("a\nb\n", 201) + "\n":    "over 200 headers",
		"200\na\n" + strings.Repeat("b", 64<<10) + "\n\n": "over 65536 bytes",
	} {
		if r, _, err := parseAnswer([]byte(text)); err == nil || !strings.Contains(err.Error(), reason) {
			t.Errorf("%.40q: got %v, %v; want %q", text, r, err, reason)
		}
	}
	r, body, err := parseAnswer([]byte("404\nx-a\n1\nx-a\n\nx-b\ncaf\u00e9\n\nbody\n\n"))
	if err != nil || r.Status != 404 || strings.Join(r.Header["X-A"], ";") != "1;" || r.Header.Get("X-B") != "caf\xe9" || string(body) != "body\n\n" {
		t.Errorf("got %v %q %v", r, body, err)
	}
}

// FuzzParseAnswer gives the supervisor answers of a process that does as it likes:
// what it takes of them is fit for HTTP.
func FuzzParseAnswer(f *testing.F) {
	for _, text := range []string{"200\n\n", "200\na\nb\n\nbody", "599\nset-cookie\n\u00e9\n\n\n", "200\n\n\n\n", "200\na\n\n\n"} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		r, body, err := parseAnswer(text)
		if err != nil {
			return
		}
		if r.Status < 200 || r.Status > 599 || len(body) >= len(text) {
			t.Errorf("%q: status %d, a body of %d bytes", text, r.Status, len(body))
		}
		count, size := 0, 0
		for name, values := range r.Header {
			for _, value := range values {
				count++
				size += len(value)
				if !httpguts.ValidHeaderFieldName(name) || !httpguts.ValidHeaderFieldValue(value) {
					t.Errorf("%q: header %q: %q", text, name, value)
				}
			}
		}
		if count > maxHeaders || size > maxHead {
			t.Errorf("%d headers of %d bytes", count, size)
		}
	})
}
