package gateway

import (
	"net/http"
	"net/http/pprof"
)

const profilesPath = "/debug/pprof/"

// profiles serves the supervisor's own profiles. They tell of every tenant, and
// taking one costs: over the admin socket alone there is such a route.
func profiles() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /debug/pprof/", pprof.Index)
	mux.HandleFunc("GET /debug/pprof/cmdline", pprof.Cmdline)
	mux.HandleFunc("GET /debug/pprof/profile", pprof.Profile)
	mux.HandleFunc("GET /debug/pprof/symbol", pprof.Symbol)
	mux.HandleFunc("GET /debug/pprof/trace", pprof.Trace)
	return mux
}
