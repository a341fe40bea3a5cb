package client

import (
	"context"
	"net/http"
)

// Self is what the caller may do.
type Self struct {
	Name   string   `json:"name"` // the token's, or how the caller is known
	Admin  bool     `json:"admin"`
	Scopes []string `json:"scopes"`           // of the token; none without one
	Tenant string   `json:"tenant,omitempty"` // the one that the scopes are for
}

// Self tells who the supervisor takes the caller for.
func (c *Client) Self(ctx context.Context) (s Self, err error) {
	_, err = c.do(ctx, request{method: http.MethodGet, path: []string{"v1", "self"}}, &s)
	return s, err
}
