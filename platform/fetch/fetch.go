package fetch

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/bulkhead-run/bulkhead/platform"
	"github.com/bulkhead-run/bulkhead/policies"
)

const (
	maxRedirects = 10
	// maxDrain is how much of a redirect's body is read to keep its connection.
	maxDrain = 16 << 10
)

// Options configure New. Zero values mean the defaults.
type Options struct {
	// MaxBody is the largest response body in bytes, after decompression.
	// Default 4 MiB.
	MaxBody int64
	// MaxConcurrent is how many calls one tenant has on their way at once;
	// further ones wait. Default 16.
	MaxConcurrent int
	// MaxTenants is how many tenants' idle connections are kept. Default 256.
	MaxTenants int
	// IdleTimeout is how long an unused connection is kept. Default 30 s.
	IdleTimeout time.Duration
}

// Fetch is the platform API fetch. It is safe for concurrent use.
type Fetch struct {
	o     Options
	pools *pools
	ctx   context.Context
	stop  context.CancelFunc

	mu     sync.Mutex
	closed bool
	calls  sync.WaitGroup
}

// New makes a Fetch. The caller closes it.
func New(o Options) *Fetch {
	if o.MaxBody <= 0 {
		o.MaxBody = 4 << 20
	}
	if o.MaxConcurrent <= 0 {
		o.MaxConcurrent = 16
	}
	if o.MaxTenants <= 0 {
		o.MaxTenants = 256
	}
	if o.IdleTimeout <= 0 {
		o.IdleTimeout = 30 * time.Second
	}
	f := &Fetch{o: o, pools: newPools(o)}
	f.ctx, f.stop = context.WithCancel(context.Background())
	return f
}

// Close ends the calls on their way, waits for them and closes every
// connection. Calls made later fail.
func (f *Fetch) Close() {
	f.mu.Lock()
	f.closed = true
	f.mu.Unlock()
	f.stop()
	f.calls.Wait()
	f.pools.close()
}

// API returns the API fetch(url, init).
//
// The members of init are method, headers (pairs or an object), body or
// bodyBase64 (at most 1 MiB) and redirect. The result has url, status,
// statusText, headers (pairs, names in lower case), redirected, and body, or
// bodyBase64 where the body is not UTF-8 text or takes less room so.
//
// Failures are a TypeError, as in browsers; a denial is what call.Check
// returns; the end of the call's context is a TimeoutError or an AbortError.
func (f *Fetch) API() platform.API {
	return platform.API{
		Name:       "fetch",
		Doc:        "fetch(url, init): make an HTTP request",
		Attributes: attributes,
		Func:       f.call,
	}
}

func (f *Fetch) call(ctx context.Context, call *platform.Call) (any, error) {
	req, err := parseRequest(call.Args)
	if err != nil {
		return nil, err
	}
	f.mu.Lock()
	if f.closed {
		f.mu.Unlock()
		return nil, platform.TypeErrorf("fetch failed: the supervisor is closing")
	}
	f.calls.Add(1)
	f.mu.Unlock()
	defer f.calls.Done()

	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(f.ctx, cancel)()

	pool, err := f.pools.acquire(ctx, call.Tenant)
	if err != nil {
		return nil, failure(ctx, err)
	}
	defer f.pools.release(pool)
	return f.follow(ctx, call, pool, req)
}

// follow makes the request and those that redirects ask for.
func (f *Fetch) follow(ctx context.Context, call *platform.Call, pool *pool, req *request) (any, error) {
	verdict := call.Verdict
	for redirects := 0; ; redirects++ {
		resp, err := f.send(ctx, pool, req, verdict)
		if err != nil {
			return nil, err
		}
		next, err := redirectTarget(req, resp)
		if err != nil || next == nil {
			defer resp.Body.Close()
			if err != nil {
				return nil, err
			}
			return f.read(ctx, req, resp, redirects > 0)
		}
		io.CopyN(io.Discard, resp.Body, maxDrain)
		resp.Body.Close()
		if redirects == maxRedirects {
			return nil, platform.TypeErrorf("fetch failed: more than %d redirects", maxRedirects)
		}
		req.follow(*next, resp.StatusCode)
		if verdict, err = call.Check(next.attributes(req.method)); err != nil {
			return nil, err
		}
		if !verdict.Allowed {
			return nil, platform.Errorf("PermissionError", "fetch: %s", verdict.Reason)
		}
	}
}

func (f *Fetch) send(ctx context.Context, pool *pool, req *request, v policies.Verdict) (*http.Response, error) {
	if !v.PortNamed && slices.Contains(blockedPorts, req.target.port) {
		return nil, platform.TypeErrorf("fetch failed: port %d is not for HTTP; a policy may allow it by name", req.target.port)
	}
	r := (&http.Request{
		Method: req.method,
		URL:    req.target.url,
		Host:   req.target.url.Host,
		Header: req.header.Clone(),
	}).WithContext(ctx)
	if req.hasBody {
		r.Body = io.NopCloser(bytes.NewReader(req.body))
		r.ContentLength = int64(len(req.body))
		r.GetBody = func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(req.body)), nil }
		if len(req.body) == 0 {
			r.Body = http.NoBody
		}
	}
	resp, err := pool.transport(v.Private).RoundTrip(r)
	if err != nil {
		return nil, failure(ctx, err)
	}
	return resp, nil
}

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
func (r *request) follow(next target, status int) {
	switch {
	case (status == http.StatusMovedPermanently || status == http.StatusFound) && r.method == http.MethodPost,
		status == http.StatusSeeOther && r.method != http.MethodGet && r.method != http.MethodHead:
		r.method, r.body, r.hasBody = http.MethodGet, nil, false
		for _, h := range []string{"Content-Encoding", "Content-Language", "Content-Location", "Content-Type"} {
			r.header.Del(h)
		}
	}
	if next.origin() != r.target.origin() {
		r.header.Del("Authorization")
		r.header.Del("Cookie")
	}
	r.target = next
}
