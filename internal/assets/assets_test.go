package assets_test

import (
	"bytes"
	"compress/gzip"
	"errors"
	"io"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/bulkhead-run/bulkhead/internal/assets"
	"github.com/bulkhead-run/bulkhead/internal/outcome"
)

func TestCheck(t *testing.T) {
	many := map[string][]byte{}
	for i := range assets.MaxFiles + 1 {
		many[strings.Repeat("a", i%500+1)+string(rune('a'+i/500))] = nil
	}
	for name, tt := range map[string]struct {
		files map[string][]byte
		most  int
		want  string // part of the only problem; "" for none
	}{
		"none":      {nil, 10, ""},
		"fine":      {map[string][]byte{"a": nil, "dir/b.css": []byte("x"), ".well-known/x": nil, "ü.txt": nil}, 100, ""},
		"no name":   {map[string][]byte{"": nil}, 100, "is no name"},
		"absolute":  {map[string][]byte{"/a": nil}, 100, "begins or ends with a slash"},
		"folder":    {map[string][]byte{"a/": nil}, 100, "begins or ends with a slash"},
		"two":       {map[string][]byte{"a//b": nil}, 100, "two in a row"},
		"up":        {map[string][]byte{"a/../b": nil}, 100, `has ".." as a part`},
		"here":      {map[string][]byte{"./b": nil}, 100, `has "." as a part`},
		"NUL":       {map[string][]byte{"a\x00b": nil}, 100, "control character"},
		"newline":   {map[string][]byte{"a\nb": nil}, 100, "control character"},
		"backslash": {map[string][]byte{`..\b`: nil}, 100, "backslash"},
		"bytes":     {map[string][]byte{"a\xff": nil}, 100, "not UTF-8"},
		"long":      {map[string][]byte{strings.Repeat("a", assets.MaxName+1): nil}, 1000, "longer than 512 bytes"},
		"large":     {map[string][]byte{"a": make([]byte, assets.MaxFile+1)}, assets.MaxTotal, `"a" has 8388609 bytes; the most of one file is 8388608`},
		"all":       {map[string][]byte{"a": make([]byte, 60), "b": make([]byte, 40)}, 100, "the files have 106 bytes together, with their names; the most is 100"},
		"many":      {many, assets.MaxTotal, "there are more than 2000 files"},
	} {
		problems := assets.Check(tt.files, tt.most)
		if tt.want == "" && len(problems) == 0 {
			continue
		}
		if len(problems) != 1 || tt.want == "" || problems[0].Field != "assets" || !strings.Contains(problems[0].Reason, tt.want) {
			t.Errorf("%s: got %v; want %q", name, problems, tt.want)
		}
	}
}

func TestPackAndFind(t *testing.T) {
	text := bytes.Repeat([]byte("all work and no play "), 200)
	files := map[string][]byte{"index.html": []byte("<p>"), "site.CSS": text, "docs/index.html": []byte("<b>"), "docs/a": {0, 1}, "empty.js": {}}
	pack := assets.Pack(files)
	if !bytes.Equal(pack, assets.Pack(maps.Clone(files))) {
		t.Error("the same files give other bytes")
	}
	if assets.Pack(nil) != nil {
		t.Error("no files are a pack")
	}
	set, err := assets.Open(pack)
	if err != nil || set.Size() < len(pack) || len(set.Files()) != len(files) {
		t.Fatalf("%v %d", err, set.Size())
	}
	for _, tt := range []struct {
		at, name, kind string
		folder         bool
	}{
		{"/", "index.html", "text/html; charset=utf-8", false},
		{"/index.html", "index.html", "text/html; charset=utf-8", false},
		{"/site.CSS", "site.CSS", "text/css; charset=utf-8", false},
		{"/docs/", "docs/index.html", "text/html; charset=utf-8", false},
		{"/docs", "docs/index.html", "text/html; charset=utf-8", true},
		{"/docs/a", "docs/a", "application/octet-stream", false},
		{"/empty.js", "empty.js", "text/javascript; charset=utf-8", false},
		{"/nothing", "", "", false},
		{"//index.html", "", "", false},
		{"/../index.html", "", "", false},
		{"/docs/../index.html", "", "", false},
		{"/docs/a/", "", "", false},
	} {
		f, folder := set.Find(tt.at)
		if tt.name == "" {
			if f != nil {
				t.Errorf("%s: got %s", tt.at, f.Name)
			}
			continue
		}
		if f == nil || f.Name != tt.name || f.Type != tt.kind || folder != tt.folder || !bytes.Equal(f.Data, files[tt.name]) || len(f.Tag) != 32 {
			t.Errorf("%s: got %+v, %v", tt.at, f, folder)
		}
	}
	css, _ := set.Find("/site.CSS")
	r, err := gzip.NewReader(bytes.NewReader(css.Gzip()))
	if err != nil {
		t.Fatal(err)
	}
	if back, err := io.ReadAll(r); err != nil || !bytes.Equal(back, text) {
		t.Errorf("compressed: %v", err)
	}
	if raw, _ := set.Find("/docs/a"); raw.Gzip() != nil {
		t.Error("bytes of no known type are compressed")
	}
}

func TestReadDir(t *testing.T) {
	outside := filepath.Join(t.TempDir(), "secret")
	folder := func(t *testing.T, files map[string]string) string {
		dir := t.TempDir()
		for name, text := range files {
			path := filepath.Join(dir, name)
			if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o700), os.WriteFile(path, []byte(text), 0o600)); err != nil {
				t.Fatal(err)
			}
		}
		return dir
	}
	if err := os.WriteFile(outside, []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	dir := folder(t, map[string]string{"index.html": "<p>", "a/b.css": "b{}", ".env": "KEY=1", ".git/config": "x", ".well-known/security.txt": "s"})
	if err := os.Symlink("index.html", filepath.Join(dir, "home.html")); err != nil {
		t.Fatal(err)
	}
	files, err := assets.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	want := map[string][]byte{"index.html": []byte("<p>"), "home.html": []byte("<p>"), "a/b.css": []byte("b{}"), ".well-known/security.txt": []byte("s")}
	if !maps.EqualFunc(files, want, bytes.Equal) {
		t.Errorf("got %q", files)
	}
	for name, tt := range map[string]struct {
		spoil func(dir string) error
		want  string
	}{
		"a link out":         {func(d string) error { return os.Symlink(outside, filepath.Join(d, "x.txt")) }, `"x.txt" cannot be read`},
		"a relative one":     {func(d string) error { return os.Symlink("../../../etc/hostname", filepath.Join(d, "x.txt")) }, `"x.txt" cannot be read`},
		"a link to a folder": {func(d string) error { return os.Symlink("a", filepath.Join(d, "b")) }, `"b" is no file`},
		"a dangling link":    {func(d string) error { return os.Symlink("nowhere", filepath.Join(d, "x")) }, `"x" cannot be read`},
		"a pipe":             {func(d string) error { return syscall.Mkfifo(filepath.Join(d, "p"), 0o600) }, `"p" is no file`},
		"a backslash":        {func(d string) error { return os.WriteFile(filepath.Join(d, `a\b`), nil, 0o600) }, "holds a backslash"},
		"a large file":       {func(d string) error { return os.Truncate(filepath.Join(d, "a/b.css"), assets.MaxFile+1) }, `"a/b.css" has 8388609 bytes`},
	} {
		t.Run(name, func(t *testing.T) {
			dir := folder(t, map[string]string{"a/b.css": "b{}"})
			if err := tt.spoil(dir); err != nil {
				t.Fatal(err)
			}
			_, err := assets.ReadDir(dir)
			var e *outcome.Error
			if !errors.As(err, &e) || e.Outcome != outcome.Invalid || len(e.Problems) != 1 || !strings.Contains(e.Problems[0].Reason, tt.want) {
				t.Errorf("got %+v", err)
			}
		})
	}
	if _, err := assets.ReadDir(filepath.Join(dir, "none")); outcome.Of(err) != outcome.Invalid {
		t.Errorf("no folder: %v", err)
	}
}

// What a disk gives back is either what Pack wrote, or refused.
func FuzzOpen(f *testing.F) {
	f.Add([]byte{})
	f.Add(assets.Pack(map[string][]byte{"a": []byte("b"), "c/d": {}}))
	f.Add([]byte("\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01a"))
	f.Fuzz(func(t *testing.T, pack []byte) {
		set, err := assets.Open(pack)
		if err != nil {
			return
		}
		files := map[string][]byte{}
		for name, file := range set.Files() {
			files[name] = file.Data
		}
		again, err := assets.Open(assets.Pack(files))
		if err != nil || len(again.Files()) != len(files) {
			t.Fatalf("%v: %d files of %d", err, len(again.Files()), len(files))
		}
	})
}
