package sandbox

import (
	"encoding/json"
	"testing"

	"github.com/bulkhead-run/bulkhead/ipc"
	"github.com/bulkhead-run/bulkhead/sandbox/webapi"
)

var plainURLs = []string{
	"http://a/", "https://example.com/a/b?c=d", "http://127.0.0.1:8421/a?n=1", "https://a.b-c.d2/x;y=1,2/@!$&'()*+", "http://a:443/", "https://a:80/?x",
	"http://a/a.b/c..", "http://a/a%20b", "http://a/?%zz&a=?",
}

var otherURLs = []string{
	"", "http", "http:/", "http://", "http:///", "http://a", "http://A/", "http://a:80/", "https://a:443/", "http://a:080/", "http://a:/", "http://a:65536/",
	"http://a/./", "http://a/..", "http://a/%2e", "http://a/.%2E/", "http://a/%2e%2e?x", "http://u@a/", "http://u:p@a/", "http://a/#", "http://a/?", "http://a/?x#y", "http://a/?'",
	"http://1/", "http://1.2.3/", "http://1.2.3.4.5/", "http://256.1.1.1/", "http://01.1.1.1/", "http://0x1/", "http://a.1/", "http://a.0x1/", "http://xn--a/", "http://a../", "http://a./",
	"http://-a/", "http://a_b/", "http://é/", "http://a/é", "http://a/ ", "http://a/\n", "http://a/\"", "http://a/^", "http://a/`", "http://a/{", "http://a\\b/", "http://a/\\b", "ftp://a/", "http://[::1]/", " http://a/", "http://a%62/",
}

func TestPlainURL(t *testing.T) {
	for _, text := range plainURLs {
		if !ipc.PlainURL(text) {
			t.Errorf("%q is plain", text)
		}
	}
	for _, text := range otherURLs {
		if ipc.PlainURL(text) {
			t.Errorf("%q is not plain", text)
		}
	}
}

// FuzzPlainURL holds what is said to be plain against the parser: it is a URL, and
// its parts are what the parser says.
func FuzzPlainURL(f *testing.F) {
	for _, text := range append(plainURLs, otherURLs...) {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if !ipc.PlainURL(text) {
			return
		}
		parsed, err := webapi.Call("url.parse", webapi.Args{Values: []any{text}})
		if err != nil {
			t.Fatalf("%q: %v", text, err)
		}
		raw, err := json.Marshal(parsed)
		if err != nil {
			t.Fatal(err)
		}
		got := make(map[string]string)
		if err := json.Unmarshal(raw, &got); err != nil {
			t.Fatal(err)
		}
		for n, name := range []string{"origin", "protocol", "host", "hostname", "port", "pathname", "search"} {
			if part := webapi.PlainURLPart([]byte(text), n); got[name] != string(part) {
				t.Errorf("%q: %s is %q, want %q", text, name, part, got[name])
			}
		}
		if got["href"] != text || got["username"]+got["password"]+got["hash"] != "" {
			t.Errorf("%q has more: %q", text, got)
		}
	})
}
