// Package console is the playground and console: a web page over the admin
// API. It holds the files that `make console` has built from src/, and serves
// them; what they show, the page fetches from the API with the reader's token.
package console

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"embed"
	"encoding/base64"
	"fmt"
	"io"
	"io/fs"
	"mime"
	"net/http"
	"path"
	"strconv"
	"strings"
)

// Path is where Handler is to be mounted.
const Path = "/console/"

// Built files are stored compressed: NAME.br and NAME.gz.
//
//go:embed all:dist placeholder.html
var files embed.FS

// policy is the Content-Security-Policy of every answer. Scripts and style
// sheets are files of ours, connections go to the API alone, and no string
// becomes markup or code (Trusted Types).
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; " +
	"base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'"

// Handler serves the console below Path: its assets, and the page at every
// other path, so that the page's own addresses can be opened. When the binary
// was built without the console, the page says how to build it.
func Handler() http.Handler {
	dist, err := fs.Sub(files, "dist")
	if err != nil {
		panic(err) // embedded: it is there
	}
	return handler(dist)
}

func handler(dist fs.FS) http.Handler {
	page := load(dist, "index.html")
	if page == nil {
		text, err := files.ReadFile("placeholder.html")
		if err != nil {
			panic(err) // embedded: it is there
		}
		page = &file{name: "index.html", plain: text, tag: tagOf(text)}
	}
	assets := map[string]*file{}
	names, _ := fs.Glob(dist, "assets/*.gz") // the pattern is well formed
	for _, name := range names {
		name = strings.TrimSuffix(name, ".gz")
		assets[name] = load(dist, name)
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", policy)
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("Cross-Origin-Opener-Policy", "same-origin")
		h.Set("Cross-Origin-Resource-Policy", "same-origin")
		h.Set("Permissions-Policy", "camera=(), geolocation=(), microphone=(), payment=(), usb=()")
		h.Set("X-Frame-Options", "DENY")
		name := strings.TrimPrefix(r.URL.Path, Path)
		switch asset := assets[name]; {
		case asset != nil:
			// Its name holds its hash.
			h.Set("Cache-Control", "public, max-age=31536000, immutable")
			asset.serve(w, r)
		case strings.HasPrefix(name, "assets/"):
			h.Set("Cache-Control", "no-store")
			http.Error(w, "there is no such file; load the page anew", http.StatusNotFound)
		default:
			h.Set("Cache-Control", "no-cache")
			page.serve(w, r)
		}
	})
}

// file is one that is served, in the encodings that there are.
type file struct {
	name, tag string
	br, gz    []byte
	plain     []byte // nil: it is made from gz
}

// load returns nil when there is no such file.
func load(dist fs.FS, name string) *file {
	br, err := fs.ReadFile(dist, name+".br")
	if err != nil {
		return nil
	}
	gz, err := fs.ReadFile(dist, name+".gz")
	if err != nil {
		return nil
	}
	return &file{name: name, br: br, gz: gz, tag: tagOf(gz)}
}

func tagOf(content []byte) string {
	sum := sha256.Sum256(content)
	return base64.RawURLEncoding.EncodeToString(sum[:12])
}

func (f *file) serve(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("Vary", "Accept-Encoding")
	encoding, body := f.choose(r.Header.Values("Accept-Encoding"))
	tag := `"` + f.tag + encoding + `"`
	h.Set("ETag", tag)
	for _, known := range strings.Split(r.Header.Get("If-None-Match"), ",") {
		if known = strings.TrimSpace(known); known == tag || known == "W/"+tag {
			w.WriteHeader(http.StatusNotModified)
			return
		}
	}
	if encoding != "" {
		h.Set("Content-Encoding", encoding)
	}
	kind := mime.TypeByExtension(path.Ext(f.name))
	switch path.Ext(f.name) { // not what the machine's own table says
	case ".js":
		kind = "text/javascript; charset=utf-8"
	case ".css":
		kind = "text/css; charset=utf-8"
	case ".html":
		kind = "text/html; charset=utf-8"
	case ".svg":
		kind = "image/svg+xml"
	}
	h.Set("Content-Type", kind)
	if body == nil {
		var err error
		if body, err = gunzip(f.gz); err != nil {
			http.Error(w, fmt.Sprintf("%s: %v", f.name, err), http.StatusInternalServerError)
			return
		}
	}
	h.Set("Content-Length", strconv.Itoa(len(body)))
	if r.Method != http.MethodHead {
		_, _ = w.Write(body) // on failure nobody is left to tell
	}
}

// choose returns the smallest form that a client takes.
func (f *file) choose(accept []string) (encoding string, body []byte) {
	if f.plain != nil {
		return "", f.plain
	}
	takes := map[string]bool{}
	for _, part := range strings.Split(strings.Join(accept, ","), ",") {
		name, parameters, _ := strings.Cut(part, ";")
		q, found := strings.CutPrefix(strings.ReplaceAll(parameters, " ", ""), "q=")
		weight, err := strconv.ParseFloat(q, 64)
		takes[strings.ToLower(strings.TrimSpace(name))] = !found || err != nil || weight > 0
	}
	switch {
	case takes["br"]:
		return "br", f.br
	case takes["gzip"]:
		return "gzip", f.gz
	}
	return "", nil
}

func gunzip(compressed []byte) ([]byte, error) {
	z, err := gzip.NewReader(bytes.NewReader(compressed))
	if err != nil {
		return nil, err
	}
	return io.ReadAll(z)
}
