package endpoint

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/bulkhead-run/bulkhead/platform"
	"github.com/bulkhead-run/bulkhead/platform/internal/remote"
)

const (
	tries       = 3
	firstPause  = 50 * time.Millisecond // before the second try; doubled before the third
	dialTimeout = 5 * time.Second
	maxHeader   = 64 << 10
	idleTimeout = 90 * time.Second
	// maxRetryAfter is the longest that an endpoint's Retry-After is believed.
	maxRetryAfter = 3600
	// maxDrain is how much of an answer that nobody reads is read to keep its
	// connection.
	maxDrain = 16 << 10
)

// Endpoint is one endpoint. It is safe for concurrent use.
type Endpoint struct {
	o         Options
	url       *url.URL
	transport *http.Transport
	gate      *remote.Gate
	life      context.Context
	end       context.CancelFunc

	mu     sync.Mutex
	closed bool
	calls  sync.WaitGroup
}

// New makes an Endpoint; it connects with the first call. The caller closes
// it. The error names the option that is wrong.
func New(o Options) (*Endpoint, error) {
	o, u, err := o.resolve()
	if err != nil {
		return nil, err
	}
	e := &Endpoint{
		o: o, url: u, gate: remote.NewGate(8*o.MaxConcurrent, o.MaxConcurrent),
		transport: &http.Transport{
			Proxy:                  nil, // never the supervisor's environment
			DialContext:            (&net.Dialer{Timeout: dialTimeout}).DialContext,
			ForceAttemptHTTP2:      true,
			TLSHandshakeTimeout:    dialTimeout,
			MaxIdleConns:           o.MaxConcurrent,
			MaxIdleConnsPerHost:    o.MaxConcurrent,
			MaxConnsPerHost:        8 * o.MaxConcurrent,
			IdleConnTimeout:        idleTimeout,
			MaxResponseHeaderBytes: maxHeader,
		},
	}
	e.life, e.end = context.WithCancel(context.Background())
	return e, nil
}

// Close ends the calls on their way and closes every connection. Calls made
// later fail.
func (e *Endpoint) Close() {
	e.mu.Lock()
	e.closed = true
	e.mu.Unlock()
	e.end()
	e.calls.Wait()
	e.transport.CloseIdleConnections()
}

// API returns the endpoint as a platform API.
func (e *Endpoint) API() platform.API {
	return platform.API{Name: e.o.Name, Doc: e.o.Doc, Schema: e.o.Schema, Func: e.call}
}

func (e *Endpoint) call(outer context.Context, call *platform.Call) (any, error) {
	e.mu.Lock()
	if e.closed {
		e.mu.Unlock()
		return nil, remote.Unavailable(e.o.Name, "the supervisor is closing", nil)
	}
	e.calls.Add(1)
	e.mu.Unlock()
	defer e.calls.Done()

	ctx, cancel := context.WithTimeout(outer, e.o.Timeout)
	defer cancel()
	defer context.AfterFunc(e.life, cancel)()
	leave, err := e.gate.Enter(ctx, call.Tenant)
	if err != nil {
		return nil, remote.Ended(outer, ctx, e.o.Name)
	}
	defer leave()

	args := call.Args
	if args == nil {
		args = []json.RawMessage{}
	}
	body, err := json.Marshal(map[string]any{
		"tenant": call.Tenant, "function": call.Function, "invocation": call.Invocation, "args": args,
	})
	if err != nil {
		return nil, err
	}
	result, err := e.send(outer, ctx, body)
	if err != nil {
		var known *platform.Error
		if errors.As(err, &known) && known.Err != nil {
			e.o.Logger.Info("an HTTP endpoint failed", "api", e.o.Name, "tenant", call.Tenant, "invocation", call.Invocation, "error", known.Err)
		}
		return nil, err
	}
	if err := e.o.Schema.CheckResult(result); err != nil {
		return nil, fmt.Errorf("the endpoint's answer: %w", err)
	}
	if len(result) == 0 {
		return nil, nil
	}
	return result, nil
}

// send makes the request, as often as it may.
func (e *Endpoint) send(outer, ctx context.Context, body []byte) (json.RawMessage, error) {
	pause := firstPause
	for try := 1; ; try++ {
		result, again, err := e.try(ctx, body)
		if ctx.Err() != nil {
			return nil, remote.Ended(outer, ctx, e.o.Name)
		}
		if !again || !e.o.Idempotent || try == tries {
			return result, err
		}
		select {
		case <-time.After(pause):
			pause *= 2
		case <-ctx.Done():
			return nil, remote.Ended(outer, ctx, e.o.Name)
		}
	}
}

// try makes one request. again says that another may end better.
func (e *Endpoint) try(ctx context.Context, body []byte) (result json.RawMessage, again bool, err error) {
	req := (&http.Request{
		Method: e.o.Method, URL: e.url, Host: e.url.Host, Header: e.o.Header.Clone(),
		Body: io.NopCloser(bytes.NewReader(body)), ContentLength: int64(len(body)),
		GetBody: func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(body)), nil },
	}).WithContext(ctx)
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Accept", "application/json")
	if deadline, ok := ctx.Deadline(); ok {
		req.Header.Set("Bulkhead-Deadline", deadline.UTC().Format(time.RFC3339Nano))
	}
	resp, err := e.transport.RoundTrip(req) // which follows no redirect
	if err != nil {
		return nil, true, remote.Unavailable(e.o.Name, "its endpoint cannot be reached", err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(io.LimitReader(resp.Body, e.o.MaxResponse+1))
	if err != nil {
		return nil, true, remote.Unavailable(e.o.Name, "its endpoint broke off", err)
	}
	if int64(len(text)) > e.o.MaxResponse {
		_, _ = io.CopyN(io.Discard, resp.Body, maxDrain)
		return nil, false, fmt.Errorf("the endpoint's answer (status %d) is over %d bytes", resp.StatusCode, e.o.MaxResponse)
	}
	return e.read(resp, bytes.TrimSpace(text))
}

// read makes a result or an error of a whole answer.
func (e *Endpoint) read(resp *http.Response, text []byte) (result json.RawMessage, again bool, err error) {
	status := resp.StatusCode
	switch {
	case status >= 200 && status <= 299:
		if len(text) > 0 && (!json.Valid(text) || !utf8.Valid(text)) {
			return nil, false, fmt.Errorf("the endpoint's answer (status %d) is not JSON", status)
		}
		return text, false, nil
	case status == http.StatusRequestTimeout, status == http.StatusTooManyRequests, status >= 500:
		again = status == http.StatusBadGateway || status == http.StatusServiceUnavailable || status == http.StatusGatewayTimeout
		why := "its endpoint fails"
		if status == http.StatusTooManyRequests {
			why = "there are too many calls"
		}
		err := remote.Unavailable(e.o.Name, why, fmt.Errorf("the endpoint answers with status %d", status))
		var known *platform.Error
		if after, bad := strconv.Atoi(resp.Header.Get("Retry-After")); bad == nil && after >= 0 && after <= maxRetryAfter && errors.As(err, &known) {
			known.Properties["retryAfter"] = after
		}
		return nil, again, err
	case status >= 400:
		var answer struct {
			Error *struct {
				Name, Message string
				Properties    json.RawMessage
			}
		}
		if json.Unmarshal(text, &answer) == nil && answer.Error != nil && answer.Error.Message != "" {
			return nil, false, remote.Exception(answer.Error.Name, answer.Error.Message, answer.Error.Properties)
		}
		return nil, false, fmt.Errorf("the endpoint answers with status %d and no error object", status)
	}
	return nil, false, fmt.Errorf("the endpoint answers with status %d; redirects are not followed", status)
}
