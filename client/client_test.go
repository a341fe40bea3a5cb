package client_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/bulkhead-run/bulkhead/client"
	"github.com/bulkhead-run/bulkhead/gateway"
	"github.com/bulkhead-run/bulkhead/internal/outcome"
	"github.com/bulkhead-run/bulkhead/policies"
	"github.com/bulkhead-run/bulkhead/supervisor"
	"github.com/bulkhead-run/bulkhead/value"
)

// backend answers with what a test put into it and keeps what it was asked.
type backend struct {
	gateway.Backend // what the tests do not call

	tenant   supervisor.Tenant
	function supervisor.Function
	spec     supervisor.FunctionSpec
	event    string
	result   supervisor.Result
	err      error
	exists   bool
}

var errNone = &outcome.Error{Outcome: outcome.NotFound, Detail: "there is none"}

func (b *backend) Limits(string) (supervisor.Limits, error) { return supervisor.Limits{}, nil }

func (b *backend) PutTenant(_ context.Context, t supervisor.Tenant) (supervisor.Tenant, error) {
	b.tenant = t
	return t, b.err
}
func (b *backend) Tenants() []supervisor.Tenant             { return []supervisor.Tenant{b.tenant} }
func (b *backend) Tenant(string) (supervisor.Tenant, error) { return b.tenant, b.err }
func (b *backend) Deploy(_ context.Context, s supervisor.FunctionSpec) (supervisor.Function, error) {
	b.spec = s
	f := b.function
	f.New = !b.exists
	return f, b.err
}
func (b *backend) Function(string, string) (supervisor.Function, error) {
	if !b.exists {
		return b.function, errNone
	}
	return b.function, b.err
}
func (b *backend) Functions(string) ([]supervisor.Function, error) {
	return []supervisor.Function{b.function}, b.err
}
func (b *backend) DeleteFunction(context.Context, string, string) error { return b.err }
func (b *backend) InvokeValue(_ context.Context, _, _ string, event value.Wire) (supervisor.Result, error) {
	b.event = string(event)
	return b.result, b.err
}

func (b *backend) Invoke(_ context.Context, _, _ string, event json.RawMessage) (supervisor.Result, error) {
	b.event = string(event)
	return b.result, b.err
}
func (b *backend) Policies() []supervisor.Policy { return nil }
func (b *backend) Explain(_, _, _ string, _ policies.Attributes) (policies.Explanation, error) {
	return policies.Explanation{}, b.err
}

func (b *backend) FollowAudit(context.Context, supervisor.AuditFilter, func([]byte) error) error {
	return nil
}

func (*backend) Record(context.Context, string, string, *supervisor.RecordSettings) error { return nil }

func (*backend) Recordings(string, string) ([]supervisor.RecordingEntry, error) { return nil, nil }

func (*backend) ReadRecording(tenant, id string) (*supervisor.Recording, error) {
	return &supervisor.Recording{ID: id, Tenant: tenant}, nil
}

func (*backend) DeleteRecording(string, string) error { return nil }

func (*backend) Replay(context.Context, string, string, *supervisor.ReplayCode) (*supervisor.Replayed, error) {
	return &supervisor.Replayed{Recording: &supervisor.Recording{}, Same: true}, nil
}

func (b *backend) ReadUsage(_ context.Context, f supervisor.UsageFilter) ([]supervisor.UsageRow, error) {
	return []supervisor.UsageRow{{Tenant: f.Tenant, From: f.Since, UsageTotals: supervisor.UsageTotals{Outcomes: map[string]uint64{"ok": 2}, CPU: time.Second}}}, b.err
}

func (b *backend) DeleteTenant(context.Context, string) error { return b.err }

func (b *backend) Stats() supervisor.Stats { return supervisor.Stats{} }

func (b *backend) Ready() error { return b.err }

func (b *backend) Layers() []supervisor.Layer { return nil }

func pair(t *testing.T) (*backend, *client.Client) {
	t.Helper()
	b := &backend{}
	s, err := gateway.New(b, gateway.Options{Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	// A path before the API's own, as behind a reverse proxy.
	hs := httptest.NewServer(http.StripPrefix("/bulkhead", s.Handler()))
	t.Cleanup(hs.Close)
	c, err := client.New(hs.URL + "/bulkhead/")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return b, c
}

func must[T any](t *testing.T) func(T, error) T {
	return func(v T, err error) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

func TestRoundTrip(t *testing.T) {
	b, c := pair(t)
	ctx := t.Context()
	when := time.Date(2026, 1, 2, 3, 4, 5, 6, time.UTC)

	tenant := must[client.Tenant](t)(c.PutTenant(ctx, "acme", client.TenantSettings{Policy: "web", Tier: "gold"}))
	if tenant.Name != "acme" || tenant.Policy != "web" || tenant.Tier != "gold" {
		t.Errorf("%+v", tenant)
	}
	b.tenant.Created, b.tenant.Updated = when, when
	want := client.Tenant{Name: "acme", Policy: "web", Tier: "gold", Created: when, Updated: when}
	if got := must[client.Tenant](t)(c.Tenant(ctx, "acme")); got != want {
		t.Errorf("%+v", got)
	}
	if got := must[[]client.Tenant](t)(c.Tenants(ctx)); len(got) != 1 || got[0] != want {
		t.Errorf("%+v", got)
	}

	b.function = supervisor.Function{
		Tenant: "acme", Function: "f", Version: "v7", Memory: 8 << 20, Timeout: 1500 * time.Millisecond, CPU: 75 * time.Millisecond,
		Concurrency: 3, Isolation: supervisor.Warm, Size: 12, Deployed: when,
	}
	code := "() => '<ü\u2028>'"
	f, created, err := c.Deploy(ctx, "acme", "f", code, client.FunctionSettings{Memory: 8 << 20, CPU: 75 * time.Millisecond, Timeout: 1500 * time.Millisecond, Concurrency: 3, Isolation: "warm"})
	if err != nil || !created {
		t.Fatalf("created %v, %v", created, err)
	}
	if s := b.spec; s.Tenant != "acme" || s.Function != "f" || s.Code != code || s.Memory != 8<<20 || s.Timeout != 1500*time.Millisecond || s.CPU != 75*time.Millisecond || s.Concurrency != 3 || s.Isolation != supervisor.Warm {
		t.Errorf("%+v", s)
	}
	wantF := client.Function{
		Tenant: "acme", Function: "f", Version: "v7", Shape: f.Shape, Memory: 8 << 20, Timeout: client.Duration(1500 * time.Millisecond), CPU: client.Duration(75 * time.Millisecond),
		Concurrency: 3, Isolation: "warm", Size: 12, Deployed: when,
	}
	if f != wantF {
		t.Errorf("%+v", f)
	}
	b.exists = true
	if _, created, _ := c.Deploy(ctx, "acme", "f", code, client.FunctionSettings{}); created || b.spec.Memory != 0 {
		t.Errorf("created %v, %+v", created, b.spec)
	}
	sourceMap := `{"version":3,"sources":["<ü>"],"mappings":""}`
	if _, _, err := c.Deploy(ctx, "acme", "f", code, client.FunctionSettings{Memory: 8 << 20, CPU: 75 * time.Millisecond, Timeout: 1500 * time.Millisecond, Concurrency: 3, Isolation: "warm", SourceMap: sourceMap}); err != nil {
		t.Fatal(err)
	}
	if s := b.spec; s.SourceMap != sourceMap || s.Code != code || s.Memory != 8<<20 || s.Timeout != 1500*time.Millisecond || s.CPU != 75*time.Millisecond || s.Concurrency != 3 || s.Isolation != supervisor.Warm {
		t.Errorf("%+v", s)
	}
	if _, _, err := c.Deploy(ctx, "acme", "f", code, client.FunctionSettings{SourceMap: "{"}); outcome.Of(err) != outcome.Invalid {
		t.Errorf("a map that is no JSON: %v", err)
	}
	if got := must[client.Function](t)(c.Function(ctx, "acme", "f")); got != wantF {
		t.Errorf("%+v", got)
	}
	if got := must[[]client.Function](t)(c.Functions(ctx, "acme")); len(got) != 1 || got[0] != wantF {
		t.Errorf("%+v", got)
	}

	b.result = supervisor.Result{
		Receipt: supervisor.Receipt{
			Invocation: "i", Version: "v7", Outcome: outcome.OK, Started: when, Cold: true, ColdCause: "no-process", ColdWait: time.Millisecond, Duration: 2500 * time.Microsecond,
			Queued: 3 * time.Millisecond, Turn: 2 * time.Millisecond, CPU: 4 * time.Millisecond, Memory: 5,
			Calls: []supervisor.CallTotals{{API: "fetch", Count: 6, Failed: 5, Denied: 4, Time: time.Second, Sent: 7, Received: 8}},
		},
		Value: json.RawMessage(`{"a":1}`),
		Logs:  []supervisor.Log{{Time: when, Level: slog.LevelError, Message: "m\x1b[31m"}}, Dropped: 2, PID: 9,
	}
	wantR := client.Result{
		Receipt: client.Receipt{
			Invocation: "i", Version: "v7", Outcome: "ok", Started: when, Start: "cold", ColdCause: "no-process", ColdWaitMS: 1, DurationMS: 2.5,
			QueuedMS: 3, TurnMS: 2, CPUMS: 4, Memory: 5,
			Calls: []client.CallTotals{{API: "fetch", Count: 6, Failed: 5, Denied: 4, TimeMS: 1000, Sent: 7, Received: 8}},
		},
		Value: json.RawMessage(`{"a":1}`),
		Logs:  []client.Log{{Time: when, Level: "error", Message: "m\x1b[31m"}}, DroppedLogs: 2, PID: 9,
	}
	if got := must[client.Result](t)(c.Invoke(ctx, "acme", "f", json.RawMessage(`[1]`))); !reflect.DeepEqual(got, wantR) || b.event != "[1]" {
		t.Errorf("%+v, event %s", got, b.event)
	}
	must[client.Result](t)(c.Invoke(ctx, "acme", "f", nil))
	if b.event != "null" {
		t.Errorf("no event came as %s", b.event)
	}
	rows := must[[]client.UsageRow](t)(c.Usage(ctx, client.UsageFilter{Tenant: "acme", Since: "2026-01-02", By: "day"}))
	if day := time.Date(2026, 1, 2, 0, 0, 0, 0, time.UTC); len(rows) != 1 || rows[0].Tenant != "acme" || !rows[0].From.Equal(day) || rows[0].Invocations != 2 || rows[0].CPUMS != 1000 {
		t.Errorf("%+v", rows)
	}
	if err := c.DeleteFunction(ctx, "acme", "f"); err != nil {
		t.Error(err)
	}
	if err := c.Ready(ctx); err != nil {
		t.Error(err)
	}
}

func TestEveryOutcomeComesBack(t *testing.T) {
	b, c := pair(t)
	for _, o := range outcome.All() {
		if o == outcome.OK {
			continue
		}
		b.exists = true
		b.result = supervisor.Result{Receipt: supervisor.Receipt{Invocation: "i"}, PID: 3, Logs: []supervisor.Log{{Message: "before the end"}}}
		sent := &outcome.Error{
			Outcome: o, Tenant: "t", Function: "f", Detail: "detail", Remedy: "remedy",
			Problems:  []outcome.Problem{{Field: "code", Reason: "bad", Line: 1, Column: 2}},
			Exception: &outcome.Thrown{Name: "E", Message: "m", Stack: "s", Cause: &outcome.Thrown{Name: "C"}},
		}
		if o == outcome.Overloaded {
			sent.RetryAfter = 3 * time.Second
		}
		b.err = sent
		r, err := c.Invoke(t.Context(), "t", "f", nil)
		var got *outcome.Error
		if !errors.As(err, &got) || !reflect.DeepEqual(got, sent) {
			t.Errorf("%s: %+v", o, got)
		}
		if r.Invocation != "i" || r.PID != 3 || len(r.Logs) != 1 || r.Logs[0].Message != "before the end" {
			t.Errorf("%s: what is known: %+v", o, r)
		}
		if err := c.DeleteFunction(t.Context(), "t", "f"); outcome.Of(err) != o {
			t.Errorf("%s: delete: %v", o, err)
		}
	}
}

func TestNamesAreEscaped(t *testing.T) {
	b, c := pair(t)
	for _, name := range []string{"a/b", "a?b", "a%2Fb", "a#b", "ü b"} {
		if tenant, err := c.PutTenant(t.Context(), name, client.TenantSettings{}); err != nil || tenant.Name != name || b.tenant.Name != name {
			t.Errorf("%q came as %q: %v", name, b.tenant.Name, err)
		}
	}
	for _, name := range []string{"", ".", ".."} {
		if _, err := c.PutTenant(t.Context(), name, client.TenantSettings{}); outcome.Of(err) != outcome.Invalid {
			t.Errorf("%q: %v", name, err)
		}
	}
}

func TestNoSupervisor(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := ln.Addr().String()
	ln.Close()
	c, err := client.New("http://" + addr)
	if err != nil {
		t.Fatal(err)
	}
	err = c.Ready(t.Context())
	if outcome.Of(err) != outcome.Internal || !strings.Contains(err.Error(), addr) || !strings.Contains(err.Error(), "supervisor serve") {
		t.Errorf("%v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := c.Ready(ctx); outcome.Of(err) != outcome.Canceled || !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
	for _, url := range []string{"", "127.0.0.1:8420", "ftp://x", "http://", "http://x?y", "http://x#y", ":"} {
		if _, err := client.New(url); outcome.Of(err) != outcome.Invalid {
			t.Errorf("%q: %v", url, err)
		}
	}
}

func TestNotASupervisor(t *testing.T) {
	answer := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "<html>", http.StatusBadGateway) })
	hs := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { answer(w, r) }))
	defer hs.Close()
	c, _ := client.New(hs.URL)
	defer c.Close()
	for name, h := range map[string]http.HandlerFunc{
		"text":            func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "<html>", http.StatusBadGateway) },
		"200 but no JSON": func(w http.ResponseWriter, _ *http.Request) { w.Write([]byte("<html>")) },
		"problem, no JSON": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/problem+json")
			w.WriteHeader(http.StatusInternalServerError)
		},
	} {
		answer = h
		if _, err := c.Tenants(t.Context()); outcome.Of(err) != outcome.Internal || !strings.Contains(err.Error(), "not as a supervisor does") {
			t.Errorf("%s: %v", name, err)
		}
	}
	answer = func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/problem+json")
		w.WriteHeader(http.StatusTooManyRequests)
		w.Write([]byte(`{"type":"https://bulkhead.run/problems/of-tomorrow","title":"New"}`))
	}
	if _, err := c.Tenants(t.Context()); outcome.Of(err) != outcome.Invalid || !strings.Contains(err.Error(), "New") {
		t.Errorf("an unknown kind: %v", err)
	}
}

// The token goes with every request, and a unix socket's path may be longer
// than its address can be.
func TestTokenOverALongSocket(t *testing.T) {
	dir := filepath.Join(t.TempDir(), strings.Repeat("long", 30))
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	at, err := os.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer at.Close()
	ln, err := net.Listen("unix", fmt.Sprintf("/proc/self/fd/%d/s", at.Fd()))
	if err != nil {
		t.Fatal(err)
	}
	hs := &httptest.Server{Listener: ln, Config: &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, `{"tenants":[{"name":%q}]}`, r.Header.Get("Authorization"))
	})}}
	hs.Start()
	defer hs.Close()
	for _, address := range []string{"unix:" + dir + "/s", "unix://" + dir + "/s"} {
		c, err := client.New(address, client.WithToken("bhk_x"))
		if err != nil {
			t.Fatal(err)
		}
		list, err := c.Tenants(t.Context())
		if err != nil || len(list) != 1 || list[0].Name != "Bearer bhk_x" {
			t.Errorf("%s: %v, %v", address, list, err)
		}
		c.Close()
	}
	if _, err := client.New("http://localhost", client.WithToken("a\nb")); outcome.Of(err) != outcome.Invalid {
		t.Errorf("a token of two lines: %v", err)
	}
}

func (b *backend) Logs(_ context.Context, f supervisor.LogFilter, begun func(), line func([]byte) error) error {
	begun()
	text, err := json.Marshal(client.LogLine{Tenant: f.Tenant, Function: f.Function, Level: f.Level.String(), Message: fmt.Sprint(f.Tail, f.Grep, f.Follow)})
	if err != nil {
		return err
	}
	return line(append(text, '\n'))
}

func (b *backend) Activity() supervisor.Activity {
	return supervisor.Activity{Window: time.Second, Tenants: []supervisor.TenantActivity{{Tenant: "a", Resident: 5}, {Tenant: "b", Resident: 6}}}
}

func (b *backend) Sandboxes(context.Context) []supervisor.Sandbox {
	return []supervisor.Sandbox{{PID: 7, State: "spare", Resident: 8}}
}
