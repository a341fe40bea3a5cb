package gateway_test

import (
	"strings"
	"testing"

	"github.com/bulkhead-run/bulkhead/gateway"
	"github.com/bulkhead-run/bulkhead/internal/outcome"
)

// settings keeps the settings of one tenant.
type settings struct {
	secrets []gateway.Secret
	value   string
	vars    map[string]map[string]string
}

func (s *settings) PutSecret(tenant string, secret gateway.Secret, value string) error {
	if strings.Contains(secret.Name, " ") {
		return &outcome.Error{Outcome: outcome.Invalid, Tenant: tenant, Problems: []outcome.Problem{{Field: "name", Reason: "a blank"}}}
	}
	s.secrets, s.value = append(s.secrets, secret), value
	return nil
}

func (s *settings) Secrets(string) ([]gateway.Secret, error) { return s.secrets, nil }

func (s *settings) DeleteSecret(tenant, name string) error {
	if len(s.secrets) == 0 || s.secrets[0].Name != name {
		return &outcome.Error{Outcome: outcome.NotFound, Tenant: tenant, Detail: "there is no such secret"}
	}
	s.secrets = nil
	return nil
}

func (s *settings) Vars(_, function string) (map[string]string, error) { return s.vars[function], nil }

func (s *settings) PutVars(_, function string, vars map[string]string) error {
	s.vars[function] = vars
	return nil
}

func TestSettings(t *testing.T) {
	kept := &settings{vars: map[string]map[string]string{"": {}}}
	h := handler(t, newFake().withFunction(), gateway.Options{Settings: kept})
	const json = "application/json"
	put := func(path, body string, status int, media string) {
		t.Helper()
		a := send(t, h, "PUT", path, body, "Content-Type", media)
		if a.Code != status {
			t.Errorf("PUT %s %s: %d %s", path, body, a.Code, a.Body)
		}
	}
	put("/v1/tenants/t/secrets/token", `{"value":"hunter2","hosts":["api.example.com"]}`, 204, json)
	if kept.value != "hunter2" || len(kept.secrets) != 1 || kept.secrets[0].Name != "token" || kept.secrets[0].Hosts[0] != "api.example.com" {
		t.Errorf("kept %+v", kept)
	}
	a := send(t, h, "GET", "/v1/tenants/t/secrets", "")
	if a.Code != 200 || !strings.Contains(a.Body.String(), "token") || strings.Contains(a.Body.String(), "hunter2") {
		t.Errorf("%d %s", a.Code, a.Body)
	}
	put("/v1/tenants/t/secrets/token", `{"value":7}`, 400, json)
	put("/v1/tenants/t/secrets/token", `{"valeu":"x"}`, 400, json)
	put("/v1/tenants/t/secrets/a%20b", `{"value":"x"}`, 400, json)
	put("/v1/tenants/t/secrets/token", `value=x`, 415, "text/plain")
	put("/v1/tenants/nobody/secrets/token", `{"value":"x"}`, 404, json)
	for _, status := range []int{204, 404} {
		if a := send(t, h, "DELETE", "/v1/tenants/t/secrets/token", ""); a.Code != status {
			t.Errorf("DELETE: %d, want %d", a.Code, status)
		}
	}

	put("/v1/tenants/t/env", `{"env":{"REGION":"eu"}}`, 200, json)
	put("/v1/tenants/t/functions/f/env", `{"env":{"MODE":"fast"}}`, 200, json)
	put("/v1/tenants/t/functions/f/env", `{"env":{"MODE":1}}`, 400, json)
	put("/v1/tenants/t/functions/none/env", `{"env":{}}`, 404, json)
	for path, want := range map[string]string{"/v1/tenants/t/env": `{"env":{"REGION":"eu"}}`, "/v1/tenants/t/functions/f/env": `{"env":{"MODE":"fast"}}`} {
		if a := send(t, h, "GET", path, ""); a.Code != 200 || strings.TrimSpace(a.Body.String()) != want {
			t.Errorf("GET %s: %d %s", path, a.Code, a.Body)
		}
	}
	if a := send(t, handler(t, newFake().withFunction(), gateway.Options{}), "GET", "/v1/tenants/t/env", ""); a.Code != 404 {
		t.Errorf("without settings: %d", a.Code)
	}
}
