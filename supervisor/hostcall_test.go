package supervisor_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/bulkhead-run/bulkhead/internal/outcome"
	"github.com/bulkhead-run/bulkhead/ipc"
	"github.com/bulkhead-run/bulkhead/platform"
	"github.com/bulkhead-run/bulkhead/policies"
	"github.com/bulkhead-run/bulkhead/supervisor"
)

func TestHostCall(t *testing.T) {
	answer := func(v any, err error) func(context.Context, *platform.Call) (any, error) {
		return func(context.Context, *platform.Call) (any, error) { return v, err }
	}
	fail := func(args []json.RawMessage) (policies.Attributes, error) {
		return policies.Attributes{}, errors.New("a URL is needed")
	}
	var text safeBuffer
	s := open(t, func(o *supervisor.Options) {
		o.APIs = []platform.API{
			{Name: "nothing", Func: answer(nil, nil)},
			{Name: "raw", Func: answer(json.RawMessage(`{"a":[1]}`), nil)},
			{Name: "named", Func: answer(nil, &platform.Error{Name: "NetworkError", Message: "no route", Properties: map[string]any{"code": 7}})},
			{Name: "secret", Func: answer(nil, errors.New("password is 1234"))},
			{Name: "panics", Func: func(context.Context, *platform.Call) (any, error) { panic("password is 1234") }},
			{Name: "large", Func: answer(strings.Repeat("a", ipc.MaxHostValue), nil)},
			{Name: "unencodable", Func: answer(func() {}, nil)},
			{Name: "attributes", Attributes: fail, Func: answer(1, nil)},
			{Name: "says", Func: func(_ context.Context, c *platform.Call) (any, error) {
				c.Emit(slog.LevelError, "line\xff")
				return []string{c.Tenant, c.Function, c.Verdict.Rule}, nil
			}},
			{Name: "recheck", Func: func(_ context.Context, c *platform.Call) (any, error) {
				_, err := c.Check(policies.Attributes{Host: "other.example"})
				return "not reached", err
			}, Attributes: func([]json.RawMessage) (policies.Attributes, error) {
				return policies.Attributes{Host: "good.example"}, nil
			}},
		}
		o.Policies = append(o.Policies, policy(t, "hosts", "default: deny\nrules:\n  - api: recheck\n    action: allow\n    when:\n      host: [good.example]"))
		o.Logger = slog.New(slog.NewTextHandler(&text, &slog.HandlerOptions{Level: slog.LevelWarn}))
	})
	deploy(t, s, "acme", "seed", "return 1")
	for _, tt := range []struct{ call, want string }{
		{`nothing []`, ``},
		{`raw []`, `{"a":[1]}`},
		{`named []`, `NetworkError: no route {"code":7}`},
		{`secret []`, `Error: secret failed: internal error `},
		{`panics []`, `Error: panics failed: internal error `},
		{`large []`, fmt.Sprintf("RangeError: the result of large is over %d bytes ", ipc.MaxHostValue)},
		{`unencodable []`, `Error: unencodable failed: internal error `},
		{`attributes []`, `TypeError: a URL is needed `},
		{`says []`, `["acme","f","default"]`},
		{`says bytes:1048576`, `RangeError: the arguments of says are over 1048576 bytes `},
	} {
		deploy(t, s, "acme", "f", "call "+tt.call+"\nanswer")
		r, err := s.Invoke(t.Context(), "acme", "f", nil)
		if err != nil {
			t.Fatalf("%s: %v", tt.call, err)
		}
		var got string
		if err := json.Unmarshal(r.Value, &got); err != nil || got != tt.want {
			t.Errorf("%s: answered %q (%v), want %q", tt.call, got, err, tt.want)
		}
		if tt.call == "says []" && (len(r.Logs) != 1 || r.Logs[0].Message != "line?" || r.Logs[0].Level != slog.LevelError) {
			t.Errorf("logs %v", r.Logs)
		}
	}

	deploy(t, s, "strict", "f", "call recheck []\nanswer")
	for policy, want := range map[string]string{
		"compute": `PermissionError: recheck is denied by policy "compute" (default) {"api":"recheck","policy":"compute"}`,
		"hosts":   `PermissionError: recheck is denied by policy "hosts" (default) {"api":"recheck","policy":"hosts"}`,
	} {
		if _, err := s.PutTenant(t.Context(), supervisor.Tenant{Name: "strict", Policy: policy}); err != nil {
			t.Fatal(err)
		}
		r, err := s.Invoke(t.Context(), "strict", "f", nil)
		var got string
		if err != nil || json.Unmarshal(r.Value, &got) != nil || got != want {
			t.Errorf("policy %s: %q, %v; want %q", policy, got, err, want)
		}
	}
	if n := s.Stats(); n.Verdicts[supervisor.Decided{API: "recheck", Action: "deny"}] != 2 || n.Ended["violation"] != 0 {
		t.Errorf("stats %+v", n)
	}
	if text.String() != "" {
		t.Errorf("log lines above info:\n%s", text.String())
	}
}

// What an API answers at once is judged, counted and bounded as what its Func
// answers; what it does not goes to Func, judged once.
func TestAnswersAtOnce(t *testing.T) {
	var funcs atomic.Int64
	api := func(name string, checks bool, atOnce func(*platform.Call) (any, bool)) platform.API {
		return platform.API{Name: name, ChecksItself: checks, AtOnce: atOnce, Func: func(context.Context, *platform.Call) (any, error) {
			funcs.Add(1)
			return "later", nil
		}}
	}
	s := open(t, func(o *supervisor.Options) {
		o.APIs = []platform.API{
			api("knows", false, func(c *platform.Call) (any, bool) { return "at once, by " + c.Verdict.Rule, true }),
			api("lacks", false, func(*platform.Call) (any, bool) { return nil, true }),
			api("asks", false, func(*platform.Call) (any, bool) { return "dropped", false }),
			api("panics", false, func(*platform.Call) (any, bool) { panic("password is 1234") }),
			api("large", false, func(*platform.Call) (any, bool) { return strings.Repeat("a", ipc.MaxHostValue), true }),
			api("forgets", true, func(*platform.Call) (any, bool) { return "done", true }),
			api("denied", false, func(*platform.Call) (any, bool) { return "done", true }),
		}
		o.Policies = append(o.Policies, policy(t, "once", `rules:
  - {api: [knows, asks], action: allow, quota: {calls_per_invocation: 2}}
  - {api: [lacks, panics, large], action: allow}
  - {api: forgets, action: allow, when: {statement: [select]}}
  - {api: denied, action: allow, when: {host: [good.example]}}`))
	})
	if _, err := s.PutTenant(t.Context(), supervisor.Tenant{Name: "acme", Policy: "once"}); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		code, want            string
		count, failed, denied int
	}{
		{"call knows []\nanswer", `"at once, by rules[0]"`, 1, 0, 0},
		{"call knows []\ncall knows []\ncall knows []\nanswer", "QuotaExceededError: knows is over", 3, 1, 0},
		{"call lacks []\nanswer", ``, 1, 0, 0},
		{"call asks []\ncall asks []\nanswer", `"later"`, 2, 0, 0},
		{"call panics []\nanswer", `Error: panics failed: internal error `, 1, 1, 0},
		{"call large []\nanswer", "RangeError: the result of large is over", 1, 1, 0},
		{"call forgets []\nanswer", `Error: forgets failed: internal error `, 1, 1, 0},
		{"call denied []\nanswer", `PermissionError: denied is denied by policy "once"`, 1, 1, 1},
	} {
		before := funcs.Load()
		if _, err := s.Deploy(t.Context(), supervisor.FunctionSpec{Tenant: "acme", Function: "f", Code: tt.code}); err != nil {
			t.Fatal(err)
		}
		r, err := s.Invoke(t.Context(), "acme", "f", nil)
		var got string
		if err != nil || json.Unmarshal(r.Value, &got) != nil || !strings.HasPrefix(got, tt.want) || got == "" != (tt.want == "") {
			t.Errorf("%q: answered %q (%v), want %q", tt.code, got, err, tt.want)
		}
		if c := r.HostCalls(); c.Count != tt.count || c.Failed != tt.failed || c.Denied != tt.denied {
			t.Errorf("%q: counted %+v", tt.code, c)
		}
		if later := strings.HasPrefix(tt.code, "call asks"); later != (funcs.Load() > before) {
			t.Errorf("%q: Func ran %d times", tt.code, funcs.Load()-before)
		}
	}
	if n := s.Stats(); n.Ended["violation"] != 0 || n.Verdicts[supervisor.Decided{API: "asks", Action: "allow"}] != 2 {
		t.Errorf("stats %+v", n)
	}
}

func TestHostCallsAreBounded(t *testing.T) {
	var running, most atomic.Int64
	slow := platform.API{Name: "slow", Func: func(ctx context.Context, _ *platform.Call) (any, error) {
		n := running.Add(1)
		defer running.Add(-1)
		for old := most.Load(); n > old && !most.CompareAndSwap(old, n); old = most.Load() {
		}
		select {
		case <-time.After(time.Millisecond):
		case <-ctx.Done():
		}
		return 1, nil
	}}
	s := open(t, apis(slow, upper()))
	deploy(t, s, "acme", "many", "calls 1000 slow []\nreturn 1", timeout(30*time.Second))
	r, err := s.Invoke(t.Context(), "acme", "many", nil)
	wantValue(t, r, err, "1")
	if n := most.Load(); n > 64 || n < 2 {
		t.Errorf("%d host calls ran at once", n)
	}
	deploy(t, s, "acme", "endless", "calls 500 upper [\"a\"]\n"+strings.Repeat("calls 500 upper [\"a\"]\n", 19)+"call upper [\"a\"]\nanswer", timeout(30*time.Second))
	r, err = s.Invoke(t.Context(), "acme", "endless", nil)
	wantValue(t, r, err, `"LimitError: an invocation can make at most 10000 host calls "`)
}

// When an invocation ends, what it still waits for ends with it, before its
// slot is used again; the caller does not wait for that.
func TestHostCallsEndWithTheirInvocation(t *testing.T) {
	entered, left, hold := make(chan struct{}), make(chan struct{}), make(chan struct{})
	stubborn := platform.API{Name: "stubborn", Func: func(ctx context.Context, _ *platform.Call) (any, error) {
		close(entered)
		<-ctx.Done()
		close(left)
		<-hold
		return nil, ctx.Err()
	}}
	s := open(t, apis(stubborn))
	deploy(t, s, "acme", "leave", "once call-only stubborn []\nreturn 1", timeout(30*time.Second))
	r, err := s.Invoke(t.Context(), "acme", "leave", nil)
	wantValue(t, r, err, "1")
	<-entered
	<-left
	r, err = s.Invoke(t.Context(), "acme", "leave", nil) // on another slot
	wantValue(t, r, err, "1")
	close(hold)
}

func TestLogIsBounded(t *testing.T) {
	s := open(t, nil)
	deploy(t, s, "acme", "lines", "flood 1000\ndropped 500", timeout(30*time.Second))
	r, err := s.Invoke(t.Context(), "acme", "lines", nil)
	wantValue(t, r, err, "1")
	if len(r.Logs) != 1000 || r.Dropped != 500 {
		t.Errorf("%d lines, %d dropped", len(r.Logs), r.Dropped)
	}
	deploy(t, s, "acme", "bytes", strings.Repeat("log info "+strings.Repeat("x", 20<<10)+"\n", 16)+"dropped 4", timeout(30*time.Second))
	r, err = s.Invoke(t.Context(), "acme", "bytes", nil)
	wantValue(t, r, err, "1")
	if len(r.Logs) != 16 || r.Dropped != 4 || len(r.Logs[0].Message) != ipc.MaxLogMessage {
		t.Errorf("%d lines, %d dropped", len(r.Logs), r.Dropped)
	}
}

func TestEvent(t *testing.T) {
	s := open(t, nil)
	deploy(t, s, "acme", "echo", "event")
	for _, tt := range []struct {
		event string
		want  outcome.Outcome
	}{
		{``, outcome.OK},
		{`{"a": [1, "\ud800"]}`, outcome.OK},
		{`"` + strings.Repeat("a", ipc.MaxEvent-2) + `"`, outcome.OK},
		{`"` + strings.Repeat("a", ipc.MaxEvent) + `"`, outcome.TooLarge},
		{`{a: 1}`, outcome.Invalid},
		{"\"\xff\"", outcome.Invalid},
		{`1 2`, outcome.Invalid},
		{strings.Repeat("[", 100_000), outcome.Invalid},
	} {
		r, err := s.Invoke(t.Context(), "acme", "echo", json.RawMessage(tt.event))
		if got := outcome.Of(err); got != tt.want {
			t.Errorf("event %.20q: %v (%v), want %v", tt.event, got, err, tt.want)
		}
		if want := tt.event; tt.want == outcome.OK && want != "" && string(r.Value) != want {
			t.Errorf("event %.20q came back as %.20q", tt.event, r.Value)
		}
	}
}

func TestNotFound(t *testing.T) {
	s := open(t, nil)
	deploy(t, s, "acme", "fine", "return 1")
	for _, name := range []struct{ tenant, function string }{
		{"nobody", "fine"}, {"acme", "none"}, {"../acme", "fine"}, {"ACME", "fine"}, {strings.Repeat("a", 300), "fine"}, {"", ""}, {"acme", "fine\x00"},
	} {
		_, err := s.Invoke(t.Context(), name.tenant, name.function, nil)
		wantOutcome(t, err, outcome.NotFound)
		if _, err := s.Function(name.tenant, name.function); outcome.Of(err) != outcome.NotFound {
			t.Errorf("%v: %v", name, err)
		}
	}
}
