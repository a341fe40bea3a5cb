package gateway_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/bulkhead-run/bulkhead/gateway"
)

func TestRun(t *testing.T) {
	h := handler(t, newFake().withFunction(), gateway.Options{})
	ask := func(tenant, body string) *httptest.ResponseRecorder {
		r := httptest.NewRequest(http.MethodPost, "/v1/tenants/"+tenant+"/run", strings.NewReader(body))
		r.Header.Set("Content-Type", jsonText)
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		return w
	}
	w := ask("t", `{"code": "() => 1", "event": {"a": 1}, "timeout": "1s"}`)
	lines := strings.Split(strings.TrimSpace(w.Body.String()), "\n")
	if w.Code != http.StatusOK || w.Header().Get("Content-Type") != gateway.LinesType || len(lines) != 3 {
		t.Fatalf("%d %v\n%s", w.Code, w.Header(), w.Body)
	}
	for i, want := range []string{`{"log":{`, `{"verdict":{"api":"kv.get"`, `{"result":{`} {
		if !strings.HasPrefix(lines[i], want) {
			t.Errorf("line %d is %s, not %s...", i, lines[i], want)
		}
	}
	if !strings.Contains(lines[2], `"value":{"a":1}`) || !strings.Contains(lines[2], `"cbor":"`) {
		t.Errorf("the result is %s", lines[2])
	}
	for _, bad := range []struct {
		tenant, body, want string
	}{
		{"t", `{"code": "broken"}`, `"line":2`},
		{"t", `{"code": 1, "tiemout": "1s"}`, "tiemout"},
		{"t", `[]`, "JSON object"},
		{"nobody", `{"code": "() => 1"}`, "no such tenant"},
	} {
		if w := ask(bad.tenant, bad.body); w.Code/100 != 4 || !strings.Contains(w.Body.String(), bad.want) {
			t.Errorf("%s: %d %s; want %q", bad.body, w.Code, w.Body, bad.want)
		}
	}
}
