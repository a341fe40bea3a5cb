package gateway

import (
	"cmp"
	"fmt"
	"net/http"
	"strings"

	"github.com/bulkhead-run/bulkhead/internal/tokens"
	"github.com/bulkhead-run/bulkhead/supervisor"
)

// need is what a route asks of its caller.
type need struct {
	// scope is the one that a token must have, unless it has the scope admin.
	// Empty: anybody may, without a token.
	scope tokens.Scope
	// tenant returns the tenant that a token must be for; nil when any will do.
	tenant func(*http.Request) string
	// version, if not nil, returns which version of a function is asked for, ""
	// for the live one. One that is named by its digits is kept, and not served
	// by anybody's choice: that is for who may deploy it.
	version func(*http.Request) string
	// local says that the admin socket alone will do.
	local bool
}

func inPath(r *http.Request) string  { return r.PathValue("tenant") }
func inQuery(r *http.Request) string { return r.URL.Query().Get("tenant") }

// versionAsked is what an invocation names a version by.
func versionAsked(r *http.Request) string {
	_, ref, _ := strings.Cut(r.PathValue("function"), "@")
	return cmp.Or(r.PathValue("version"), ref, r.URL.Query().Get("version"))
}

// ofRequest is what a request asks of its caller.
func (n need) ofRequest(r *http.Request) need {
	if n.version != nil && supervisor.ByDigits(n.version(r)) {
		n.scope = tokens.TenantDeploy
	}
	return n
}

var (
	anybody = need{}
	admin   = need{scope: tokens.Admin}
	deploys = need{scope: tokens.TenantDeploy, tenant: inPath}
	invokes = need{scope: tokens.TenantInvoke, tenant: inPath, version: versionAsked}
)

// access says for every route who may use it. A route that is not here cannot
// be served: see router.
var access = map[string]need{
	"GET /healthz":      anybody,
	"GET /readyz":       anybody,
	"GET /openapi.json": anybody,
	"GET /metrics":      {scope: tokens.Metrics},
	// It answers with what it found out of the caller, or refuses it itself.
	"GET " + selfPath: anybody,
	// The console's files hold no data: its page asks the routes below.
	"GET /{$}":           anybody,
	"GET " + consolePath: anybody,

	"GET " + tenantsPath:   admin,
	"GET " + tenantPath:    deploys,
	"PUT " + tenantPath:    admin,
	"DELETE " + tenantPath: admin,

	"GET " + functionsPath:   deploys,
	"GET " + functionPath:    deploys,
	"PUT " + functionPath:    deploys,
	"DELETE " + functionPath: deploys,
	"POST " + invokePath:     invokes,
	"POST " + runPath:        deploys,
	"POST " + watchPath:      deploys, // it shows what the audit log has

	"GET " + versionsPath:       deploys,
	"GET " + versionPath:        deploys,
	"GET " + diffPath:           deploys,
	"POST " + rollbackPath:      deploys,
	"PUT " + aliasPath:          deploys,
	"DELETE " + aliasPath:       deploys,
	"PUT " + splitPath:          deploys,
	"DELETE " + splitPath:       deploys,
	"POST " + versionInvokePath: invokes,

	"PUT " + recordPath:       deploys,
	"DELETE " + recordPath:    deploys,
	"GET " + recordingsPath:   deploys,
	"GET " + recordingPath:    deploys,
	"DELETE " + recordingPath: deploys,
	"POST " + replayPath:      deploys,

	"GET " + secretsPath:     deploys,
	"PUT " + secretPath:      deploys,
	"DELETE " + secretPath:   deploys,
	"GET " + envPath:         deploys,
	"PUT " + envPath:         deploys,
	"GET " + functionEnvPath: deploys,
	"PUT " + functionEnvPath: deploys,

	"POST " + explainPath: deploys,
	"GET " + policiesPath: {scope: tokens.TenantDeploy},
	"GET " + auditPath:    {scope: tokens.TenantDeploy, tenant: inQuery},

	"GET " + usagePath:     {scope: tokens.TenantDeploy, tenant: inQuery},
	"GET " + logsPath:      {scope: tokens.TenantDeploy, tenant: inQuery},
	"GET " + statsPath:     admin,
	"GET " + sandboxesPath: admin,
	"GET " + profilesPath:  {scope: tokens.Admin, local: true},

	"GET " + tokensPath:   admin,
	"POST " + tokensPath:  admin,
	"DELETE " + tokenPath: admin,
}

// router is a mux whose routes are guarded as access says.
type router struct {
	*http.ServeMux
	s      *Server
	routes []string
	err    error
}

func (m *router) HandleFunc(pattern string, handler func(http.ResponseWriter, *http.Request)) {
	m.Handle(pattern, http.HandlerFunc(handler))
}

func (m *router) Handle(pattern string, handler http.Handler) {
	n, known := access[pattern]
	if !known && m.err == nil {
		m.err = fmt.Errorf("the route %q does not say who may use it", pattern)
	}
	m.routes = append(m.routes, pattern)
	m.ServeMux.Handle(pattern, m.s.guard(n, known, handler))
}
