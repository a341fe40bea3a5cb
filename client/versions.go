package client

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"time"
)

// Version is one version of a function.
type Version struct {
	Function
	CodeDigest        string `json:"code_digest"`
	PolicyDigest      string `json:"policy_digest,omitempty"`
	EnvironmentDigest string `json:"environment_digest,omitempty"`
	AssetsDigest      string `json:"assets_digest,omitempty"`
	// Secrets are the tenant's that the code mentions, MissingSecrets those of
	// them that do not exist any more.
	Secrets        []string `json:"secrets"`
	MissingSecrets []string `json:"missing_secrets,omitempty"`
	Aliases        []string `json:"aliases"`
	// Weight is the share of the invocations that ask for no version, in
	// percent.
	Weight int `json:"weight"`
	// Code and SourceMap are there when they were asked for.
	Code      string `json:"code,omitempty"`
	SourceMap string `json:"source_map,omitempty"`
}

// Versions is what there is of a function. Versions are in order, the newest
// first; History has the newest last.
type Versions struct {
	Versions []Version `json:"versions"`
	Previous string    `json:"previous,omitempty"`
	Split    *Split    `json:"split,omitempty"`
	History  []Change  `json:"history"`
}

// Split shares out the invocations between two versions.
type Split struct {
	Weights  map[string]int `json:"weights"` // percent, by version
	Rollback *RollbackRule  `json:"rollback,omitempty"`
	Started  time.Time      `json:"started"`
	// Invocations and Failed are the candidate's within the rule's window.
	Invocations int `json:"invocations"`
	Failed      int `json:"failed"`
}

// RollbackRule says when a split ends by itself. Zero values but of Errors mean
// the supervisor's defaults.
type RollbackRule struct {
	Errors string   `json:"errors"` // percent: "5%"
	Min    int      `json:"min,omitempty"`
	Window Duration `json:"window,omitzero"`
}

// Change is a change of what is live.
type Change struct {
	At      time.Time `json:"at"`
	What    string    `json:"what"`
	Version string    `json:"version,omitempty"`
	Detail  string    `json:"detail,omitempty"`
}

// Diff is how one version differs from another.
type Diff struct {
	From   Version `json:"from"`
	To     Version `json:"to"`
	Fields []struct {
		Field string `json:"field"`
		From  string `json:"from"`
		To    string `json:"to"`
	} `json:"fields"`
	Files []struct {
		Name    string `json:"name"`
		Unified string `json:"unified,omitempty"`
		Reason  string `json:"reason,omitempty"` // why Unified is empty
	} `json:"files"`
}

// Versions returns a function's versions.
func (c *Client) Versions(ctx context.Context, tenant, function string) (v Versions, err error) {
	_, err = c.do(ctx, request{method: http.MethodGet, path: append(functionPath(tenant, function), "versions")}, &v)
	return v, err
}

// Version returns one version, by its first digits or an alias, with its code if
// asked to.
func (c *Client) Version(ctx context.Context, tenant, function, ref string, code bool) (v Version, err error) {
	query := url.Values{}
	if code {
		query.Set("code", "1")
	}
	_, err = c.do(ctx, request{method: http.MethodGet, path: append(functionPath(tenant, function), "versions", ref), query: query}, &v)
	return v, err
}

// Diff compares two versions; "" stands for the live one.
func (c *Client) Diff(ctx context.Context, tenant, function, from, to string) (d Diff, err error) {
	query := url.Values{}
	for name, ref := range map[string]string{"from": from, "to": to} {
		if ref != "" {
			query.Set(name, ref)
		}
	}
	_, err = c.do(ctx, request{method: http.MethodGet, path: append(functionPath(tenant, function), "diff"), query: query}, &d)
	return d, err
}

// Rollback makes a version live again, the one that was live before when to is
// empty, and returns what is live then. With a split and an empty to, the split
// ends instead.
func (c *Client) Rollback(ctx context.Context, tenant, function, to string) (f Function, err error) {
	err = c.doJSON(ctx, http.MethodPost, append(functionPath(tenant, function), "rollback"), map[string]string{"to": to}, &f)
	return f, err
}

// SetAlias gives a version a name.
func (c *Client) SetAlias(ctx context.Context, tenant, function, alias, ref string) (v Version, err error) {
	err = c.doJSON(ctx, http.MethodPut, append(functionPath(tenant, function), "aliases", alias), map[string]string{"version": ref}, &v)
	return v, err
}

// DeleteAlias takes a name from a version.
func (c *Client) DeleteAlias(ctx context.Context, tenant, function, alias string) error {
	_, err := c.do(ctx, request{method: http.MethodDelete, path: append(functionPath(tenant, function), "aliases", alias)}, nil)
	return err
}

// SetSplit shares out the invocations between two versions; rule may be nil.
func (c *Client) SetSplit(ctx context.Context, tenant, function string, weights map[string]int, rule *RollbackRule) (s Split, err error) {
	err = c.doJSON(ctx, http.MethodPut, append(functionPath(tenant, function), "split"), map[string]any{"weights": weights, "rollback": rule}, &s)
	return s, err
}

// ClearSplit ends a split.
func (c *Client) ClearSplit(ctx context.Context, tenant, function string) error {
	_, err := c.do(ctx, request{method: http.MethodDelete, path: append(functionPath(tenant, function), "split")}, nil)
	return err
}

// doJSON sends a body in JSON.
func (c *Client) doJSON(ctx context.Context, method string, path []string, body, out any) error {
	data, err := json.Marshal(body)
	if err != nil {
		return fmt.Errorf("encode the request: %w", err)
	}
	_, err = c.do(ctx, request{method: method, path: path, media: "application/json", body: data}, out)
	return err
}
