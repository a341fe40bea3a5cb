package webapi

import (
	"errors"
	"testing"
	"time"
	"unicode/utf8"
)

func call(name string, values ...any) (any, error) { return Call(name, Args{Values: values}) }

func TestUnknownAndMissingArguments(t *testing.T) {
	for name := range functions {
		if _, err := call(name); err != nil {
			var e *Error
			if !errors.As(err, &e) || e.Message == "" {
				t.Errorf("%s without arguments: %v", name, err)
			}
		}
	}
	if _, err := call("no.such"); err == nil {
		t.Error("an unknown function answers")
	}
}

// Work that takes long ends when the invocation's time is over.
func TestExpires(t *testing.T) {
	for name, values := range map[string][]any{
		"crypto.derive": {"PBKDF2", "SHA-512", []byte("p"), []byte("s"), 1 << 16, 1_000_000},
		"crypto.pair":   {"RSA", "", 4096},
	} {
		start := time.Now()
		asked := 0
		_, err := Call(name, Args{Values: values, Expired: func() bool { asked++; return time.Since(start) > 0 }})
		if !errors.Is(err, ErrExpired) || asked == 0 {
			t.Errorf("%s: %v, asked %d times", name, err, asked)
		}
	}
}

func FuzzText(f *testing.F) {
	f.Add("http://user@h:80/p?q#f", "../x", "form-data; name=\"a\"")
	f.Add("blob:http://h", "%zz", "multipart/form-data; boundary=b")
	f.Fuzz(func(t *testing.T, a, b, c string) {
		for _, try := range [][]any{
			{"url.parse", a}, {"url.parse", a, b}, {"url.set", a, "host", b}, {"url.set", a, "search", b}, {"url.query", a},
			{"base64.atob", a}, {"text.label", a}, {"form.parse", c, []byte(b)}, {"crypto.import", "jwk", "EC", a, "P-256"},
			{"crypto.import", "pkcs8", "RSA", []byte(a)},
		} {
			result, err := call(try[0].(string), try[1:]...)
			if text, ok := result.(string); ok && err == nil && utf8.ValidString(a) && !utf8.ValidString(text) {
				t.Errorf("%v: not UTF-8", try)
			}
			if u, ok := result.(urlRecord); ok && utf8.ValidString(a+b) {
				again, err := call("url.parse", u.Href)
				if try[0] == "url.parse" && (err != nil || again.(urlRecord).Href != u.Href) {
					t.Errorf("%q is not parsed as itself: %v %v", u.Href, again, err)
				}
			}
			if parts, ok := result.(form); ok {
				for _, p := range parts.Parts {
					if p.Start > p.End || p.End > len(b) {
						t.Errorf("a part out of bounds: %+v of %d", p, len(b))
					}
				}
			}
		}
	})
}

func FuzzDecode(f *testing.F) {
	f.Add("utf-8", []byte("a\xffb"))
	f.Add("utf-16le", []byte("\x3d\xd8"))
	f.Add("gb18030", []byte("\x81\x30"))
	f.Fuzz(func(t *testing.T, label string, data []byte) {
		result, err := call("text.decode", label, data, 0, 0)
		if text, ok := result.(string); err == nil && ok && !utf8.ValidString(text) {
			t.Errorf("%s: not UTF-8", label)
		}
		if d, ok := result.(decoded); ok && (d.Rest < 0 || d.Rest > len(data)) {
			t.Errorf("%s: rest %d of %d", label, d.Rest, len(data))
		}
		if again, err := call("text.decode", "utf-8", data); err != nil || !utf8.ValidString(again.(string)) {
			t.Errorf("utf-8: %v", err)
		}
		if got := WellFormed(data); !utf8.ValidString(got) {
			t.Error("WellFormed is not UTF-8")
		}
	})
}
