package client

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net/http"
	"net/url"
)

// maxLine bounds one line of a stream of entries.
const maxLine = 1 << 20

// Policies lists the policies that tenants and functions may name.
func (c *Client) Policies(ctx context.Context) ([]Policy, error) {
	var out struct{ Policies []Policy }
	_, err := c.do(ctx, request{method: http.MethodGet, path: []string{"v1", "policies"}}, &out)
	return out.Policies, err
}

// FollowAudit calls line with every entry of the audit log that is recorded
// from now on: a JSON object. It returns nil when ctx ends, line's error when
// it has one, and an error when the supervisor ends the stream.
func (c *Client) FollowAudit(ctx context.Context, f AuditFilter, line func([]byte) error) error {
	query := url.Values{}
	for name, v := range map[string]string{"tenant": f.Tenant, "function": f.Function, "api": f.API, "action": f.Action} {
		if v != "" {
			query.Set(name, v)
		}
	}
	return c.stream(ctx, request{method: http.MethodGet, path: []string{"v1", "audit"}, query: query}, false, line)
}

// stream reads a stream of lines, which may end by itself if ends is set.
func (c *Client) stream(ctx context.Context, r request, ends bool, line func([]byte) error) error {
	resp, err := c.send(ctx, r)
	if err != nil {
		if ctx.Err() != nil {
			return nil
		}
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		body, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
		if err != nil {
			return c.unreachable(ctx, err)
		}
		return c.decodeProblem(resp, body)
	}
	lines := bufio.NewScanner(resp.Body)
	lines.Buffer(nil, maxLine)
	for lines.Scan() {
		if err := line(lines.Bytes()); err != nil {
			return err
		}
	}
	if ctx.Err() != nil || ends && lines.Err() == nil {
		return nil
	}
	return c.unreachable(ctx, errors.Join(lines.Err(), errEnded))
}
