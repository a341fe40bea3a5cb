package fetch

import (
	"encoding/json"
	"net/netip"
	"reflect"
	"strings"
	"testing"

	"github.com/bulkhead-run/bulkhead/policies"
)

func args(url string, init string) []json.RawMessage {
	u, _ := json.Marshal(url)
	a := []json.RawMessage{u}
	if init != "" {
		a = append(a, json.RawMessage(init))
	}
	return a
}

func TestAttributes(t *testing.T) {
	for _, c := range []struct {
		url, init string
		want      policies.Attributes
	}{
		{"https://Example.COM", "", policies.Attributes{Scheme: "https", Host: "example.com", Port: 443, Method: "GET", Path: "/"}},
		{"HTTP://example.com./a", `{}`, policies.Attributes{Scheme: "http", Host: "example.com", Port: 80, Method: "GET", Path: "/a"}},
		{" https://example.com:8443/\n", `{"method":"post"}`, policies.Attributes{Scheme: "https", Host: "example.com", Port: 8443, Method: "POST", Path: "/"}},
		{"http://example.com:/x", "", policies.Attributes{Scheme: "http", Host: "example.com", Port: 80, Method: "GET", Path: "/x"}},
		{"http://bücher.example/", "", policies.Attributes{Scheme: "http", Host: "xn--bcher-kva.example", Port: 80, Method: "GET", Path: "/"}},
		{"http://１２７.0.0.1/", "", policies.Attributes{Scheme: "http", Host: "127.0.0.1", Port: 80, Method: "GET", Path: "/"}},
		{"http://[::FFFF:127.0.0.1]:99", "", policies.Attributes{Scheme: "http", Host: "127.0.0.1", Port: 99, Method: "GET", Path: "/"}},
		{"http://[2606:4700:0:0::1]", "", policies.Attributes{Scheme: "http", Host: "2606:4700::1", Port: 80, Method: "GET", Path: "/"}},
		{"http://good#@127.0.0.1/", "", policies.Attributes{Scheme: "http", Host: "good", Port: 80, Method: "GET", Path: "/"}},
		{"http://my_service.example/", `{"method":"DELETE"}`, policies.Attributes{Scheme: "http", Host: "my_service.example", Port: 80, Method: "DELETE", Path: "/"}},
		{"http://h/a/./b/../c/%2e%2E/d/%2e?q=/../x", `{"method":"propfind"}`, policies.Attributes{Scheme: "http", Host: "h", Port: 80, Method: "PROPFIND", Path: "/a/d/"}},
		{"http://h/../../a%20b%2Fc", "", policies.Attributes{Scheme: "http", Host: "h", Port: 80, Method: "GET", Path: "/a b/c"}},
	} {
		got, err := attributes(args(c.url, c.init))
		if err != nil || !reflect.DeepEqual(got, c.want) {
			t.Errorf("%s: got %+v, %v", c.url, got, err)
		}
	}
}

func TestRefusedURLs(t *testing.T) {
	for _, url := range []string{
		"", "/path", "example.com", "//example.com", "http:", "http://", "http:///x", "http:example.com",
		"file:///etc/passwd", "gopher://a/", "unix:///run/x.sock", "data:text/plain,a", "javascript:1", "ftp://a/",
		"http://user@example.com", "http://user:pw@example.com", "http://good@127.0.0.1/",
		"http://a\\b/", "http://exa\tmple.com/", "http://exa\nmple.com/", "http://a b/", "http://a\x00b/", "http://a%00b/", "http://a%2fb/",
		"http://0x7f000001/", "http://2130706433/", "http://0177.0.0.1/", "http://0177.1/", "http://127.1/", "http://0/", "http://0x7f.1/",
		"http://127.0.0.1.1/", "http://256.0.0.1/", "http://1.2.3.4.0x5/", "http://a.0x/", "http://１２７.1/", "http://2130706433./",
		"http://[::1", "http://[fe80::1%25lo]/", "http://[fe80::1%lo]/", "http://[127.0.0.1]/", "http://[::g]/", "http://[]/",
		"http://a..b/", "http://.a/", "http://-a/", "http://a-/", "http://" + strings.Repeat("a", 64) + "/", "http://" + strings.Repeat("a.", 130) + "/",
		"http://*.example.com/", "http://a,b/", "http://example.com:0/", "http://example.com:65536/", "http://example.com:-1/", "http://example.com:8o/",
		"http://\xff/", "http://h/a%2f..%2fb", "http://h/a/%5c../b", "http://h/%2e%2e%2fb", "http://example.com/" + strings.Repeat("a", 17<<10),
	} {
		if a, err := attributes(args(url, "")); err == nil {
			t.Errorf("%q was taken as %+v", url, a)
		} else if !strings.HasPrefix(err.Error(), "TypeError: ") {
			t.Errorf("%q: got %v", url, err)
		}
	}
	if _, err := attributes(nil); err == nil {
		t.Error("no URL was taken")
	}
	if _, err := attributes([]json.RawMessage{json.RawMessage(`{"a":1}`)}); err == nil {
		t.Error("an object was taken for a URL")
	}
}

func TestRefusedInits(t *testing.T) {
	big, _ := json.Marshal(strings.Repeat("x", maxHeldBody+1))
	for _, init := range []string{
		`"x"`, `{"method":"CONNECT"}`, `{"method":"trace"}`, `{"method":"Track"}`, `{"method":"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"}`,
		`{"method":"POST","body":"a","bodyStream":1}`, `{"method":"GET","bodyStream":1}`, `{"method":"POST","bodyStream":-1}`, `{"method":"POST","bodyStream":"x"}`, `{"method":"GET / HTTP/1.1\r\n"}`, `{"method":""}`, `{"method":1}`,
		`{"headers":[["a"]]}`, `{"headers":[["a","b","c"]]}`, `{"headers":1}`, `{"headers":[["a b","c"]]}`, `{"headers":[["","c"]]}`,
		`{"headers":[["a","b\r\nHost: evil"]]}`, `{"headers":{"a\r\nb":"c"}}`, `{"headers":[["a","b\u0000"]]}`,
		`{"method":"POST","body":"a","bodyBase64":"YQ=="}`, `{"method":"POST","bodyBase64":"!"}`,
		`{"body":"a"}`, `{"method":"HEAD","body":""}`, `{"method":"POST","body":` + string(big) + `}`, `{"redirect":"maybe"}`,
	} {
		if _, err := parseRequest(args("http://example.com", init)); err == nil {
			t.Errorf("%.60s was taken", init)
		}
	}
}

func TestOwnHeadersAreLeftOut(t *testing.T) {
	r, err := parseRequest(args("http://example.com", `{"headers":[["HOST","evil"],["transfer-encoding","chunked"],["Content-Length","5"],
		["connection","upgrade"],["Upgrade","h2c"],["X-A"," 1 "],["x-a","2"],["Expect","100-continue"],["accept-encoding","br"]]}`))
	if err != nil {
		t.Fatal(err)
	}
	if got := r.header["X-A"]; len(r.header) != 3 || len(got) != 2 || got[0] != "1" {
		t.Errorf("got %v", r.header)
	}
}

func FuzzTarget(f *testing.F) {
	for _, s := range []string{"http://example.com/?q=a b'\"", "https://[::1]:8443/%zz", "http://0x7f.1", "http://a#@b", "http://ｅ.１２７", "http://1.2.3.4"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, raw string) {
		got, err := parseTarget(raw)
		if err != nil {
			return
		}
		again, err := parseTarget(got.url.String())
		if err != nil || again.host != got.host || again.port != got.port || again.url.String() != got.url.String() {
			t.Fatalf("%q: %v is not stable: %v, %v", raw, got.url, again.url, err)
		}
		if strings.ContainsAny(got.url.RequestURI(), " \r\n\t\x00") || strings.ContainsAny(got.host, "%@/\\ [] ") {
			t.Fatalf("%q: %q %q", raw, got.url.RequestURI(), got.host)
		}
		if a, err := netip.ParseAddr(got.host); err == nil && a.String() != got.host {
			t.Fatalf("%q: address %s", raw, got.host)
		}
	})
}
