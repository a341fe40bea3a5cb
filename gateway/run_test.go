package gateway_test

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/bulkhead-run/bulkhead/gateway"
	"github.com/bulkhead-run/bulkhead/internal/outcome"
	"github.com/bulkhead-run/bulkhead/supervisor"
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

func TestWatch(t *testing.T) {
	f := newFake().withFunction()
	h := handler(t, f, gateway.Options{})
	ask := func(path, media, body string) (int, []string) {
		r := httptest.NewRequest(http.MethodPost, "/v1/tenants/t/functions/"+path, strings.NewReader(body))
		r.Header.Set("Content-Type", media)
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		return w.Code, strings.Split(strings.TrimSpace(w.Body.String()), "\n")
	}
	status, lines := ask("f/watch", jsonText, `{"a": 1}`)
	if status != http.StatusOK || len(lines) != 2 || !strings.HasPrefix(lines[0], `{"verdict":{"api":"kv.get"`) || !strings.Contains(lines[1], `"value":{"a":1}`) ||
		!strings.Contains(lines[1], `"calls":[{"api":"kv.get"`) {
		t.Errorf("%d %s", status, lines)
	}
	f.invoke = func(context.Context, json.RawMessage) (supervisor.Result, error) {
		return supervisor.Result{Receipt: supervisor.Receipt{Invocation: "inv-2"}}, &outcome.Error{Outcome: outcome.Deadline, Detail: "it ran past its timeout"}
	}
	if status, lines := ask("f/watch", jsonText, ""); status != http.StatusOK || len(lines) != 2 || !strings.HasPrefix(lines[1], `{"problem":{`) || !strings.Contains(lines[1], `"invocation":"inv-2"`) {
		t.Errorf("a failure: %d %s", status, lines)
	}
	for path, want := range map[string]string{"none/watch": "no such function", "f/watch?version=3f2a": "no such function", "f/watch?ref=live": "version"} {
		if status, lines := ask(path, jsonText, "{}"); status/100 != 4 || !strings.Contains(lines[0], want) {
			t.Errorf("%s: %d %s; want %q", path, status, lines, want)
		}
	}
	for media, want := range map[string]int{"text/plain": http.StatusUnsupportedMediaType, jsonText: http.StatusBadRequest, gateway.CBORType: http.StatusBadRequest} {
		if status, lines := ask("f/watch", media, "{"); status != want {
			t.Errorf("%s: %d %s; want %d", media, status, lines, want)
		}
	}
}
