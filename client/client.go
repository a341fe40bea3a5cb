package client

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"golang.org/x/net/http/httpguts"

	"github.com/bulkhead-run/bulkhead/internal/outcome"
)

// maxAnswer bounds what is read of an answer.
const maxAnswer = 64 << 20

const detailType = "application/vnd.bulkhead.invocation+json"

// Client calls one supervisor. It may be used by many goroutines at once.
type Client struct {
	base  *url.URL
	shown string // the address, for messages
	token string
	http  *http.Client
}

// Option changes a client.
type Option func(*Client)

// WithToken sends a bearer token with every request. An empty one is none.
func WithToken(token string) Option { return func(c *Client) { c.token = token } }

// New makes a client of the supervisor at server: an http or https URL without
// a query, or "unix:PATH" for the admin socket. It does not connect yet.
func New(server string, options ...Option) (*Client, error) {
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.MaxIdleConnsPerHost = 64
	c := &Client{shown: server, http: &http.Client{Transport: transport}}
	for _, o := range options {
		o(c)
	}
	if !httpguts.ValidHeaderFieldValue(c.token) || strings.ContainsAny(c.token, " \t") {
		return nil, &outcome.Error{Outcome: outcome.Invalid, Detail: "the token holds what no token holds", Remedy: "it is one line that begins with bhk_"}
	}
	if path, ok := strings.CutPrefix(server, "unix:"); ok {
		if strings.HasPrefix(path, "//") { // unix:///run/...
			path = "/" + strings.TrimLeft(path, "/")
		}
		transport.Proxy, transport.DialContext = nil, dialSocket(path)
		c.base = &url.URL{Scheme: "http", Host: "localhost"}
		return c, nil
	}
	base, err := url.Parse(server)
	if err != nil || (base.Scheme != "http" && base.Scheme != "https") || base.Host == "" || base.RawQuery != "" || base.Fragment != "" {
		return nil, &outcome.Error{
			Outcome: outcome.Invalid, Err: err,
			Detail: fmt.Sprintf("%q is not the address of a supervisor", server),
			Remedy: "write it like http://127.0.0.1:8420, or unix:/run/bulkhead/admin.sock",
		}
	}
	c.base, c.shown = base, base.Redacted()
	return c, nil
}

// Close drops idle connections.
func (c *Client) Close() { c.http.CloseIdleConnections() }

// PutTenant creates a tenant, or replaces its settings.
func (c *Client) PutTenant(ctx context.Context, name string, s TenantSettings) (Tenant, error) {
	body, err := json.Marshal(s)
	if err != nil {
		return Tenant{}, fmt.Errorf("encode settings: %w", err)
	}
	var t Tenant
	_, err = c.do(ctx, request{method: http.MethodPut, path: []string{"v1", "tenants", name}, media: "application/json", body: body}, &t)
	return t, err
}

// Tenants lists the tenants.
func (c *Client) Tenants(ctx context.Context) ([]Tenant, error) {
	var out struct{ Tenants []Tenant }
	_, err := c.do(ctx, request{method: http.MethodGet, path: []string{"v1", "tenants"}}, &out)
	return out.Tenants, err
}

// Tenant returns one tenant.
func (c *Client) Tenant(ctx context.Context, name string) (Tenant, error) {
	var t Tenant
	_, err := c.do(ctx, request{method: http.MethodGet, path: []string{"v1", "tenants", name}}, &t)
	return t, err
}

// DeleteTenant deletes a tenant with its functions and all their data.
func (c *Client) DeleteTenant(ctx context.Context, name string) error {
	_, err := c.do(ctx, request{method: http.MethodDelete, path: []string{"v1", "tenants", name}}, nil)
	return err
}

// Deploy deploys a function. created tells whether it is new.
func (c *Client) Deploy(ctx context.Context, tenant, function, code string, s FunctionSettings) (f Function, created bool, err error) {
	if s.SourceMap != "" || len(s.Assets) > 0 {
		return c.deployJSON(ctx, tenant, function, code, s)
	}
	query := url.Values{}
	if s.Memory != 0 {
		query.Set("memory", strconv.FormatInt(s.Memory, 10))
	}
	if s.Timeout != 0 {
		query.Set("timeout", s.Timeout.String())
	}
	if s.CPU != 0 {
		query.Set("cpu", s.CPU.String())
	}
	if s.Concurrency != 0 {
		query.Set("concurrency", strconv.Itoa(s.Concurrency))
	}
	if s.Isolation != "" {
		query.Set("isolation", s.Isolation)
	}
	if s.Policy != "" {
		query.Set("policy", s.Policy)
	}
	if s.Public {
		query.Set("public", "true")
	}
	if s.Alias != "" {
		query.Set("alias", s.Alias)
	}
	if s.NoLive {
		query.Set("live", "false")
	}
	status, err := c.do(ctx, request{
		method: http.MethodPut, path: functionPath(tenant, function), query: query,
		media: "text/javascript", body: []byte(code),
	}, &f)
	return f, status == http.StatusCreated, err
}

// deployJSON deploys a function with what only a JSON body can carry.
func (c *Client) deployJSON(ctx context.Context, tenant, function, code string, s FunctionSettings) (f Function, created bool, err error) {
	if s.SourceMap != "" && !json.Valid([]byte(s.SourceMap)) {
		return f, false, &outcome.Error{Outcome: outcome.Invalid, Tenant: tenant, Function: function,
			Detail: "the function cannot be deployed", Problems: []outcome.Problem{{Field: "source_map", Reason: "it is not JSON"}}}
	}
	var body bytes.Buffer
	encoder := json.NewEncoder(&body)
	encoder.SetEscapeHTML(false)
	var timeout, cpu string
	if s.Timeout != 0 {
		timeout = s.Timeout.String()
	}
	if s.CPU != 0 {
		cpu = s.CPU.String()
	}
	if err := encoder.Encode(struct {
		Code        string            `json:"code"`
		SourceMap   json.RawMessage   `json:"source_map,omitempty"`
		Assets      map[string][]byte `json:"assets,omitempty"`
		Memory      int64             `json:"memory,omitempty"`
		Timeout     string            `json:"timeout,omitempty"`
		CPU         string            `json:"cpu,omitempty"`
		Concurrency int               `json:"concurrency,omitempty"`
		Isolation   string            `json:"isolation,omitempty"`
		Policy      string            `json:"policy,omitempty"`
		Public      bool              `json:"public,omitempty"`
		Alias       string            `json:"alias,omitempty"`
		Live        bool              `json:"live"`
	}{code, json.RawMessage(s.SourceMap), s.Assets, s.Memory, timeout, cpu, s.Concurrency, s.Isolation, s.Policy, s.Public, s.Alias, !s.NoLive}); err != nil {
		return f, false, fmt.Errorf("encode deploy: %w", err)
	}
	status, err := c.do(ctx, request{
		method: http.MethodPut, path: functionPath(tenant, function), media: "application/json", body: body.Bytes(),
	}, &f)
	return f, status == http.StatusCreated, err
}

// Function returns one function.
func (c *Client) Function(ctx context.Context, tenant, function string) (Function, error) {
	var f Function
	_, err := c.do(ctx, request{method: http.MethodGet, path: functionPath(tenant, function)}, &f)
	return f, err
}

// Functions lists a tenant's functions.
func (c *Client) Functions(ctx context.Context, tenant string) ([]Function, error) {
	var out struct{ Functions []Function }
	_, err := c.do(ctx, request{method: http.MethodGet, path: []string{"v1", "tenants", tenant, "functions"}}, &out)
	return out.Functions, err
}

// DeleteFunction deletes a function.
func (c *Client) DeleteFunction(ctx context.Context, tenant, function string) error {
	_, err := c.do(ctx, request{method: http.MethodDelete, path: functionPath(tenant, function)}, nil)
	return err
}

// Invoke invokes a function with event, which is JSON; nil stands for null.
// "FUNCTION@REF" runs the version that an alias, or its first digits, name.
// When the function failed, the result says beside the error what is known:
// the invocation's id, and what it logged.
func (c *Client) Invoke(ctx context.Context, tenant, function string, event json.RawMessage) (Result, error) {
	var r Result
	known, err := c.invoke(ctx, tenant, function, request{media: "application/json", body: event, accept: detailType}, &r)
	if err != nil {
		return known, err
	}
	return r, nil
}

// invoke sends an invocation. Beside an error it returns what is known.
func (c *Client) invoke(ctx context.Context, tenant, function string, r request, out any) (known Result, err error) {
	r.method, r.path = http.MethodPost, append(functionPath(tenant, function), "invoke")
	_, err = c.do(ctx, r, out)
	return knownOf(err)
}

// Ready returns nil when the supervisor takes invocations.
func (c *Client) Ready(ctx context.Context) error {
	_, err := c.do(ctx, request{method: http.MethodGet, path: []string{"readyz"}}, nil)
	return err
}

func functionPath(tenant, function string) []string {
	return []string{"v1", "tenants", tenant, "functions", function}
}

type request struct {
	method string
	path   []string // segments, unescaped
	query  url.Values
	media  string
	accept string
	body   []byte
}

// do sends a request and decodes its answer into out, if it has one.
func (c *Client) do(ctx context.Context, r request, out any) (status int, err error) {
	resp, err := c.send(ctx, r)
	if err != nil {
		return 0, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer+1))
	if err != nil {
		return resp.StatusCode, c.unreachable(ctx, err)
	}
	if len(body) > maxAnswer {
		return resp.StatusCode, c.foreign(resp, fmt.Errorf("answer over %d bytes", maxAnswer))
	}
	if resp.StatusCode < 200 || resp.StatusCode > 299 {
		return resp.StatusCode, c.decodeProblem(resp, body)
	}
	if out == nil || resp.StatusCode == http.StatusNoContent {
		return resp.StatusCode, nil
	}
	if a, ok := out.(*valueAnswer); ok {
		err = a.read(resp.Header, body)
	} else {
		err = json.Unmarshal(body, out)
	}
	if err != nil {
		return resp.StatusCode, c.foreign(resp, err)
	}
	return resp.StatusCode, nil
}

// send sends a request. The caller closes the answer's body.
func (c *Client) send(ctx context.Context, r request) (*http.Response, error) {
	escaped := make([]string, len(r.path))
	for i, segment := range r.path {
		if segment == "" || segment == "." || segment == ".." {
			return nil, &outcome.Error{Outcome: outcome.Invalid, Detail: fmt.Sprintf("%q is not a name", segment), Remedy: "a name is 1 to 63 of a-z, 0-9 and -"}
		}
		escaped[i] = url.PathEscape(segment)
	}
	target := c.base.JoinPath(escaped...)
	target.RawQuery = r.query.Encode()
	req, err := http.NewRequestWithContext(ctx, r.method, target.String(), bytes.NewReader(r.body))
	if err != nil {
		return nil, fmt.Errorf("make request: %w", err)
	}
	if r.media != "" {
		req.Header.Set("Content-Type", r.media)
	}
	followUpload(ctx, req, r.body)
	if c.token != "" {
		req.Header.Set("Authorization", "Bearer "+c.token)
	}
	if r.accept != "" {
		req.Header.Set("Accept", r.accept)
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return nil, c.unreachable(ctx, err)
	}
	return resp, nil
}

// unreachable tells that no answer came. The caller's own cancellation is left
// as it is.
func (c *Client) unreachable(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return &outcome.Error{Outcome: outcome.Of(ctx.Err()), Detail: "gave up waiting for " + c.shown, Err: err}
	}
	var u *url.Error
	if errors.As(err, &u) {
		err = u.Err
	}
	e := &outcome.Error{
		Outcome: outcome.Internal, Err: err,
		Detail: fmt.Sprintf("no supervisor answers at %s: %v", c.shown, err),
		Remedy: "start one with `supervisor serve`, or name another with --server or BULKHEAD_SERVER",
	}
	var certificate *tls.CertificateVerificationError
	var name *net.DNSError
	switch {
	case errors.Is(err, errEnded):
		e.Detail = fmt.Sprintf("the supervisor at %s ended the stream", c.shown)
		e.Remedy = "it was probably stopped or restarted: run the command again"
	case errors.Is(err, fs.ErrPermission):
		e.Detail = fmt.Sprintf("this user may not connect to %s", c.shown)
		e.Remedy = "run the command as root or as the supervisor's user, join the group of auth.socket_group, or use a token over TCP: --server http://127.0.0.1:8420"
	case errors.As(err, &certificate):
		e.Detail = fmt.Sprintf("the certificate of %s does not hold: %v", c.shown, certificate.Err)
		e.Remedy = "if it is of an authority of your own, name that one's certificate in SSL_CERT_FILE"
	case errors.As(err, &name):
		e.Remedy = "check the name in --server or BULKHEAD_SERVER"
	case strings.Contains(err.Error(), "server gave HTTP response to HTTPS client"):
		e.Remedy = "the supervisor has no TLS there: write http:// in --server or BULKHEAD_SERVER"
	}
	return e
}

// errEnded tells that a stream ended that was to go on.
var errEnded = errors.New("it is not whole")

// foreign tells that what answered is no supervisor.
func (c *Client) foreign(resp *http.Response, err error) error {
	return &outcome.Error{
		Outcome: outcome.Internal, Err: err,
		Detail: fmt.Sprintf("%s answered %s, but not as a supervisor does", c.shown, resp.Status),
		Remedy: "check the URL given by --server or BULKHEAD_SERVER; that of a supervisor with TLS begins with https://",
	}
}

// retryAfter reads the header of that name, in seconds.
func retryAfter(h http.Header) time.Duration {
	n, err := strconv.Atoi(h.Get("Retry-After"))
	if err != nil || n < 0 || n > 86400 {
		return 0
	}
	return time.Duration(n) * time.Second
}
