package gateway_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/base64"
	"io"
	"maps"
	"net/http"
	"strings"
	"testing"

	"github.com/bulkhead-run/bulkhead/gateway"
	"github.com/bulkhead-run/bulkhead/internal/assets"
	"github.com/bulkhead-run/bulkhead/internal/outcome"
	"github.com/bulkhead-run/bulkhead/internal/tokens"
	"github.com/bulkhead-run/bulkhead/supervisor"
)

// site is a web with static files.
func site(t *testing.T) *fake {
	t.Helper()
	f := web()
	set, err := assets.Open(assets.Pack(map[string][]byte{
		"index.html": []byte("<h1>"), "docs/index.html": []byte("<h2>"), "big.css": bytes.Repeat([]byte("a { color: red }\n"), 1000),
		"a b.txt": []byte("0123456789"), "x.bin": {1, 2, 3},
	}))
	if err != nil {
		t.Fatal(err)
	}
	f.asset = func(_, path string) (*supervisor.Asset, error) {
		file, folder := set.Find(path)
		if file == nil {
			return nil, nil
		}
		return &supervisor.Asset{File: file, Version: "v9", Folder: folder}, nil
	}
	return f
}

func TestAssets(t *testing.T) {
	f := site(t)
	h := functionsHandler(t, f, gateway.Options{})
	host := functionsHandler(t, f, gateway.Options{Functions: gateway.FunctionOptions{Domain: "functions.example"}})
	plain := functionsHandler(t, f, gateway.Options{Functions: gateway.FunctionOptions{NoCompression: true}})
	ask := func(path string, header ...string) func() *answered {
		return func() *answered { return got(t, h, "GET", path, header...) }
	}
	first := got(t, h, "GET", "/t/open/a%20b.txt")
	tag := first.h.Get("Etag")
	if !strings.HasPrefix(tag, `"`) || first.h.Get("Bulkhead-Version") != "v9" || first.h.Get("X-Content-Type-Options") != "nosniff" {
		t.Fatalf("got %v", first.h)
	}
	zipped := got(t, h, "GET", "/t/open/big.css", "Accept-Encoding", "gzip, br")
	css := got(t, h, "GET", "/t/open/big.css")
	if r, err := gzip.NewReader(strings.NewReader(zipped.body)); err != nil {
		t.Error(err)
	} else if text, err := io.ReadAll(r); err != nil || string(text) != css.body {
		t.Errorf("what is compressed: %v", err)
	}
	if zipped.h.Get("Etag") == css.h.Get("Etag") || zipped.h.Get("Vary") != "Accept-Encoding" || css.h.Get("Vary") != "Accept-Encoding" {
		t.Errorf("got %v and %v", zipped.h, css.h)
	}
	for name, tt := range map[string]struct {
		ask    func() *answered
		status int
		body   string
		header map[string]string
	}{
		"file":         {ask("/t/open/a%20b.txt"), 200, "0123456789", map[string]string{"Content-Type": "text/plain; charset=utf-8", "Cache-Control": "public, max-age=0, must-revalidate"}},
		"not public":   {func() *answered { return got(t, h, "GET", "/t/closed/a%20b.txt", "Host", "localhost") }, 200, "0123456789", map[string]string{"Cache-Control": "private, max-age=0, must-revalidate"}},
		"unchanged":    {ask("/t/open/a%20b.txt", "If-None-Match", tag), 304, "", map[string]string{"Etag": tag, "Content-Length": "", "Content-Type": ""}},
		"zip, same":    {ask("/t/open/big.css", "Accept-Encoding", "gzip", "If-None-Match", zipped.h.Get("Etag")), 304, "", map[string]string{"Content-Encoding": ""}},
		"changed":      {ask("/t/open/a%20b.txt", "If-None-Match", `"other"`), 200, "0123456789", nil},
		"range":        {ask("/t/open/a%20b.txt", "Range", "bytes=2-4"), 206, "234", map[string]string{"Content-Range": "bytes 2-4/10"}},
		"suffix":       {ask("/t/open/a%20b.txt", "Range", "bytes=-2"), 206, "89", nil},
		"stale range":  {ask("/t/open/a%20b.txt", "Range", "bytes=2-4", "If-Range", `"other"`), 200, "0123456789", nil},
		"range, zip":   {ask("/t/open/big.css", "Range", "bytes=0-1", "Accept-Encoding", "gzip"), 206, "a ", map[string]string{"Content-Encoding": ""}},
		"past its end": {ask("/t/open/a%20b.txt", "Range", "bytes=90-"), 416, "invalid range: failed to overlap\n", map[string]string{"Content-Range": "bytes */10"}},
		"root":         {ask("/t/open/"), 200, "<h1>", map[string]string{"Content-Type": "text/html; charset=utf-8"}},
		"folder":       {ask("/t/open/docs/"), 200, "<h2>", nil},
		"no slash":     {ask("/t/open/docs?a=1"), 307, "", map[string]string{"Location": "./docs/?a=1"}},
		"prefix only":  {ask("/t/open"), 307, "", map[string]string{"Location": "./open/"}},
		"none":         {ask("/t/open/nothing"), 200, "hello", map[string]string{"X-Url": "http://example.com/nothing"}},
		"up":           {ask("/t/open/docs/..%2findex.html"), 200, "hello", nil},
		"post":         {func() *answered { return got(t, h, "POST", "/t/open/index.html") }, 200, "hello", nil},
		"head":         {func() *answered { return got(t, h, "HEAD", "/t/open/a%20b.txt") }, 200, "", map[string]string{"Content-Length": "10", "Etag": tag}},
		"host":         {func() *answered { return got(t, host, "GET", "/docs", "Host", "open--t.functions.example") }, 307, "", map[string]string{"Location": "./docs/"}},
		"no zip":       {func() *answered { return got(t, plain, "GET", "/t/open/big.css", "Accept-Encoding", "gzip") }, 200, css.body, map[string]string{"Content-Encoding": "", "Vary": ""}},
		"small":        {ask("/t/open/x.bin", "Accept-Encoding", "gzip"), 200, "\x01\x02\x03", map[string]string{"Content-Type": "application/octet-stream", "Content-Encoding": ""}},
	} {
		a := tt.ask()
		if a.status != tt.status || a.body != tt.body {
			t.Errorf("%s: got %d %.100q; want %d %.100q", name, a.status, a.body, tt.status, tt.body)
		}
		for key, want := range tt.header {
			if a.h.Get(key) != want {
				t.Errorf("%s: %s is %q; want %q", name, key, a.h.Get(key), want)
			}
		}
	}
	f.asset = func(string, string) (*supervisor.Asset, error) {
		return nil, &outcome.Error{Outcome: outcome.Internal, Detail: "the disk"}
	}
	if a := got(t, h, "GET", "/t/open/index.html"); a.status != 500 || strings.Contains(a.body, "the disk") {
		t.Errorf("a disk that fails: %d %s", a.status, a.body)
	}
}

type answered struct {
	status int
	body   string
	h      http.Header
}

func got(t *testing.T, h http.Handler, method, path string, header ...string) *answered {
	t.Helper()
	w := askFunction(t, h, method, path, header...)
	return &answered{w.Code, w.Body.String(), w.Header()}
}

// A static file asks for what the function asks for, and counts as its requests do.
func TestAssetsWhoMaySee(t *testing.T) {
	store := tokenStore(t)
	mine := "Bearer " + issue(t, store, "mine", "t", tokens.TenantInvoke)
	other := "Bearer " + issue(t, store, "other", "u", tokens.TenantInvoke, tokens.TenantDeploy)
	f := site(t)
	h := functionsHandler(t, f, gateway.Options{Tokens: store})
	for _, tt := range []struct {
		path, auth string
		status     int
	}{
		{"/t/open/index.html", "", 200},
		{"/t/closed/index.html", "", 401},
		{"/t/closed/index.html", mine, 200},
		{"/t/closed/index.html", other, 403},
		{"/t/open@staging/index.html", "", 401},
		{"/t/open@staging/index.html", mine, 200},
		{"/t/open@abcd/index.html", mine, 403},
		{"/t/open@abcd/index.html", other, 403},
	} {
		var header []string
		if tt.auth != "" {
			header = []string{"Authorization", tt.auth}
		}
		if a := got(t, h, "GET", tt.path, header...); a.status != tt.status || a.status != 200 && strings.Contains(a.body, "<h1>") {
			t.Errorf("%s: got %d, want %d", tt.path, a.status, tt.status)
		}
	}
	f.limits = supervisor.Limits{Rate: 0.001, Burst: 1, MaxInflight: 1}
	limited := functionsHandler(t, f, gateway.Options{})
	if a := got(t, limited, "GET", "/t/open/"); a.status != 200 {
		t.Errorf("the first: %d", a.status)
	}
	if a := got(t, limited, "GET", "/t/open/"); a.status != 429 {
		t.Errorf("over the rate: %d", a.status)
	}
}

func TestDeployAssets(t *testing.T) {
	f := web()
	addr, _ := serve(t, f, gateway.Options{})
	encode := func(s string) string { return base64.StdEncoding.EncodeToString([]byte(s)) }
	for name, tt := range map[string]struct {
		assets string
		status int
		want   string
	}{
		"files":     {`{"index.html":"` + encode("<p>") + `","a/b":"` + encode("x") + `","c":""}`, 201, ""},
		"no object": {`["a"]`, 400, "must be a JSON object"},
		"no base64": {`{"a":"***"}`, 400, `has a file \"a\" that is not a string in base64`},
		"null":      {`{"a":null}`, 400, "not a string in base64"},
		"twice":     {`{"a":"","b":"","a":""}`, 400, `has \"a\" twice`},
		"too many":  {"{" + many(supervisor.MaxAssetFiles+1) + "}", 400, "has more than 2000 files"},
		"too large": {`{"a":"` + strings.Repeat("A", 32<<20) + `"}`, 413, "larger than"},
	} {
		r, err := http.NewRequestWithContext(context.Background(), "PUT", "http://"+addr+"/v1/tenants/t/functions/"+strings.ReplaceAll(name, " ", "-"), strings.NewReader(`{"code":"() => 1","assets":`+tt.assets+`}`))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Content-Type", "application/json")
		answer, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		body, _ := io.ReadAll(answer.Body)
		answer.Body.Close()
		if answer.StatusCode != tt.status || !strings.Contains(string(body), tt.want) {
			t.Errorf("%s: got %d %.300s", name, answer.StatusCode, body)
		}
	}
	if len(f.specs) != 1 || !maps.EqualFunc(f.specs[0].Assets, map[string][]byte{"index.html": []byte("<p>"), "a/b": []byte("x"), "c": {}}, bytes.Equal) {
		t.Errorf("got %d specs", len(f.specs))
	}
}

// many are members of a JSON object.
func many(n int) string {
	var b strings.Builder
	for i := range n {
		if i > 0 {
			b.WriteByte(',')
		}
		b.WriteString(`"` + strings.Repeat("b", i%40+1) + strings.Repeat("c", i/40+1) + `":""`)
	}
	return b.String()
}
