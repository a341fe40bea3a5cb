package fetch

import (
	"errors"
	"net/http"

	"github.com/bulkhead-run/bulkhead/platform"
)

// redirectTarget returns where resp redirects req to, or nil.
func redirectTarget(req *request, resp *http.Response) (*target, error) {
	switch resp.StatusCode {
	case http.StatusMovedPermanently, http.StatusFound, http.StatusSeeOther,
		http.StatusTemporaryRedirect, http.StatusPermanentRedirect:
	default:
		return nil, nil
	}
	location := resp.Header.Get("Location")
	switch {
	case location == "" || req.redirect == "manual":
		return nil, nil
	case req.redirect == "error":
		return nil, platform.TypeErrorf("fetch failed: the server redirects, and redirect is \"error\"")
	}
	if len(location) > maxURL {
		return nil, platform.TypeErrorf("fetch failed: the redirect's URL is over %d KiB", maxURL>>10)
	}
	u, err := req.target.url.Parse(location)
	if err == nil {
		// The resolved URL takes the same way as a function's own.
		var t target
		if t, err = parseTarget(u.String()); err == nil {
			return &t, nil
		}
	}
	var known *platform.Error
	if errors.As(err, &known) {
		return nil, platform.TypeErrorf("fetch failed: the server redirects, but %s", known.Message)
	}
	return nil, platform.TypeErrorf("fetch failed: the server redirects to a URL that is not valid")
}

// follow turns req into the request that a redirect with this status asks for.
func (r *request) follow(next target, status int) error {
	switch {
	case (status == http.StatusMovedPermanently || status == http.StatusFound) && r.method == http.MethodPost,
		status == http.StatusSeeOther && r.method != http.MethodGet && r.method != http.MethodHead:
		r.method = http.MethodGet
		r.dropBody()
		for _, h := range []string{"Content-Encoding", "Content-Language", "Content-Location", "Content-Type"} {
			r.header.Del(h)
		}
	case r.stream != nil:
		return platform.TypeErrorf("fetch failed: the server redirects with status %d, but a body that was streamed cannot be sent again", status)
	}
	if next.origin() != r.target.origin() {
		r.header.Del("Authorization")
		r.header.Del("Cookie")
	}
	r.target = next
	return nil
}
