package gateway

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"runtime/debug"
	"strconv"
	"strings"

	"github.com/rs/cors"
	"golang.org/x/net/http/httpguts"

	"github.com/bulkhead-run/bulkhead/internal/outcome"
	"github.com/bulkhead-run/bulkhead/internal/tokens"
	"github.com/bulkhead-run/bulkhead/supervisor"
)

// FunctionOptions say how ServeFunctions serves functions.
type FunctionOptions struct {
	// Hosts are host names of functions, in lower case and without a port. The
	// whole path is the function's then.
	Hosts map[string]FunctionName
	// Domain, if set, has a host name for every function:
	// FUNCTION--TENANT.Domain, and for each of its versions: VERSION--FUNCTION--TENANT.Domain.
	// The last -- divides function and tenant.
	Domain string
	// NoPaths turns the addresses /TENANT/FUNCTION/ off, under which all
	// tenants are one origin to a browser.
	NoPaths bool
	// NoPublic asks for a token for functions deployed as public, too.
	NoPublic bool
	// Proxies are whose X-Forwarded-For and X-Forwarded-Proto count.
	Proxies []netip.Prefix
	// MaxBody is the largest body of a request, in bytes. Default
	// DefaultMaxRequest.
	MaxBody int64
	// CORS holds for the functions that it names, and under the zero
	// FunctionName for the others. Without any, functions answer themselves.
	CORS map[FunctionName]CORS
	// NoCompression leaves answers as functions make them.
	NoCompression bool
}

// FunctionName names a tenant's function.
type FunctionName struct{ Tenant, Function string }

// CORS says which pages of other origins may use a function.
type CORS struct {
	Origins, Methods, Headers, Exposed []string
	Credentials                        bool
	MaxAge                             int // seconds
}

// DefaultMaxRequest is how large the body of a request to a function may be, in
// bytes.
const DefaultMaxRequest = 256 << 20

// functions serves functions; its requests come from anywhere.
type functions struct {
	*Server
	options FunctionOptions
	cors    map[FunctionName]*cors.Cors
	// foreign refuses what a page of another origin makes a browser send.
	foreign *http.CrossOriginProtection
}

// ServeFunctions answers requests on ln with functions, as Serve serves the API:
// under /TENANT/FUNCTION/ and the names that Options.Functions gives. It needs a
// Backend that has ServeHTTP. A function that is not public needs what invoking
// it over the API needs.
func (s *Server) ServeFunctions(ctx context.Context, ln net.Listener) error {
	return s.serve(ctx, ln, s.Functions())
}

// Functions returns what ServeFunctions serves, for use in another server.
func (s *Server) Functions() http.Handler {
	f := &functions{Server: s, options: s.options.Functions, cors: make(map[FunctionName]*cors.Cors), foreign: http.NewCrossOriginProtection()}
	if f.options.MaxBody == 0 {
		f.options.MaxBody = DefaultMaxRequest
	}
	for name, c := range f.options.CORS {
		f.cors[name] = cors.New(cors.Options{
			AllowedOrigins: c.Origins, AllowedMethods: c.Methods, AllowedHeaders: c.Headers, ExposedHeaders: c.Exposed,
			AllowCredentials: c.Credentials, MaxAge: c.MaxAge,
		})
	}
	return f.guarded(s.leaving(s.traced(http.HandlerFunc(f.serve))))
}

// guarded turns a panic of ours into an internal error, or cuts off an answer
// that has begun.
func (f *functions) guarded(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		seen := &statusWriter{ResponseWriter: w}
		defer func() {
			v := recover()
			if v == nil {
				return
			}
			if v != http.ErrAbortHandler {
				f.log.Error("panic while serving a function", slog.String("method", r.Method), slog.String("path", r.URL.Path),
					slog.Any("panic", v), slog.String("stack", string(debug.Stack())))
			}
			if v == http.ErrAbortHandler || seen.status != 0 {
				panic(http.ErrAbortHandler)
			}
			f.problemOf(&outcome.Error{Outcome: outcome.Internal, Err: fmt.Errorf("panic: %v", v)}, "", "").write(w)
		}()
		next.ServeHTTP(seen, r)
	})
}

// place is where a request goes.
type place struct {
	FunctionName
	prefix string // of the path, which is not the function's; "" for a host of its own
	path   string // the function's part: escaped, with its slash
}

// find says which function a request is for.
func (f *functions) find(r *http.Request) (place, *problem) {
	host := r.Host
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	host = strings.ToLower(strings.TrimSuffix(host, "."))
	path := r.URL.EscapedPath()
	if !strings.HasPrefix(path, "/") {
		return place{}, requestProblem(http.StatusBadRequest, "the request names no path", "begin the path with /")
	}
	if name, ok := f.options.Hosts[host]; ok {
		return place{FunctionName: name, path: path}, nil
	}
	if label, ok := strings.CutSuffix(host, "."+f.options.Domain); ok && f.options.Domain != "" {
		if i := strings.LastIndex(label, "--"); i > 0 {
			return place{FunctionName: f.inDomain(label[i+2:], label[:i]), path: path}, nil
		}
	}
	tenant, rest, _ := strings.Cut(path[1:], "/")
	function, rest, _ := strings.Cut(rest, "/")
	if f.options.NoPaths || tenant == "" || function == "" {
		remedy := "functions are at /TENANT/FUNCTION/"
		if f.options.NoPaths {
			remedy = "functions have host names here"
		}
		return place{}, requestProblem(http.StatusNotFound, fmt.Sprintf("there is no function at %s%s", r.Host, r.URL.Path), remedy)
	}
	return place{FunctionName{tenant, function}, "/" + tenant + "/" + function, "/" + rest}, nil
}

func (f *functions) serve(w http.ResponseWriter, r *http.Request) {
	at, p := f.find(r)
	if p == nil {
		p = unanswerable(r)
	}
	if p != nil {
		refuse(w, r, p)
		return
	}
	handler := func(w http.ResponseWriter, r *http.Request) { f.answer(w, r, at) }
	if c := f.corsOf(at.FunctionName); c != nil {
		c.ServeHTTP(w, r, handler) // it answers preflights itself
		return
	}
	handler(w, r)
}

func (f *functions) corsOf(name FunctionName) *cors.Cors {
	name.Function, _, _ = strings.Cut(name.Function, "@") // versions have their function's
	if c := f.cors[name]; c != nil {
		return c
	}
	return f.cors[FunctionName{}]
}

// unanswerable says what of HTTP no function can take part in.
func unanswerable(r *http.Request) *problem {
	switch r.Method {
	case http.MethodConnect, http.MethodTrace, "TRACK":
		return requestProblem(http.StatusNotImplemented, fmt.Sprintf("no function takes %s", r.Method), "use another method")
	}
	if httpguts.HeaderValuesContainsToken(r.Header["Connection"], "upgrade") && !httpguts.HeaderValuesContainsToken(r.Header["Upgrade"], "h2c") {
		return requestProblem(http.StatusNotImplemented,
			fmt.Sprintf("the connection cannot be upgraded to %q: a function answers each request once", shown(r.Header.Get("Upgrade"))),
			"in place of a WebSocket use requests, and server-sent events for the other way")
	}
	return nil
}

// refuse answers without reading a body.
func refuse(w http.ResponseWriter, r *http.Request, p *problem) {
	if r.ContentLength != 0 {
		w.Header().Set("Connection", "close")
	}
	p.write(w)
}

// enter finds out whether a request may use a function, and counts it against
// the limits. The caller calls leave when the invocation has ended.
func (f *functions) enter(w http.ResponseWriter, r *http.Request, at place) (public bool, leave func(), p *problem) {
	name, ref, _ := strings.Cut(at.Function, "@")
	var token *tokens.Token
	open, err := f.backend.Public(at.Tenant, name)
	if public = open && ref == "" && !f.options.NoPublic; !public {
		c, p := f.identify(r)
		if p == nil {
			p = f.authorize(c, need{scope: tokens.TenantInvoke, tenant: func(*http.Request) string { return at.Tenant },
				version: func(*http.Request) string { return ref }}, r)
		}
		if p == nil && c.token == nil {
			p = f.foreigner(r, at)
		}
		if p != nil {
			f.refusals.Add(1)
			return false, nil, p
		}
		if err != nil {
			return false, nil, f.problemOf(err, at.Tenant, at.Function)
		}
		token = c.token
	}
	leave, p = f.admit(w, token, at.Tenant, name)
	return public, leave, p
}

// foreigner refuses what a web page of somebody else's makes a browser send to a
// function that needs no token only because it is reached from this machine.
func (f *functions) foreigner(r *http.Request, at place) *problem {
	host := r.Host
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	if at.prefix != "" && !loopbackName(host) {
		return requestProblem(http.StatusMisdirectedRequest,
			fmt.Sprintf("functions that are not public answer to localhost, 127.0.0.1 and [::1] here, not to %q", r.Host),
			"send the Host header localhost, or have the supervisor ask for tokens (`supervisor token create`)")
	}
	if f.corsOf(at.FunctionName) == nil && f.foreign.Check(r) != nil {
		return requestProblem(http.StatusForbidden, "cross-origin requests from browsers are refused by functions that are not public",
			"deploy the function with --public, or configure functions.cors")
	}
	return nil
}

// answer has the function answer.
func (f *functions) answer(w http.ResponseWriter, r *http.Request, at place) {
	if r.ContentLength > f.options.MaxBody {
		refuse(w, r, requestProblem(http.StatusRequestEntityTooLarge,
			fmt.Sprintf("the body is larger than %s", FormatSize(f.options.MaxBody)), "send less"))
		return
	}
	public, leave, p := f.enter(w, r, at)
	if p != nil {
		refuse(w, r, p)
		return
	}
	if f.asset(w, r, at, public) {
		leave()
		return
	}
	request, p := f.request(r, at, public)
	if p != nil {
		leave()
		refuse(w, r, p)
		return
	}
	var body *requestBody
	if r.ContentLength != 0 && r.Body != nil && r.Body != http.NoBody {
		body = newRequestBody(w, r, f.options.MaxBody, f.Server.options.BodyTimeout)
		defer body.finish()
		request.Body = body
	}
	response, err := f.backend.ServeHTTP(r.Context(), at.Tenant, at.Function, request, func(supervisor.Result, error) { leave() })
	if body != nil && (err != nil || response.Size >= 0) {
		body.finish() // nobody asks for more of it
	}
	if err != nil {
		f.fail(w, r, at, public, body, err)
		return
	}
	defer response.Body.Close()
	f.send(w, r, at, response)
}

// fail tells that there is no answer. What the function threw is for those who
// may invoke it, not for everybody.
func (f *functions) fail(w http.ResponseWriter, r *http.Request, at place, public bool, body *requestBody, err error) {
	if body != nil && body.tooLarge() {
		refuse(w, r, requestProblem(http.StatusRequestEntityTooLarge,
			fmt.Sprintf("the body is larger than %s", FormatSize(f.options.MaxBody)), "send less"))
		return
	}
	if r.Context().Err() != nil {
		panic(http.ErrAbortHandler) // nobody is there to be told
	}
	p := f.problemOf(err, at.Tenant, at.Function)
	var e *outcome.Error
	if public && errors.As(err, &e) {
		p.Exception, p.Problems, p.Detail, p.Remedy = nil, nil, "the function gave no answer", "its log says why"
		switch e.Outcome {
		case outcome.Overloaded, outcome.Limited, outcome.NotFound:
			p.Detail, p.Remedy = e.Detail, e.Remedy
		}
	}
	p.write(w)
}

// request makes of a request what the function sees.
func (f *functions) request(r *http.Request, at place, public bool) (*supervisor.HTTPRequest, *problem) {
	client, proto := f.origin(r)
	host := r.Host
	if host == "" {
		host = "localhost"
	}
	target := proto + "://" + host + at.path
	if r.URL.RawQuery != "" || r.URL.ForceQuery {
		target += "?" + r.URL.RawQuery
	}
	if u, err := url.Parse(target); err != nil || u.Host != host || u.User != nil {
		return nil, requestProblem(http.StatusBadRequest, "the request's host and path make no URL", "send another Host, or escape the path")
	}
	h := make(http.Header, len(r.Header)+4) // with values that are not changed
	for name, values := range r.Header {
		if !strings.HasPrefix(name, "X-Forwarded-") && !strings.HasPrefix(name, "Bulkhead-") && name != "Forwarded" && name != "X-Real-Ip" && name != "Expect" {
			h[name] = values
		}
	}
	dropHops(h)
	if auth, given, _ := bearer(h); given && (!public || tokens.Looks(auth)) {
		delete(h, "Authorization")
	} else if !public {
		delete(h, "Authorization")
	}
	h.Set("Host", host)
	h.Set("X-Forwarded-For", client)
	h.Set("X-Forwarded-Proto", proto)
	if at.prefix != "" {
		h.Set("X-Forwarded-Prefix", at.prefix)
	}
	if r.ContentLength > 0 {
		h.Set("Content-Length", strconv.FormatInt(r.ContentLength, 10))
	}
	return &supervisor.HTTPRequest{Method: r.Method, URL: target, Header: h}, nil
}

// origin is the address of the client, and its scheme: as a trusted proxy says,
// or else as the connection has them.
func (f *functions) origin(r *http.Request) (client, proto string) {
	proto = "http"
	if r.TLS != nil {
		proto = "https"
	}
	peer, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return "unknown", proto
	}
	addr := peer.Addr().Unmap().WithZone("")
	if !f.trusted(addr) {
		return addr.String(), proto
	}
	if p := r.Header.Get("X-Forwarded-Proto"); p == "http" || p == "https" {
		proto = p
	}
	hops := strings.Split(strings.Join(r.Header["X-Forwarded-For"], ","), ",")
	for i := len(hops) - 1; i >= 0 && f.trusted(addr); i-- {
		next, err := netip.ParseAddr(strings.TrimSpace(hops[i]))
		if err != nil {
			break
		}
		addr = next.Unmap().WithZone("")
	}
	return addr.String(), proto
}

func (f *functions) trusted(a netip.Addr) bool {
	for _, p := range f.options.Proxies {
		if p.Contains(a) {
			return true
		}
	}
	return false
}
