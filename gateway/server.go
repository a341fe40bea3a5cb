package gateway

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.opentelemetry.io/otel/trace"

	"github.com/bulkhead-run/bulkhead/internal/outcome"
	"github.com/bulkhead-run/bulkhead/internal/tokens"
)

// Limits on connections and requests. Invocations themselves are bounded by
// their functions' timeouts.
const (
	pingTimeout  = 10 * time.Second // for HTTP/2's answer to a ping
	idleTimeout  = 2 * time.Minute  // between requests on a connection
	writeTimeout = 30 * time.Second // to take the answer
	maxHeader    = 32 << 10
	maxStreams   = 128 // of one HTTP/2 connection
)

// Options are a server's settings. The zero value of each means its default.
type Options struct {
	// Version is what the OpenAPI document calls itself.
	Version string
	// Logger takes the server's log lines. Default slog.Default().
	Logger *slog.Logger
	// MaxCode is the largest source of a function, in bytes. It bounds what
	// is read; the tenant's tier may allow less. Default 1 MiB.
	MaxCode int64
	// MaxEvent is the largest event, in bytes. Default 1 MiB.
	MaxEvent int64
	// HeaderTimeout is how long a request's header may take to arrive, from the
	// connection's or the header's first byte. Default 10 s.
	HeaderTimeout time.Duration
	// BodyTimeout is how long a request's body may take to arrive. Default 30 s.
	BodyTimeout time.Duration
	// Tracer, if not nil, makes a span of every request.
	Tracer trace.Tracer
	// Collectors are shown at /metrics beside the server's own.
	Collectors []prometheus.Collector
	// Settings keeps secrets and variables. Without it there are no routes for
	// them.
	Settings Settings
	// Tokens are who may call. Without them everybody may, and Serve takes no
	// listener that other machines reach: an embedding program authenticates.
	Tokens *tokens.Store
	// RequireAuth asks for a token also on loopback while none has ever been
	// made.
	RequireAuth bool
	// TLS, if set, encrypts what Serve accepts over TCP.
	TLS *tls.Config
	// MaxConnections is how many connections a TCP listener has at once,
	// MaxPerAddress how many of them from one address that is not loopback; more
	// are closed as they come. Defaults: DefaultMaxConnections and
	// DefaultMaxPerAddress.
	MaxConnections, MaxPerAddress int
	// MaxBodies is what the bodies of all requests that are being served may come
	// to, in bytes; more are refused with 503. Default DefaultMaxBodies.
	MaxBodies int64
	// Functions say how ServeFunctions serves functions.
	Functions FunctionOptions
	// ShutdownTimeout is how long Serve waits for running requests after its
	// context has ended. Default 10 s.
	ShutdownTimeout time.Duration
}

// Server serves a Backend over HTTP.
type Server struct {
	backend Backend
	options Options
	log     *slog.Logger
	handler http.Handler
	// ending is closed when Serve begins to shut down: streams that would
	// last end then.
	ending chan struct{}
	end    sync.Once
	// refusals counts requests without the token that they need, dropped the
	// connections that were one too many, limitedRequests the invocations over
	// a limit.
	refusals, dropped, limitedRequests, assetAnswers atomic.Uint64

	limits *limits
	room   *room
	// retiring is set by Retire, which watches conns.
	retiring atomic.Bool
	conns    *tracker
}

// New makes a server. It opens nothing; the caller still owns the backend.
func New(b Backend, o Options) (*Server, error) {
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	if o.Version == "" {
		o.Version = "dev"
	}
	if o.MaxCode == 0 {
		o.MaxCode = 1 << 20
	}
	if o.MaxEvent == 0 {
		o.MaxEvent = 1 << 20
	}
	if o.HeaderTimeout == 0 {
		o.HeaderTimeout = 10 * time.Second
	}
	if o.BodyTimeout == 0 {
		o.BodyTimeout = 30 * time.Second
	}
	if o.ShutdownTimeout == 0 {
		o.ShutdownTimeout = 10 * time.Second
	}
	if o.MaxConnections == 0 {
		o.MaxConnections = DefaultMaxConnections
	}
	if o.MaxPerAddress == 0 {
		o.MaxPerAddress = DefaultMaxPerAddress
	}
	if o.MaxBodies == 0 {
		o.MaxBodies = DefaultMaxBodies
	}
	s := &Server{backend: b, options: o, log: o.Logger, ending: make(chan struct{}), limits: newLimits(), room: &room{most: o.MaxBodies}, conns: newTracker()}
	mux, err := s.routes()
	if err != nil {
		return nil, fmt.Errorf("gateway: %w", err)
	}
	s.handler = s.outermost(s.leaving(s.traced(crossOrigin(unrouted(mux)))))
	return s, nil
}

// Handler returns the API for use in another server. It refuses cross-origin
// requests of browsers, but answers to every Host.
func (s *Server) Handler() http.Handler { return s.handler }

// Serve answers requests on ln until ctx ends, then lets those that run finish
// within ShutdownTimeout, and cuts off the rest. It closes ln. It returns nil
// after such an end, and an error if it could not go on. It may be called for
// several listeners: TCP, and what ListenAdmin returns.
//
// On a loopback address that needs no token it refuses requests whose Host is
// not a loopback name.
func (s *Server) Serve(ctx context.Context, ln net.Listener) error {
	return s.serve(ctx, ln, s.guardHost(s.handler))
}

func (s *Server) serve(ctx context.Context, ln net.Listener, handler http.Handler) error {
	_, local := ln.(*adminListener)
	if s.options.Tokens == nil && !local && !Loopback(ln.Addr()) {
		return errors.Join(fmt.Errorf("refusing to serve %s: other machines reach it, and there is no authentication", ln.Addr()), ln.Close())
	}
	protocols := new(http.Protocols)
	protocols.SetHTTP1(true)
	hs := &http.Server{
		Handler:           handler,
		Protocols:         protocols,
		ReadHeaderTimeout: s.options.HeaderTimeout,
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    maxHeader,
		ConnContext:       s.connections(ln),
		HTTP2:             &http.HTTP2Config{MaxConcurrentStreams: maxStreams, MaxReceiveBufferPerConnection: 1 << 20, MaxReceiveBufferPerStream: 256 << 10, SendPingTimeout: idleTimeout, PingTimeout: pingTimeout},
		ConnState:         s.conns.follow,
		ErrorLog:          slog.NewLogLogger(s.log.Handler(), slog.LevelDebug),
	}
	if !local {
		ln = s.bound(ln)
		if s.options.TLS != nil {
			hs.TLSConfig = s.options.TLS.Clone()
		}
	}
	protocols.SetHTTP2(hs.TLSConfig != nil)
	protocols.SetUnencryptedHTTP2(hs.TLSConfig == nil)
	ended := make(chan error, 1)
	go func() {
		if hs.TLSConfig != nil {
			ended <- hs.ServeTLS(ln, "", "")
		} else {
			ended <- hs.Serve(ln)
		}
	}()
	select {
	case err := <-ended:
		return fmt.Errorf("serve %s: %w", ln.Addr(), err)
	case <-ctx.Done():
	}
	s.end.Do(func() { close(s.ending) })
	limit, cancel := context.WithTimeout(context.WithoutCancel(ctx), s.options.ShutdownTimeout)
	defer cancel()
	_ = ln.Close()
	<-ended
	s.finish(limit)
	if err := hs.Shutdown(limit); err != nil {
		s.log.Warn("requests cut off at shutdown", slog.Any("error", err))
		hs.Close()
	}
	return nil
}

// untilShutdown returns a context that ends with ctx, and when Serve begins to
// shut down.
func (s *Server) untilShutdown(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(ctx)
	go func() {
		select {
		case <-s.ending:
			cancel()
		case <-ctx.Done():
		}
	}()
	return ctx, cancel
}

// outermost sets the deadlines of a request's connection and turns a panic of
// ours into an internal error.
func (s *Server) outermost(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		now := time.Now()
		// Not every ResponseWriter has deadlines: a test's recorder has none.
		rc := http.NewResponseController(w)
		_ = rc.SetReadDeadline(now.Add(s.options.BodyTimeout))
		_ = rc.SetWriteDeadline(now.Add(writeTimeout))
		defer func() {
			switch v := recover(); v {
			case nil:
			case http.ErrAbortHandler:
				panic(v)
			default:
				s.log.Error("panic while serving", slog.String("method", r.Method), slog.String("path", r.URL.Path),
					slog.Any("panic", v), slog.String("stack", string(debug.Stack())))
				s.problemOf(&outcome.Error{Outcome: outcome.Internal, Err: fmt.Errorf("panic: %v", v)}, "", "").write(w)
			}
		}()
		v := &visit{share: share{of: s.room}}
		defer v.share.back()
		next.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), visitKey{}, v)))
	})
}

// crossOrigin refuses what a page of another origin makes a browser send.
func crossOrigin(next http.Handler) http.Handler {
	p := http.NewCrossOriginProtection()
	p.SetDenyHandler(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		requestProblem(http.StatusForbidden, "cross-origin requests from browsers are refused",
			"send the request from a program, or from a page of the supervisor's own origin").write(w)
	}))
	return p.Handler(next)
}

// unrouted turns the mux's plain-text refusals (404 and 405) into problems.
func unrouted(mux *router) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h, pattern := mux.Handler(r)
		if pattern != "" {
			mux.ServeHTTP(w, r)
			return
		}
		refusal := &refusal{header: http.Header{}}
		h.ServeHTTP(refusal, r)
		if refusal.status != http.StatusMethodNotAllowed {
			requestProblem(http.StatusNotFound, fmt.Sprintf("there is nothing at %s", r.URL.Path),
				"see /openapi.json for what there is").write(w)
			return
		}
		allow := refusal.header.Get("Allow")
		w.Header().Set("Allow", allow)
		requestProblem(http.StatusMethodNotAllowed, fmt.Sprintf("%s does not take %s", r.URL.Path, r.Method),
			"use "+allow).write(w)
	})
}

// refusal records what a handler answers, without its body.
type refusal struct {
	header http.Header
	status int
}

func (r *refusal) Header() http.Header         { return r.header }
func (r *refusal) Write(b []byte) (int, error) { return len(b), nil }
func (r *refusal) WriteHeader(status int)      { r.status = status }
