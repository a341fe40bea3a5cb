package gateway_test

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"

	"github.com/bulkhead-run/bulkhead/gateway"
	"github.com/bulkhead-run/bulkhead/internal/outcome"
	"github.com/bulkhead-run/bulkhead/supervisor"
)

const (
	traceID     = "0af7651916cd43dd8448eb211c80319c"
	traceparent = "00-" + traceID + "-b7ad6b7169203331-01"
)

// A request is a part of the trace that it names, and a problem names it back.
func TestRequestTraces(t *testing.T) {
	recorder := tracetest.NewSpanRecorder()
	f := newFake().withFunction()
	var inside trace.SpanContext
	f.invoke = func(ctx context.Context, _ json.RawMessage) (supervisor.Result, error) {
		inside = trace.SpanContextFromContext(ctx)
		return supervisor.Result{}, &outcome.Error{Outcome: outcome.Overloaded}
	}
	h := handler(t, f, gateway.Options{Tracer: sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(recorder)).Tracer("test")})
	for _, path := range []string{"/v1/tenants/t/functions/f/invoke", "/healthz"} {
		method := map[bool]string{true: http.MethodGet, false: http.MethodPost}[path == "/healthz"]
		r := httptest.NewRequest(method, path, strings.NewReader("1"))
		r.Header.Set("Traceparent", traceparent)
		r.Header.Set("Baggage", "secret=1")
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		if path != "/healthz" && !strings.Contains(w.Body.String(), `"trace":"`+traceID+`"`) {
			t.Errorf("the problem: %s", w.Body)
		}
	}
	if len(recorder.Ended()) != 1 {
		t.Fatalf("%d spans; want one, and none of the health check", len(recorder.Ended()))
	}
	span := recorder.Ended()[0]
	attributes := make(map[string]string)
	for _, kv := range span.Attributes() {
		attributes[string(kv.Key)] = kv.Value.String()
	}
	if span.Name() != "POST /v1/tenants/{tenant}/functions/{function}/invoke" || span.SpanKind() != trace.SpanKindServer ||
		span.SpanContext().TraceID().String() != traceID || !span.Parent().IsRemote() || attributes["http.response.status_code"] != "503" {
		t.Errorf("%s %v %v", span.Name(), span.SpanContext(), attributes)
	}
	if inside.SpanID() != span.SpanContext().SpanID() {
		t.Error("the invocation is not in the request's span")
	}
}
