package client

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"time"
)

// Token is what is told of a token.
type Token struct {
	Name string `json:"name"`
	// ID is the public part of the token's text.
	ID string `json:"id,omitempty"`
	// Scopes are "admin", "tenant-deploy", "tenant-invoke" and "metrics".
	Scopes []string `json:"scopes"`
	// Tenant is the one that tenant-deploy and tenant-invoke are for.
	Tenant  string    `json:"tenant,omitempty"`
	Created time.Time `json:"created,omitzero"`
	// Expires is zero for never.
	Expires time.Time `json:"expires,omitzero"`
	// Used is the last use, give or take a minute; zero for never.
	Used time.Time `json:"used,omitzero"`
	// Rate is how many invocations it may make, like "100/s"; Burst how many at
	// once after a pause; MaxInflight how many may be under way. Empty and 0: as
	// its tenant.
	Rate        string `json:"rate,omitempty"`
	Burst       int    `json:"burst,omitempty"`
	MaxInflight int    `json:"max_inflight,omitempty"`
	// Configured says that it comes from the supervisor's configuration.
	Configured bool `json:"configured,omitempty"`
}

// CreateToken makes a token with t's Name, Scopes, Tenant, Expires and limits.
// The text is the token itself, which nobody can show again.
func (c *Client) CreateToken(ctx context.Context, t Token) (created Token, text string, err error) {
	body, err := json.Marshal(Token{Name: t.Name, Scopes: t.Scopes, Tenant: t.Tenant, Expires: t.Expires, Rate: t.Rate, Burst: t.Burst, MaxInflight: t.MaxInflight})
	if err != nil {
		return Token{}, "", fmt.Errorf("encode token: %w", err)
	}
	var out struct {
		Token
		Text string `json:"token"`
	}
	_, err = c.do(ctx, request{method: http.MethodPost, path: []string{"v1", "tokens"}, media: "application/json", body: body}, &out)
	return out.Token, out.Text, err
}

// Tokens lists the tokens by their names.
func (c *Client) Tokens(ctx context.Context) ([]Token, error) {
	var out struct{ Tokens []Token }
	_, err := c.do(ctx, request{method: http.MethodGet, path: []string{"v1", "tokens"}}, &out)
	return out.Tokens, err
}

// RevokeToken ends a token, by its name, at once.
func (c *Client) RevokeToken(ctx context.Context, name string) error {
	_, err := c.do(ctx, request{method: http.MethodDelete, path: []string{"v1", "tokens", name}}, nil)
	return err
}
