package gateway

import (
	"net/http"

	"github.com/bulkhead-run/bulkhead/console"
)

const consolePath = console.Path + "{path...}"

// routeConsole serves the console's files, which hold no data.
func routeConsole(mux *router) {
	mux.Handle("GET /{$}", http.RedirectHandler(console.Path, http.StatusFound))
	mux.Handle("GET "+consolePath, console.Handler())
}
