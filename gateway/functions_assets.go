package gateway

import (
	"bytes"
	"mime"
	"net/http"
	"net/url"
	"path"
	"strconv"
	"strings"
	"time"

	"github.com/bulkhead-run/bulkhead/supervisor"
)

// asset answers with a static file of the version that is asked for, and tells
// whether there is one. The function is not asked.
func (f *functions) asset(w http.ResponseWriter, r *http.Request, at place, public bool) (answered bool) {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		return false
	}
	name, err := url.PathUnescape(at.path)
	if err != nil || strings.Contains(strings.ToLower(at.path), "%2f") {
		return false // a slash that divides nothing is in no file's name
	}
	a, err := f.backend.Asset(r.Context(), at.Tenant, at.Function, name)
	if err != nil {
		f.fail(w, r, at, public, nil, err)
		return true
	}
	if a == nil {
		return false
	}
	f.assetAnswers.Add(1)
	w.Header().Set(versionHeader, a.Version)
	if whole := r.URL.EscapedPath(); a.Folder || whole == at.prefix {
		target := "./" + path.Base(whole) + "/"
		if r.URL.RawQuery != "" {
			target += "?" + r.URL.RawQuery
		}
		w.Header().Set("Location", target)
		w.Header().Set("Cache-Control", cacheControl(public))
		w.WriteHeader(http.StatusTemporaryRedirect) // it may be a file in the next version
		return true
	}
	f.sendAsset(w, r, a, public)
	return true
}

// cacheControl has everybody ask again whether a file has changed, since its
// name is the same in the next version.
func cacheControl(public bool) string {
	if public {
		return "public, max-age=0, must-revalidate"
	}
	return "private, max-age=0, must-revalidate"
}

func (f *functions) sendAsset(w http.ResponseWriter, r *http.Request, a *supervisor.Asset, public bool) {
	h, tag, data := w.Header(), a.Tag, a.Data
	h.Set("Content-Type", a.Type)
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Cache-Control", cacheControl(public))
	if !f.options.NoCompression {
		if zipped := a.Gzip(); zipped != nil {
			h.Add("Vary", "Accept-Encoding")
			if r.Header.Get("Range") == "" && takesGzip(r) {
				tag, data = tag+"-gzip", zipped
				h.Set("Content-Encoding", "gzip")
				h.Set("Content-Length", strconv.Itoa(len(data)))
			}
		}
	}
	h.Set("Etag", `"`+tag+`"`)
	out := &paced{w: w, rc: http.NewResponseController(w), pace: pace{first: writeTimeout}}
	defer out.done()
	out.begin()
	http.ServeContent(pacedWriter{w, out}, r, "", time.Time{}, bytes.NewReader(data))
}

// pacedWriter is a paced answer as a handler knows it.
type pacedWriter struct {
	http.ResponseWriter
	paced *paced
}

func (w pacedWriter) Write(b []byte) (int, error) { return w.paced.Write(b) }

// takesGzip tells whether a client takes an answer in gzip.
func takesGzip(r *http.Request) bool {
	for field := range strings.SplitSeq(strings.Join(r.Header["Accept-Encoding"], ","), ",") {
		coding, params, _ := mime.ParseMediaType(strings.TrimSpace(field))
		if q, err := strconv.ParseFloat(params["q"], 64); strings.EqualFold(coding, "gzip") && (params["q"] == "" || err == nil && q > 0) {
			return true
		}
	}
	return false
}
