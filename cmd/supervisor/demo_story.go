package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/bulkhead-run/bulkhead/client"
	"github.com/bulkhead-run/bulkhead/examples"
	"github.com/bulkhead-run/bulkhead/internal/outcome"
)

// story is what the demo shows, with an expectation for everything it says.
type story struct {
	t            *terminal
	stage        *stage
	expectations int
	surprises    []outcome.Problem
	steps        []string
	invocations  atomic.Int64
}

// say prints a line; with --json it is kept for the document.
func (s *story) say(format string, args ...any) {
	line := fmt.Sprintf(format, args...)
	if line != "" {
		s.steps = append(s.steps, line)
	}
	if !s.t.json {
		s.t.printf("%s", clean(s.t.outTTY, line))
	}
}

// expect notes whether what was shown is what had to be shown.
func (s *story) expect(holds bool, what, got string, args ...any) {
	s.expectations++
	if !holds {
		s.surprises = append(s.surprises, outcome.Problem{Field: what, Reason: fmt.Sprintf(got, args...)})
	}
}

func (s *story) run(ctx context.Context) {
	if !s.tenant(ctx, "tenant-a", "demo-webhooks") || !s.tenant(ctx, "tenant-b", "demo-database") {
		return
	}
	deployed := s.deploy(ctx, "tenant-a", "process-webhook", client.FunctionSettings{}) &&
		s.deploy(ctx, "tenant-b", "user-lookup", client.FunctionSettings{})
	if !deployed {
		return
	}
	s.say("")
	first := s.invoke(ctx, "tenant-a", "process-webhook", map[string]any{"url": s.stage.webURL + "/orders/1"},
		"cold", `{"data":"order 1 is paid","status":200}`)
	second := s.invoke(ctx, "tenant-a", "process-webhook", map[string]any{"url": s.stage.webURL + "/orders/2"},
		"warm", `{"data":"order 2 is paid","status":200}`)
	other := s.invoke(ctx, "tenant-b", "user-lookup", map[string]any{"userId": 1},
		"cold", `[{"id":1,"name":"Alice"}]`)
	s.expect(first.PID == second.PID, "reuse", "the second call ran in process %d, the first in %d", second.PID, first.PID)
	s.expect(first.PID != other.PID, "isolation", "both tenants ran in process %d", first.PID)
	s.isolation(ctx)
}

func (s *story) tenant(ctx context.Context, name, policy string) bool {
	_, err := s.stage.api.PutTenant(ctx, name, client.TenantSettings{Policy: policy})
	s.expect(err == nil, "tenant "+name, "%v", err)
	return err == nil
}

func (s *story) deploy(ctx context.Context, tenant, function string, settings client.FunctionSettings) bool {
	code, err := examples.Files.ReadFile(function + ".js")
	if err == nil {
		_, _, err = s.stage.api.Deploy(ctx, tenant, function, string(code), settings)
	}
	s.expect(err == nil, "deploy "+function, "%v", err)
	if err == nil {
		s.say("✓ Deployed %s:%s", tenant, function)
	}
	return err == nil
}

func (s *story) call(ctx context.Context, tenant, function string, event any) (client.Result, error) {
	data, err := json.Marshal(event)
	if err != nil {
		return client.Result{}, err
	}
	s.invocations.Add(1)
	return s.stage.api.Invoke(ctx, tenant, function, data)
}

// invoke shows one invocation that must succeed.
func (s *story) invoke(ctx context.Context, tenant, function string, event any, start, want string) client.Result {
	r, err := s.call(ctx, tenant, function, event)
	headline := "-> Reusing"
	if r.Start == "cold" {
		headline = ">> Cold start"
	}
	s.say("%s: %s:%s (pid %d, %.1f ms)", headline, tenant, function, r.PID, r.DurationMS)
	for _, l := range r.Logs {
		s.say("  [LOG] %s", l.Message)
	}
	if err == nil {
		s.say("  Result: %s", r.Value)
	} else {
		s.say("  Error: %v", err)
	}
	s.expect(err == nil && bytes.Equal(r.Value, []byte(want)), function, "returned %s (%v), not %s", r.Value, err, want)
	s.expect(r.Start == start, function, "was a %s start, not a %s one", r.Start, start)
	s.expect(len(r.Logs) == 1, function, "logged %d lines, not 1", len(r.Logs))
	return r
}

// isolation lets one tenant misbehave in every way while the other's calls go
// on.
func (s *story) isolation(ctx context.Context) {
	s.say("")
	limit := 300 * time.Millisecond
	deployed := s.deploy(ctx, "tenant-a", "endless-loop", client.FunctionSettings{Timeout: limit}) &&
		s.deploy(ctx, "tenant-a", "memory-hog", client.FunctionSettings{}) &&
		s.deploy(ctx, "tenant-a", "outsider", client.FunctionSettings{})
	if !deployed {
		return
	}
	s.say("")
	s.say("== tenant-a misbehaves, while tenant-b's calls go on ==")
	steady := s.keepCalling(ctx, "tenant-b", "user-lookup", map[string]any{"userId": 1})

	r, err := s.call(ctx, "tenant-a", "endless-loop", nil)
	s.refused("endless-loop", err, outcome.Deadline, "Endless loop ended at its deadline", fmt.Sprintf("after %.1f ms of %v", r.DurationMS, limit))
	r, err = s.call(ctx, "tenant-a", "memory-hog", nil)
	s.refused("memory-hog", err, outcome.Memory, "Memory hog ended at its cap", fmt.Sprintf("of 5MiB, after %.1f ms", r.DurationMS))
	_, err = s.call(ctx, "tenant-a", "outsider", nil)
	var e *outcome.Error
	reason := ""
	if errors.As(err, &e) && e.Exception != nil {
		reason = e.Exception.Message
	}
	s.refused("outsider", err, outcome.Policy, "Denied API refused", reason)
	s.expect(strings.Contains(reason, "db_query"), "outsider", "the refusal does not name the API: %q", reason)

	calls, failures := steady()
	s.expect(len(calls) > 0 && failures == 0, "tenant-b", "%d calls were answered, %d failed", len(calls), failures)
	if len(calls) > 0 {
		s.say("  ✓ tenant-b kept answering: %d calls meanwhile, p50 %.1f ms, p99 %.1f ms, %d failed",
			len(calls), milliseconds(calls[len(calls)/2]), milliseconds(calls[len(calls)*99/100]), failures)
	}
	again, err := s.call(ctx, "tenant-a", "process-webhook", map[string]any{"url": s.stage.webURL + "/orders/3"})
	s.expect(err == nil, "tenant-a", "does not work any more: %v", err)
	if err == nil {
		s.say("  ✓ tenant-a's own function still works: %s", again.Value)
	}
}

// refused shows an invocation that must end with the given outcome.
func (s *story) refused(function string, err error, want outcome.Outcome, title, detail string) {
	s.expect(outcome.Of(err) == want, function, "ended with %q (%v), not %q", outcome.Of(err), err, want)
	mark := "✓"
	if outcome.Of(err) != want {
		mark = "✗"
	}
	s.say("  %s %s: tenant-a:%s, %s", mark, title, function, detail)
}

// keepCalling calls a function over and over until the returned function is
// called, which tells how long each call took, in order, and how many failed.
func (s *story) keepCalling(ctx context.Context, tenant, function string, event any) func() ([]time.Duration, int) {
	done := make(chan struct{})
	ended := make(chan struct{})
	var took []time.Duration
	failures := 0
	go func() {
		defer close(ended)
		for {
			select {
			case <-done:
				return
			case <-ctx.Done():
				return
			default:
			}
			begin := time.Now()
			if _, err := s.call(ctx, tenant, function, event); err != nil {
				failures++
				continue
			}
			took = append(took, time.Since(begin))
		}
	}()
	return func() ([]time.Duration, int) {
		close(done)
		<-ended
		slices.Sort(took)
		return took, failures
	}
}

func milliseconds(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
