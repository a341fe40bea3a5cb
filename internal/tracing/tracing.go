// Package tracing sets OpenTelemetry up: where spans are sent, which of them,
// and to whom a trace is passed on. It sends over OTLP/HTTP, and heeds the
// standard environment variables OTEL_*.
package tracing

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
)

const (
	// maxAttribute is how many characters of an attribute's value are kept:
	// tenants choose some of them.
	maxAttribute = 1024
	// quietFor is how long the log says nothing more of spans that could not
	// be sent.
	quietFor = time.Minute
)

// Options configure Open.
type Options struct {
	// Endpoint is the URL of the OTLP receiver, like http://127.0.0.1:4318;
	// /v1/traces is added where it has no path. Empty means that the
	// environment names it (OTEL_EXPORTER_OTLP_ENDPOINT,
	// OTEL_EXPORTER_OTLP_TRACES_ENDPOINT), or that there is no tracing.
	Endpoint string
	// Ratio is the part of the traces that begin here that is recorded, 0 to 1;
	// those that a caller began are recorded if it does so. Nil means what the
	// environment says (OTEL_TRACES_SAMPLER), or all.
	Ratio *float64
	// Propagate are the hosts that functions' requests carry the trace to, like
	// api.example.com or *.example.com. Nil means all.
	Propagate []string
	// Version is the supervisor's.
	Version string
	// Logger is told when spans cannot be sent.
	Logger *slog.Logger
}

// Tracing makes spans. A nil one makes none. The caller closes it.
type Tracing struct {
	provider *sdktrace.TracerProvider
	hosts    []string
	all      bool

	ended, exported atomic.Uint64
}

// Open starts sending spans, unless nothing says where to: then it returns nil.
// OTEL_SDK_DISABLED=true and OTEL_TRACES_EXPORTER=none switch tracing off, too.
func Open(ctx context.Context, o Options) (*Tracing, error) {
	if o.Endpoint == "" && os.Getenv("OTEL_EXPORTER_OTLP_ENDPOINT") == "" && os.Getenv("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT") == "" ||
		strings.EqualFold(os.Getenv("OTEL_SDK_DISABLED"), "true") || os.Getenv("OTEL_TRACES_EXPORTER") == "none" {
		return nil, nil
	}
	var options []otlptracehttp.Option
	if o.Endpoint != "" {
		u, err := url.Parse(o.Endpoint)
		if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
			return nil, errors.New("the endpoint of traces is not a URL like http://127.0.0.1:4318")
		}
		if strings.Trim(u.Path, "/") == "" {
			u.Path = "/v1/traces"
		}
		options = append(options, otlptracehttp.WithEndpointURL(u.String()))
	}
	exporter, err := otlptracehttp.New(ctx, options...)
	if err != nil {
		return nil, fmt.Errorf("send traces: %w", err)
	}
	otel.SetErrorHandler(&complaints{log: o.Logger})
	return New(ctx, exporter, o)
}

// New is Open with another exporter, which Close shuts down.
func New(ctx context.Context, exporter sdktrace.SpanExporter, o Options) (*Tracing, error) {
	about, err := resource.New(ctx,
		resource.WithTelemetrySDK(),
		resource.WithAttributes(attribute.String("service.name", "bulkhead"), attribute.String("service.version", o.Version)),
		resource.WithFromEnv(),
	)
	if err != nil {
		return nil, fmt.Errorf("describe this service to whoever gets its traces: %w", err)
	}
	t := &Tracing{hosts: o.Propagate, all: o.Propagate == nil}
	limits := sdktrace.NewSpanLimits()
	limits.AttributeValueLengthLimit = maxAttribute
	options := []sdktrace.TracerProviderOption{
		sdktrace.WithResource(about), sdktrace.WithRawSpanLimits(limits),
		sdktrace.WithSpanProcessor(counting{SpanProcessor: sdktrace.NewBatchSpanProcessor(exporting{exporter, t}), t: t}),
	}
	if o.Ratio != nil {
		options = append(options, sdktrace.WithSampler(sdktrace.ParentBased(sdktrace.TraceIDRatioBased(*o.Ratio))))
	}
	t.provider = sdktrace.NewTracerProvider(options...)
	return t, nil
}

// Tracer makes spans; nil without tracing.
func (t *Tracing) Tracer() trace.Tracer {
	if t == nil {
		return nil
	}
	return t.provider.Tracer("github.com/bulkhead-run/bulkhead")
}

// Inject puts the trace of ctx into the header of a request to target, if it
// may go there. What the function put there itself is taken out: it must not
// be able to pass for a part of another trace.
func (t *Tracing) Inject(ctx context.Context, target *url.URL, header http.Header) {
	header.Del("Traceparent")
	header.Del("Tracestate")
	if t.passes(target.Hostname()) {
		propagation.TraceContext{}.Inject(ctx, propagation.HeaderCarrier(header))
	}
}

func (t *Tracing) passes(host string) bool {
	if t.all {
		return true
	}
	for _, h := range t.hosts {
		if domain, wild := strings.CutPrefix(h, "*."); wild {
			if len(host) > len(domain) && strings.EqualFold(host[len(host)-len(domain):], domain) && host[len(host)-len(domain)-1] == '.' {
				return true
			}
		} else if strings.EqualFold(h, host) {
			return true
		}
	}
	return false
}

// Ended counts the recorded spans that have ended, Exported those that were
// sent: what the two differ by for long is lost.
func (t *Tracing) Ended() uint64    { return t.ended.Load() }
func (t *Tracing) Exported() uint64 { return t.exported.Load() }

// Close sends what is waiting, until ctx ends, and ends.
func (t *Tracing) Close(ctx context.Context) error {
	if t == nil {
		return nil
	}
	return t.provider.Shutdown(ctx)
}

type counting struct {
	sdktrace.SpanProcessor
	t *Tracing
}

func (c counting) OnEnd(s sdktrace.ReadOnlySpan) {
	if s.SpanContext().IsSampled() {
		c.t.ended.Add(1)
	}
	c.SpanProcessor.OnEnd(s)
}

type exporting struct {
	sdktrace.SpanExporter
	t *Tracing
}

func (e exporting) ExportSpans(ctx context.Context, spans []sdktrace.ReadOnlySpan) error {
	err := e.SpanExporter.ExportSpans(ctx, spans)
	if err == nil {
		e.t.exported.Add(uint64(len(spans)))
	}
	return err
}

// complaints tells the log of what the library could not do, now and then.
type complaints struct {
	log  *slog.Logger
	mu   sync.Mutex
	last time.Time
}

// Handle implements otel.ErrorHandler.
func (c *complaints) Handle(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if now := time.Now(); now.Sub(c.last) > quietFor {
		c.last = now
		c.log.Warn("traces cannot be sent; spans are lost until they can", "error", err)
	}
}
