package console_test

import (
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/bulkhead-run/bulkhead/console"
)

// most is what the whole console may come to, compressed.
const most = 400 << 10

func get(t *testing.T, path string, header http.Header) *httptest.ResponseRecorder {
	t.Helper()
	r := httptest.NewRequest(http.MethodGet, path, nil)
	r.Header = header
	w := httptest.NewRecorder()
	console.Handler().ServeHTTP(w, r)
	return w
}

func TestPageIsHardened(t *testing.T) {
	for _, path := range []string{console.Path, console.Path + "playground", console.Path + "assets/none.js", console.Path + "../../etc/passwd"} {
		w := get(t, path, nil)
		h := w.Header()
		for _, want := range []string{"default-src 'none'", "script-src 'self'", "style-src 'self'", "connect-src 'self'", "frame-ancestors 'none'", "require-trusted-types-for 'script'"} {
			if !strings.Contains(h.Get("Content-Security-Policy"), want) {
				t.Errorf("%s: the policy lacks %s", path, want)
			}
		}
		if strings.Contains(h.Get("Content-Security-Policy"), "unsafe") || h.Get("X-Content-Type-Options") != "nosniff" || h.Get("Referrer-Policy") != "no-referrer" {
			t.Errorf("%s: headers %v", path, h)
		}
		if h.Get("Set-Cookie") != "" {
			t.Errorf("%s sets a cookie", path)
		}
	}
}

func TestAssets(t *testing.T) {
	if _, err := os.Stat("dist/index.html.br"); err != nil {
		if w := get(t, console.Path, nil); !strings.Contains(w.Body.String(), "make build") {
			t.Errorf("the page does not say how it is built: %s", w.Body)
		}
		t.Skip("the console is not built: make console builds it")
	}
	page := get(t, console.Path, nil)
	if page.Header().Get("Cache-Control") != "no-cache" {
		t.Errorf("the page is cached: %v", page.Header())
	}
	if again := get(t, console.Path, http.Header{"If-None-Match": {page.Header().Get("ETag")}}); again.Code != http.StatusNotModified {
		t.Errorf("the same page again is %d", again.Code)
	}
	names := regexp.MustCompile(`/console/assets/[\w.-]+`).FindAllString(page.Body.String(), -1)
	if len(names) < 3 {
		t.Fatalf("the page names %q", names)
	}
	for _, name := range names {
		plain := get(t, name, nil)
		if plain.Code != http.StatusOK || !strings.Contains(plain.Header().Get("Cache-Control"), "immutable") || plain.Body.Len() == 0 {
			t.Errorf("%s: %d %v", name, plain.Code, plain.Header())
		}
		for accept, want := range map[string]string{"gzip, br": "br", "gzip": "gzip", "br;q=0, gzip;q=1.0": "gzip", "identity": ""} {
			w := get(t, name, http.Header{"Accept-Encoding": {accept}})
			if got := w.Header().Get("Content-Encoding"); got != want || want != "" && w.Body.Len() >= plain.Body.Len() {
				t.Errorf("%s for %q: %q, %d bytes", name, accept, got, w.Body.Len())
			}
		}
	}
}

func TestSize(t *testing.T) {
	var all int64
	err := fs.WalkDir(os.DirFS("dist"), ".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(path, ".gz") {
			return err
		}
		info, err := d.Info()
		if err == nil {
			all += info.Size()
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if all == 0 {
		t.Skip("the console is not built: make console builds it")
	}
	if all > most {
		t.Errorf("the console has %d bytes as gzip; the most is %d", all, most)
	}
}
