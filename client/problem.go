package client

import (
	"encoding/json"
	"mime"
	"net/http"
	"strings"
	"time"

	"github.com/bulkhead-run/bulkhead/internal/outcome"
)

const problemBase = "https://bulkhead.run/problems/"

// problem is what is read of an RFC 9457 problem.
type problem struct {
	Type      string            `json:"type"`
	Status    int               `json:"status"`
	Title     string            `json:"title"`
	Detail    string            `json:"detail"`
	Tenant    string            `json:"tenant"`
	Function  string            `json:"function"`
	Problems  []outcome.Problem `json:"problems"`
	Exception *outcome.Thrown   `json:"exception"`
	Remedy    string            `json:"remedy"`
	Result                      // what is known of a failed invocation
}

// failure carries a problem beside the error made from it.
type failure struct {
	err     *outcome.Error
	problem problem
}

func (f *failure) Error() string { return f.err.Error() }
func (f *failure) Unwrap() error { return f.err }

func (c *Client) decodeProblem(resp *http.Response, body []byte) error {
	media, _, err := mime.ParseMediaType(resp.Header.Get("Content-Type"))
	if err != nil || media != "application/problem+json" {
		return c.foreign(resp, err)
	}
	var p problem
	if err := json.Unmarshal(body, &p); err != nil {
		return c.foreign(resp, err)
	}
	return failureOf(p, resp.StatusCode, retryAfter(resp.Header))
}

// failureOf makes an error of a problem.
func failureOf(p problem, status int, retry time.Duration) *failure {
	kind, known := outcome.ParseProblem(strings.TrimPrefix(p.Type, problemBase))
	if !known {
		// A newer supervisor's: the status says roughly what it is.
		kind = outcome.Internal
		if status < 500 {
			kind = outcome.Invalid
		}
	}
	if p.Detail == "" {
		p.Detail = p.Title
	}
	e := &outcome.Error{
		Outcome: kind, Tenant: p.Tenant, Function: p.Function, Detail: p.Detail, Remedy: p.Remedy,
		Problems: p.Problems, Exception: p.Exception, RetryAfter: retry,
	}
	return &failure{err: e, problem: p}
}
