package sandbox

import (
	"encoding/json"
	"testing"
)

func TestParseRequest(t *testing.T) {
	for _, event := range []string{
		``, `[]`, `["GET"]`, `["GET","http://a/",true,0]`, `["GET","http://a/",true,0,"h"`, `["GET","http://a/",true,0,"h"] `, `["GET","http://a/",true,0,"h]`,
		`["GET","http://a/",true,0,"\x"]`, `["GET\`, `["GET","http://a/",true,0,1]`,
	} {
		if r, err := parseRequest([]byte(event)); err == nil {
			t.Errorf("%s was taken for %+v", event, r)
		}
	}
}

// FuzzRequest: what the supervisor writes is what is read.
func FuzzRequest(f *testing.F) {
	f.Add("GET", "http://127.0.0.1/a?n=1", true, int32(0), "host\nexample.com\naccept\n*/*")
	f.Add("P\"T", "http://a/\\n\u2028é", false, int32(7), "a\n\\n\tb\x00")
	f.Fuzz(func(t *testing.T, method, url string, plain bool, stream int32, headers string) {
		event, err := json.Marshal([]any{method, url, plain, stream, headers})
		if err != nil {
			t.Fatal(err)
		}
		r, err := parseRequest(event)
		if err != nil {
			t.Fatalf("%s: %v", event, err)
		}
		var want [5]any
		if err := json.Unmarshal(event, &want); err != nil {
			t.Fatal(err)
		}
		if got := [5]any{string(r.method), string(r.url), r.plain, float64(r.stream), string(r.headers)}; got != want {
			t.Errorf("%s was read as %q", event, got)
		}
	})
}
