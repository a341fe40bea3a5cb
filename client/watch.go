package client

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
)

// Happening is what happens in an invocation that is watched: one member is
// set.
type Happening struct {
	Log *Log `json:"log,omitempty"`
	// Verdict is a decision about a host call with what came of it, as
	// FollowAudit tells it.
	Verdict json.RawMessage `json:"verdict,omitempty"`
	// Lost is how many happenings were missed, because they were read too slowly.
	Lost uint64 `json:"lost,omitempty"`
}

// InvokeWatched is Invoke, and calls happen with what happens in the invocation
// while it happens. The result has no logs: they have been told. When happen
// returns an error the invocation is ended, and that error is returned.
//
// It takes the scope tenant-deploy, since it shows what the audit log has.
func (c *Client) InvokeWatched(ctx context.Context, tenant, function string, event json.RawMessage, happen func(Happening) error) (Result, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	resp, err := c.send(ctx, request{
		method: http.MethodPost, path: append(functionPath(tenant, function), "watch"), media: "application/json", body: event,
	})
	if err != nil {
		return Result{}, err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		body, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
		if err != nil {
			return Result{}, c.unreachable(ctx, err)
		}
		return knownOf(c.decodeProblem(resp, body))
	}
	lines := bufio.NewScanner(resp.Body)
	lines.Buffer(nil, maxAnswer)
	for lines.Scan() {
		var line struct {
			Happening
			Result  *Result  `json:"result"`
			Problem *problem `json:"problem"`
		}
		if err := json.Unmarshal(lines.Bytes(), &line); err != nil {
			return Result{}, c.foreign(resp, fmt.Errorf("a line of its answer: %w", err))
		}
		switch {
		case line.Problem != nil:
			return knownOf(failureOf(*line.Problem, line.Problem.Status, 0))
		case line.Result != nil:
			line.Result.Logs = []Log{}
			return *line.Result, nil
		}
		if err := happen(line.Happening); err != nil {
			return Result{}, err
		}
	}
	return Result{}, c.unreachable(ctx, errors.Join(lines.Err(), errEnded))
}

// knownOf takes apart an error that may carry what is known of an invocation.
func knownOf(err error) (Result, error) {
	var f *failure
	if errors.As(err, &f) {
		return f.problem.Result, f.err
	}
	return Result{}, err
}
