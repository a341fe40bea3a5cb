package gateway_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/bulkhead-run/bulkhead/gateway"
)

// The API has no profiles; the handler that has them is apart.
func TestProfilesAreApart(t *testing.T) {
	for _, path := range []string{"/debug/pprof/", "/debug/pprof/heap", "/debug/pprof/profile", "/debug/pprof/cmdline"} {
		if a := send(t, handler(t, newFake(), gateway.Options{}), "GET", path, ""); a.Code != http.StatusNotFound {
			t.Errorf("%s: %d", path, a.Code)
		}
	}
	w := httptest.NewRecorder()
	gateway.Profiles().ServeHTTP(w, httptest.NewRequest("GET", "/debug/pprof/goroutine?debug=1", nil))
	if w.Code != http.StatusOK || !strings.Contains(w.Body.String(), "goroutine profile") {
		t.Errorf("%d %.100s", w.Code, w.Body)
	}
}
