package fetch

import (
	"context"
	"io"
	"net/http"
	"net/url"
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
	// MaxBody is the largest body of a request, and of a response after
	// decompression, in bytes. Default 256 MiB.
	MaxBody int64
	// MaxConcurrent is how many requests one tenant has on their way at once,
	// from the call to the end of the response's body; further ones wait.
	// Default 16.
	MaxConcurrent int
	// MaxTenants is how many tenants' idle connections are kept. Default 256.
	MaxTenants int
	// IdleTimeout is how long an unused connection is kept. Default 30 s.
	IdleTimeout time.Duration
	// Proxy, if not nil, is the proxy that all requests go through: of scheme
	// http, https or socks5, perhaps with a user and password. The addresses of
	// a target are then looked up and checked before the request, but it is the
	// proxy that connects, after a look-up of its own: a name that changes
	// between the two is the proxy's to refuse.
	Proxy *url.URL
	// Rewrite, if not nil, may change the header of every request right before
	// it is sent to target; a redirect's request starts from the header that the
	// function gave. An *platform.Error reaches JavaScript.
	Rewrite func(ctx context.Context, tenant, function string, target *url.URL, header http.Header) error
	// Trace, if not nil, is called after Rewrite, to add the trace that ctx is
	// part of.
	Trace func(ctx context.Context, target *url.URL, header http.Header)
}

// Fetch is the platform API fetch. It is safe for concurrent use.
type Fetch struct {
	o     Options
	pools *pools
	ctx   context.Context
	stop  context.CancelFunc
	// bodyTimeout is how long a server may send nothing of a body.
	bodyTimeout time.Duration

	mu     sync.Mutex
	closed bool
	calls  sync.WaitGroup
}

// New makes a Fetch. The caller closes it.
func New(o Options) *Fetch {
	if o.MaxBody <= 0 {
		o.MaxBody = 256 << 20
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
	f := &Fetch{o: o, pools: newPools(o), bodyTimeout: time.Minute}
	f.ctx, f.stop = context.WithCancel(context.Background())
	return f
}

// Close ends the calls on their way, waits for them and closes every
// connection: bodies that are being read fail. Calls made later fail, too.
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
// The members of init are method, headers (pairs or an object), redirect, and
// the body: body or bodyBase64 (at most 1 MiB), or bodyStream, the number of a
// stream, with bodySize where the size is known. The result has url, status,
// statusText, headers (pairs, names in lower case), redirected, and body or
// bodyBase64 for a small body that was there at once; any other is the stream
// bodyStream.
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

// exchange is one call, through to the end of the response's body.
type exchange struct {
	f      *Fetch
	call   *platform.Call
	pool   *pool
	ctx    context.Context
	cancel context.CancelCauseFunc
	unbind func() bool
	once   sync.Once
}

func (f *Fetch) begin(ctx context.Context, call *platform.Call) (*exchange, error) {
	x := &exchange{f: f, call: call}
	x.ctx, x.cancel = context.WithCancelCause(ctx)
	x.unbind = context.AfterFunc(f.ctx, func() { x.cancel(context.Canceled) })
	var err error
	if x.pool, err = f.pools.acquire(x.ctx, call.Tenant); err != nil {
		x.end(nil)
		return nil, failure(x.ctx, err)
	}
	return x, nil
}

// end lets everything of the exchange go. With a cause, its connection is closed.
func (x *exchange) end(cause error) {
	x.once.Do(func() {
		x.unbind()
		if cause != nil {
			x.cancel(cause)
		}
		if x.pool != nil {
			x.f.pools.release(x.pool)
		}
	})
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
	x, err := f.begin(ctx, call)
	if err != nil {
		return nil, err
	}
	result, err := x.run(req)
	if err != nil {
		x.end(context.Canceled)
	}
	return result, err
}

func (x *exchange) run(req *request) (any, error) {
	if err := req.openBody(x); err != nil {
		return nil, err
	}
	defer req.closeBody()
	resp, verdict, redirected, err := x.follow(req)
	if err != nil {
		return nil, err
	}
	return x.respond(req, resp, verdict, redirected)
}

// follow makes the request and those that redirects ask for.
func (x *exchange) follow(req *request) (resp *http.Response, verdict policies.Verdict, redirected bool, err error) {
	verdict = x.call.Verdict
	for redirects := 0; ; redirects++ {
		resp, err := x.send(req, verdict)
		if err != nil {
			return nil, verdict, false, err
		}
		next, err := redirectTarget(req, resp)
		if err != nil {
			resp.Body.Close()
			return nil, verdict, false, err
		}
		if resp.StatusCode == http.StatusSwitchingProtocols {
			resp.Body.Close()
			return nil, verdict, false, platform.TypeErrorf("fetch failed: the server switches protocols unasked")
		}
		if next == nil {
			return resp, verdict, redirects > 0, nil
		}
		io.CopyN(io.Discard, resp.Body, maxDrain)
		resp.Body.Close()
		if redirects == maxRedirects {
			return nil, verdict, false, platform.TypeErrorf("fetch failed: more than %d redirects", maxRedirects)
		}
		if err := req.follow(*next, resp.StatusCode); err != nil {
			return nil, verdict, false, err
		}
		if verdict, err = x.call.Check(next.attributes(req.method)); err != nil {
			return nil, verdict, false, err
		}
		if !verdict.Allowed {
			return nil, verdict, false, platform.Errorf("PermissionError", "fetch: %s", verdict.Reason)
		}
	}
}

func (x *exchange) send(req *request, v policies.Verdict) (*http.Response, error) {
	if !v.PortNamed && slices.Contains(blockedPorts, req.target.port) {
		return nil, platform.TypeErrorf("fetch failed: port %d is not for HTTP; a policy may allow it by name", req.target.port)
	}
	if x.f.o.Proxy != nil && !v.Private {
		if err := x.f.pools.checkTarget(x.ctx, req.target.host); err != nil {
			return nil, failure(x.ctx, err)
		}
	}
	header := req.header.Clone()
	header.Set("Accept-Encoding", acceptEncoding)
	if rewrite := x.f.o.Rewrite; rewrite != nil {
		target := *req.target.url
		if err := rewrite(x.ctx, x.call.Tenant, x.call.Function, &target, header); err != nil {
			return nil, err
		}
	}
	if x.f.o.Trace != nil {
		x.f.o.Trace(x.ctx, req.target.url, header)
	}
	r := (&http.Request{Method: req.method, URL: req.target.url, Host: req.target.url.Host, Header: header}).WithContext(x.ctx)
	req.setBody(r)
	resp, err := x.pool.transport(v.Private).RoundTrip(r)
	if err != nil {
		return nil, failure(x.ctx, err)
	}
	return resp, nil
}
