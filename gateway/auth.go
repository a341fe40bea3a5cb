package gateway

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/bulkhead-run/bulkhead/internal/outcome"
	"github.com/bulkhead-run/bulkhead/internal/tokens"
)

// caller is who sent a request.
type caller struct {
	name  string        // for the log
	admin bool          // may do everything
	local bool          // came over the admin socket, without a token
	token *tokens.Token // nil for whoever needs none
}

// visit is what is noted of a request to the API while it is served. Only the
// request's goroutine uses it.
type visit struct {
	share  share
	caller *caller // once it is known
}

type (
	visitKey      struct{}
	connectionKey struct{}
)

// connection is what is known of a request's connection.
type connection struct {
	loopback bool
	peer     string // of the admin socket, when the peer may use it; else ""
}

// callerOf returns who sent a guarded request.
func callerOf(ctx context.Context) *caller {
	if v, ok := ctx.Value(visitKey{}).(*visit); ok && v.caller != nil {
		return v.caller
	}
	return &caller{}
}

// open tells whether a connection needs no token: nobody keeps any, or it is
// of loopback and nobody has asked for authentication yet.
func (s *Server) open(c connection) bool {
	t := s.options.Tokens
	return t == nil || c.loopback && !s.options.RequireAuth && !t.Ever()
}

// guard lets through who may use a route.
func (s *Server) guard(n need, known bool, next http.Handler) http.Handler {
	if !known {
		n = need{scope: tokens.Admin, local: true}
	}
	if n.scope == "" {
		return next
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c, p := s.identify(r)
		if p == nil {
			p = s.authorize(c, n, r)
		}
		if p != nil {
			s.refusals.Add(1)
			if r.ContentLength != 0 {
				w.Header().Set("Connection", "close") // its body is not read
			}
			p.write(w)
			return
		}
		if v, ok := r.Context().Value(visitKey{}).(*visit); ok {
			v.caller = c
		}
		if r.Method == http.MethodGet || r.Method == http.MethodHead || n.scope == tokens.TenantInvoke {
			next.ServeHTTP(w, r)
			return
		}
		seen := &statusWriter{ResponseWriter: w}
		next.ServeHTTP(seen, r)
		s.log.Info("changed over the API", slog.String("by", c.name), slog.String("method", r.Method),
			slog.String("path", r.URL.EscapedPath()), slog.Int("status", seen.status))
	})
}

// statusWriter notes the status of an answer.
type statusWriter struct {
	http.ResponseWriter
	status int
}

func (w *statusWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

func (w *statusWriter) WriteHeader(status int) {
	w.status = status
	w.ResponseWriter.WriteHeader(status)
}

// identify says who sends a request. A token counts before what the connection
// says, so that its rights can be tried on the admin socket as well.
func (s *Server) identify(r *http.Request) (*caller, *problem) {
	conn, _ := r.Context().Value(connectionKey{}).(connection)
	text, given, err := bearer(r.Header)
	if s.options.Tokens == nil || !given && s.open(conn) {
		return &caller{name: "anybody", admin: true}, nil
	}
	if given {
		var t *tokens.Token
		if err == nil {
			t, err = s.options.Tokens.Find(text, time.Now())
		}
		if err != nil {
			return nil, unauthenticated(err.Error(), "invalid_token")
		}
		return &caller{name: "token " + t.Name, admin: t.Has(tokens.Admin), token: t}, nil
	}
	if conn.peer != "" {
		return &caller{name: conn.peer, admin: true, local: true}, nil
	}
	return nil, unauthenticated("this needs a token", "")
}

var errAuthorization = errors.New("the header Authorization is not of the form: Bearer TOKEN")

// bearer reads the token of a request. given tells whether the request tries
// to name one at all.
func bearer(h http.Header) (token string, given bool, err error) {
	values := h["Authorization"]
	if len(values) == 0 {
		return "", false, nil
	}
	scheme, token, _ := strings.Cut(values[0], " ")
	if token = strings.Trim(token, " "); len(values) > 1 || !strings.EqualFold(scheme, "Bearer") || token == "" {
		return "", true, errAuthorization
	}
	return token, true, nil
}

func unauthenticated(detail, code string) *problem {
	challenge := `Bearer realm="bulkhead"`
	if code != "" {
		challenge += fmt.Sprintf(`, error=%q, error_description=%q`, code, detail)
	}
	p := plainProblem(outcome.Unauthenticated, detail,
		"send the header Authorization: Bearer TOKEN; the command line takes the token from BULKHEAD_TOKEN or --token-file; "+
			"an operator makes one on the supervisor's machine: supervisor token create NAME --scope SCOPE")
	p.header = http.Header{"Www-Authenticate": {challenge}}
	return p
}

// authorize says what a caller lacks for a request: nil for nothing. Only the
// token decides, never what there is, so that nobody learns which tenants
// exist.
func (s *Server) authorize(c *caller, n need, r *http.Request) *problem {
	asked := n.scope
	n = n.ofRequest(r)
	forbidden := func(detail, remedy string) *problem {
		p := plainProblem(outcome.Forbidden, detail, remedy)
		p.header = http.Header{"Www-Authenticate": {fmt.Sprintf(`Bearer realm="bulkhead", error="insufficient_scope", scope=%q`, string(n.scope))}}
		return p
	}
	switch {
	case n.local && !c.local:
		return requestProblem(http.StatusNotFound, fmt.Sprintf("there is nothing at %s", r.URL.Path), "ask on the machine itself, over the admin socket and without a token")
	case c.admin:
		return nil
	case !c.token.Has(n.scope):
		if n.scope != asked {
			return forbidden(fmt.Sprintf("the token lacks the scope %s, which a version named by its digits asks for", n.scope),
				"ask for the live version or an alias, or use a token that has the scope")
		}
		return forbidden(fmt.Sprintf("the token lacks the scope %s", n.scope), "use a token that has it; an operator makes one on the supervisor's machine: "+createToken(n))
	case n.tenant == nil:
		return nil
	case n.tenant(r) != c.token.Tenant:
		return forbidden(fmt.Sprintf("the token's scope %s is for another tenant", n.scope), "use a token of this tenant; an operator makes one on the supervisor's machine: "+createToken(n))
	}
	// It may be a later tenant of the same name. That there is none at all is
	// for its own token to know.
	if t, err := s.backend.Tenant(c.token.Tenant); err == nil && !t.Created.Equal(c.token.TenantSince) {
		return forbidden("the token was for an earlier tenant of this name", "create a new token")
	}
	return nil
}

// createToken is the command that makes a token for such requests. It is the
// same for every tenant.
func createToken(n need) string {
	command := "supervisor token create NAME --scope " + string(n.scope)
	if n.tenant != nil {
		command += " --tenant TENANT"
	}
	return command
}

// connections notes what is known of a connection for its requests.
func (s *Server) connections(ln net.Listener) func(context.Context, net.Conn) context.Context {
	loopback := Loopback(ln.Addr())
	return func(ctx context.Context, conn net.Conn) context.Context {
		known := connection{loopback: loopback}
		if admin, ok := conn.(*adminConn); ok {
			known.peer = admin.peer
		}
		return context.WithValue(ctx, connectionKey{}, known)
	}
}
