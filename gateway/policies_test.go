package gateway_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/bulkhead-run/bulkhead/gateway"
	"github.com/bulkhead-run/bulkhead/supervisor"
)

func TestExplain(t *testing.T) {
	f := newFake()
	f.tenants["acme"] = supervisor.Tenant{Name: "acme"}
	h := handler(t, f, gateway.Options{})
	for _, tt := range []struct {
		name, tenant, body string
		status             int
		want               string
	}{
		{"text", "acme", `{"api":"fetch","attributes":{"url":"https://api.example.com/v1?x=1","method":"post"}}`, 200, `{https api.example.com 443 POST /v1`},
		{"as the audit log has them", "acme", `{"api":"db.query","policy":"data","attributes":{"statement":"select","tables":["a","b"],"port":80,"prefix":true,"key":"k","size":12}}`, 200, `80   select [a b] k true 12`},
		{"allowed", "acme", `{"api":"kv.get","attributes":{"key":"k"}}`, 200, `"allowed":true`},
		{"nothing", "acme", `{}`, 400, `"field":"api"`},
		{"no API", "acme", `{"api":1}`, 400, `must name a platform API`},
		{"no attributes", "acme", `{"api":"kv.get","attributes":[]}`, 400, `must be an object`},
		{"a wrong name", "acme", `{"api":"kv.get","attributes":{"kex":"a"}}`, 400, `did you mean \"key\"?`},
		{"a wrong value", "acme", `{"api":"fetch","attributes":{"port":{}}}`, 400, `port must be a number`},
		{"a wrong URL", "acme", `{"api":"fetch","attributes":{"url":"nowhere"}}`, 400, `is not a URL`},
		{"too many", "acme", `{"api":"db.query","attributes":{"tables":[` + strings.Repeat(`"t",`, 100) + `"t"]}}`, 400, `more than 100 values`},
		{"no policy", "acme", `{"api":"kv.get","policy":"none"}`, 400, `"field":"policy"`},
		{"no tenant", "nobody", `{"api":"kv.get"}`, 404, `nobody`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := httptest.NewRequest(http.MethodPost, "/v1/tenants/"+tt.tenant+"/explain", strings.NewReader(tt.body))
			r.Header.Set("Content-Type", "application/json")
			w := httptest.NewRecorder()
			h.ServeHTTP(w, r)
			if w.Code != tt.status || !strings.Contains(w.Body.String(), tt.want) {
				t.Errorf("%d %s", w.Code, w.Body)
			}
		})
	}
}
