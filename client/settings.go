package client

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"time"
)

// Secret is what is told of a secret.
type Secret struct {
	Name string `json:"name"`
	// Hosts are those to which fetch may send it: "api.example.com",
	// "*.example.com", with ":port" unless it is 443.
	Hosts []string `json:"hosts"`
	// Reveal says that functions get the value itself, not a placeholder.
	Reveal  bool      `json:"reveal"`
	Updated time.Time `json:"updated"`
}

// PutSecret sets a tenant's secret in place of one of the same name: its Hosts,
// Reveal and value.
func (c *Client) PutSecret(ctx context.Context, tenant string, s Secret, value string) error {
	body, err := json.Marshal(struct {
		Value  string   `json:"value"`
		Hosts  []string `json:"hosts"`
		Reveal bool     `json:"reveal"`
	}{value, s.Hosts, s.Reveal})
	if err != nil {
		return fmt.Errorf("encode secret: %w", err)
	}
	_, err = c.do(ctx, request{method: http.MethodPut, path: []string{"v1", "tenants", tenant, "secrets", s.Name}, media: "application/json", body: body}, nil)
	return err
}

// Secrets lists a tenant's secrets, by name. Their values are told to nobody.
func (c *Client) Secrets(ctx context.Context, tenant string) ([]Secret, error) {
	var out struct{ Secrets []Secret }
	_, err := c.do(ctx, request{method: http.MethodGet, path: []string{"v1", "tenants", tenant, "secrets"}}, &out)
	return out.Secrets, err
}

// DeleteSecret deletes a tenant's secret.
func (c *Client) DeleteSecret(ctx context.Context, tenant, name string) error {
	_, err := c.do(ctx, request{method: http.MethodDelete, path: []string{"v1", "tenants", tenant, "secrets", name}}, nil)
	return err
}

// Env returns the variables of a function, or those of the whole tenant when
// function is empty.
func (c *Client) Env(ctx context.Context, tenant, function string) (map[string]string, error) {
	var out struct{ Env map[string]string }
	_, err := c.do(ctx, request{method: http.MethodGet, path: envPath(tenant, function)}, &out)
	return out.Env, err
}

// PutEnv replaces them. It returns the functions that have a new version live
// with them.
func (c *Client) PutEnv(ctx context.Context, tenant, function string, vars map[string]string) ([]Function, error) {
	body, err := json.Marshal(map[string]map[string]string{"env": vars})
	if err != nil {
		return nil, fmt.Errorf("encode variables: %w", err)
	}
	var out struct{ Functions []Function }
	_, err = c.do(ctx, request{method: http.MethodPut, path: envPath(tenant, function), media: "application/json", body: body}, &out)
	return out.Functions, err
}

func envPath(tenant, function string) []string {
	if function == "" {
		return []string{"v1", "tenants", tenant, "env"}
	}
	return append(functionPath(tenant, function), "env")
}
