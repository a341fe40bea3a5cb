package tracing_test

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"
	collector "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	"google.golang.org/protobuf/proto"

	"github.com/bulkhead-run/bulkhead/internal/tracing"
)

// noEnvironment takes away what the machine's own environment says.
func noEnvironment(t *testing.T) {
	for _, name := range []string{"OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_SDK_DISABLED", "OTEL_TRACES_EXPORTER", "OTEL_TRACES_SAMPLER", "OTEL_SERVICE_NAME", "OTEL_RESOURCE_ATTRIBUTES"} {
		t.Setenv(name, "")
	}
}

// receiver takes spans as an OTLP collector does.
func receiver(t *testing.T) (string, <-chan *collector.ExportTraceServiceRequest) {
	t.Helper()
	got := make(chan *collector.ExportTraceServiceRequest, 16)
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		var request collector.ExportTraceServiceRequest
		if err != nil || r.URL.Path != "/v1/traces" || proto.Unmarshal(body, &request) != nil {
			t.Errorf("%s: %q, %v", r.URL, body, err)
		}
		got <- &request
		w.Header().Set("Content-Type", "application/x-protobuf")
	}))
	t.Cleanup(s.Close)
	return s.URL, got
}

func options(endpoint string) tracing.Options {
	return tracing.Options{Endpoint: endpoint, Version: "v9", Logger: slog.New(slog.DiscardHandler)}
}

func TestSpansReachAReceiver(t *testing.T) {
	for _, from := range []string{"configuration", "environment"} {
		t.Run(from, func(t *testing.T) {
			noEnvironment(t)
			url, got := receiver(t)
			o := options(url)
			if from == "environment" {
				o.Endpoint = ""
				t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", url)
				t.Setenv("OTEL_SERVICE_NAME", "mine")
			}
			tr, err := tracing.Open(t.Context(), o)
			if err != nil || tr == nil {
				t.Fatalf("%v, %v", tr, err)
			}
			_, span := tr.Tracer().Start(t.Context(), "work")
			span.SetAttributes(attribute.String("long", strings.Repeat("x", 5000)))
			span.End()
			if err := tr.Close(t.Context()); err != nil {
				t.Error(err)
			}
			resource := (<-got).GetResourceSpans()[0]
			sent := resource.GetScopeSpans()[0].GetSpans()[0]
			if sent.GetName() != "work" || len(sent.GetAttributes()[0].GetValue().GetStringValue()) != 1024 {
				t.Errorf("got %v", sent)
			}
			about := resource.GetResource().String()
			if want := map[string]string{"configuration": `"bulkhead"`, "environment": `"mine"`}[from]; !strings.Contains(about, want) || !strings.Contains(about, `"v9"`) {
				t.Errorf("it came from %s; want %s", about, want)
			}
			if tr.Ended() != 1 || tr.Exported() != 1 {
				t.Errorf("%d ended, %d exported", tr.Ended(), tr.Exported())
			}
		})
	}
}

func TestOff(t *testing.T) {
	noEnvironment(t)
	for name, value := range map[string]string{"": "", "OTEL_SDK_DISABLED": "true", "OTEL_TRACES_EXPORTER": "none"} {
		o := options("")
		if name != "" {
			t.Setenv(name, value)
			o.Endpoint = "http://127.0.0.1:1"
		}
		tr, err := tracing.Open(t.Context(), o)
		if tr != nil || err != nil || tr.Tracer() != nil || tr.Close(t.Context()) != nil {
			t.Errorf("%s=%s: %v, %v", name, value, tr, err)
		}
		if name != "" {
			t.Setenv(name, "")
		}
	}
	for _, endpoint := range []string{"127.0.0.1:4318", "ftp://a", "http://", "://"} {
		if _, err := tracing.Open(t.Context(), options(endpoint)); err == nil {
			t.Errorf("%q was taken for an endpoint", endpoint)
		}
	}
}

func TestRatio(t *testing.T) {
	noEnvironment(t)
	for ratio, want := range map[float64]bool{0: false, 1: true} {
		exporter := tracetest.NewInMemoryExporter()
		tr, err := tracing.New(t.Context(), exporter, tracing.Options{Ratio: &ratio})
		if err != nil {
			t.Fatal(err)
		}
		_, span := tr.Tracer().Start(t.Context(), "root")
		if span.IsRecording() != want {
			t.Errorf("ratio %v: recording is %v", ratio, span.IsRecording())
		}
		// Who began a trace decides about it.
		sampled := trace.NewSpanContext(trace.SpanContextConfig{TraceID: trace.TraceID{1}, SpanID: trace.SpanID{2}, TraceFlags: trace.FlagsSampled, Remote: true})
		if _, span := tr.Tracer().Start(trace.ContextWithSpanContext(t.Context(), sampled), "child"); !span.IsRecording() {
			t.Errorf("ratio %v: a part of a trace that is recorded is not", ratio)
		}
		if err := tr.Close(t.Context()); err != nil {
			t.Error(err)
		}
	}
}

// A function cannot write its own context; the supervisor's goes where it may.
func TestInject(t *testing.T) {
	noEnvironment(t)
	for _, tt := range []struct {
		hosts []string
		host  string
		want  bool
	}{
		{nil, "anywhere.test", true}, {[]string{}, "anywhere.test", false},
		{[]string{"api.test", "*.in.test"}, "api.test", true}, {[]string{"api.test"}, "API.test", true}, {[]string{"api.test"}, "xapi.test", false},
		{[]string{"*.in.test"}, "a.in.test", true}, {[]string{"*.in.test"}, "in.test", false}, {[]string{"*.in.test"}, "ain.test", false},
	} {
		tr, err := tracing.New(t.Context(), tracetest.NewInMemoryExporter(), tracing.Options{Propagate: tt.hosts})
		if err != nil {
			t.Fatal(err)
		}
		ctx, span := tr.Tracer().Start(t.Context(), "call")
		header := http.Header{"Traceparent": {"00-forged"}, "Tracestate": {"forged=1"}, "Baggage": {"own=1"}}
		tr.Inject(ctx, &url.URL{Scheme: "http", Host: tt.host + ":80"}, header)
		got := header.Get("Traceparent")
		if (got != "") != tt.want || tt.want && !strings.Contains(got, span.SpanContext().TraceID().String()) || header.Get("Tracestate") != "" || header.Get("Baggage") != "own=1" {
			t.Errorf("%v, %s: %v", tt.hosts, tt.host, header)
		}
		if err := tr.Close(context.Background()); err != nil {
			t.Error(err)
		}
	}
}
