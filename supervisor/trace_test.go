package supervisor_test

import (
	"bytes"
	"context"
	"encoding/json"
	"log/slog"
	"strings"
	"sync"
	"testing"

	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"

	"github.com/bulkhead-run/bulkhead/platform"
	"github.com/bulkhead-run/bulkhead/policies"
	"github.com/bulkhead-run/bulkhead/supervisor"
)

// lockedBuffer is a log that many write to.
type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// A trace has the invocation, what it waited for, and its host calls; its id is
// in the log, in the audit log and in the result.
func TestTrace(t *testing.T) {
	recorder := tracetest.NewSpanRecorder()
	provider := sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(recorder))
	log := &lockedBuffer{}
	data := t.TempDir()
	var inside trace.SpanContext
	s := open(t, func(o *supervisor.Options) {
		o.DataDir = data
		o.Tracer = provider.Tracer("test")
		o.Logger = slog.New(slog.NewTextHandler(log, nil))
		o.APIs = []platform.API{{
			Name: "fetch",
			Attributes: func(args []json.RawMessage) (policies.Attributes, error) {
				return policies.Attributes{Host: strings.Repeat("h", 5000)}, nil
			},
			Func: func(ctx context.Context, call *platform.Call) (any, error) {
				inside = trace.SpanContextFromContext(ctx)
				return nil, nil
			},
		}, refusing("broken", platform.Errorf("NetworkError", "no"))}
	})
	deploy(t, s, "acme", "f", "log info hello\ncall fetch []\ncall broken []\nreturn 1")
	parent := trace.NewSpanContext(trace.SpanContextConfig{TraceID: trace.TraceID{7}, SpanID: trace.SpanID{8}, TraceFlags: trace.FlagsSampled, Remote: true})
	r, err := s.Invoke(trace.ContextWithRemoteSpanContext(t.Context(), parent), "acme", "f", nil)
	if err != nil {
		t.Fatal(err)
	}
	id := parent.TraceID().String()
	if r.Trace != id || !strings.Contains(log.String(), "trace="+id) {
		t.Errorf("the result's trace is %q, the log's:\n%s", r.Trace, log)
	}
	spans := make(map[string]sdktrace.ReadOnlySpan)
	eventually(t, "the spans have ended", func() bool {
		for _, span := range recorder.Ended() {
			spans[span.Name()] = span
		}
		return len(spans) >= 6
	})
	parents := map[string]trace.SpanID{"invocation": parent.SpanID()}
	for _, name := range []string{"process", "load", "run"} {
		parents[name] = spans["invocation"].SpanContext().SpanID()
	}
	for _, name := range []string{"fetch", "broken"} {
		parents[name] = spans["run"].SpanContext().SpanID()
	}
	for name, want := range parents {
		span := spans[name]
		if span == nil || span.Parent().SpanID() != want || span.SpanContext().TraceID() != parent.TraceID() {
			t.Errorf("span %s: %v", name, span)
		}
	}
	attributes := func(name string) map[string]string {
		all := make(map[string]string)
		for _, kv := range spans[name].Attributes() {
			all[string(kv.Key)] = kv.Value.String()
		}
		return all
	}
	if a := attributes("invocation"); a["bulkhead.tenant"] != "acme" || a["faas.invocation_id"] != r.Invocation || a["faas.coldstart"] != "true" || a["bulkhead.outcome"] != "ok" || a["bulkhead.host_calls"] != "2" {
		t.Errorf("invocation: %v", a)
	}
	if a := attributes("fetch"); a["bulkhead.action"] != "allow" || a["bulkhead.policy"] != "open" || len(a["server.address"]) > 1024 || a["server.address"] == "" {
		t.Errorf("fetch: %v", a)
	}
	if a := attributes("broken"); a["error.type"] != "NetworkError" {
		t.Errorf("broken: %v", a)
	}
	if inside.SpanID() != spans["fetch"].SpanContext().SpanID() {
		t.Error("an API's context is not in its call's span")
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	for _, e := range entries(t, data) {
		if e.Trace != id {
			t.Errorf("an entry of the audit log names trace %q", e.Trace)
		}
	}
}

// An invocation's host calls cannot make any number of spans.
func TestTraceIsBounded(t *testing.T) {
	recorder := tracetest.NewSpanRecorder()
	s := open(t, func(o *supervisor.Options) {
		o.Tracer = sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(recorder)).Tracer("test")
		o.APIs = []platform.API{refusing("broken", platform.Errorf("NetworkError", "no"))}
	})
	deploy(t, s, "acme", "f", "calls 50 broken []\n"+strings.Repeat("calls 50 broken []\n", 13)+"return 1")
	if _, err := s.Invoke(t.Context(), "acme", "f", nil); err != nil {
		t.Fatal(err)
	}
	calls := 0
	for _, span := range recorder.Ended() {
		if span.Name() == "broken" {
			calls++
		}
	}
	if calls != 500 {
		t.Errorf("700 host calls have %d spans; want 500", calls)
	}
}

// refusing is an API whose calls all fail.
func refusing(name string, err error) platform.API {
	return platform.API{Name: name, Func: func(context.Context, *platform.Call) (any, error) { return nil, err }}
}
