package main

import (
	"context"
	"log/slog"
	"net/http"
	"net/url"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/bulkhead-run/bulkhead/internal/outcome"
	"github.com/bulkhead-run/bulkhead/internal/tracing"
)

type metricsConfig struct {
	Tenants *int `yaml:"tenants"`
}

// labels is what Options.TenantLabels takes.
func (m metricsConfig) labels() int {
	switch {
	case m.Tenants == nil:
		return 0
	case *m.Tenants <= 0:
		return -1
	}
	return *m.Tenants
}

type tracingConfig struct {
	Endpoint string   `yaml:"endpoint"`
	Ratio    *float64 `yaml:"ratio"`
	// Propagate is nil for all hosts.
	Propagate []string `yaml:"propagate"`
}

// tracingTimeout is how long the last spans may take to be sent.
const tracingTimeout = 5 * time.Second

// openTracing returns nil when nothing says that there should be tracing.
func openTracing(ctx context.Context, c config, logger *slog.Logger) (*tracing.Tracing, error) {
	wrong := func(field, reason string, err error) error {
		return &outcome.Error{Outcome: outcome.Invalid, Detail: "traces cannot be sent", Err: err,
			Problems: []outcome.Problem{{Field: field, Reason: reason}}, Remedy: "see docs/observability.md"}
	}
	if r := c.Tracing.Ratio; r != nil && !(*r >= 0 && *r <= 1) {
		return nil, wrong("tracing.ratio", "it must be from 0 to 1", nil)
	}
	t, err := tracing.Open(ctx, tracing.Options{
		Endpoint: c.Tracing.Endpoint, Ratio: c.Tracing.Ratio, Propagate: c.Tracing.Propagate, Version: versionString(), Logger: logger,
	})
	if err != nil {
		return nil, wrong("tracing.endpoint", err.Error(), err)
	}
	return t, nil
}

func closeTracing(ctx context.Context, t *tracing.Tracing, logger *slog.Logger) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), tracingTimeout)
	defer cancel()
	if err := t.Close(ctx); err != nil {
		logger.Warn("the last spans could not be sent", slog.Any("error", err))
	}
}

// injector is nil without tracing.
func injector(t *tracing.Tracing) func(context.Context, *url.URL, http.Header) {
	if t == nil {
		return nil
	}
	return t.Inject
}

// traceCollectors show what became of spans.
func traceCollectors(t *tracing.Tracing) []prometheus.Collector {
	if t == nil {
		return nil
	}
	counter := func(name, help string, of func() uint64) prometheus.Collector {
		return prometheus.NewCounterFunc(prometheus.CounterOpts{Name: "bulkhead_trace_" + name, Help: help}, func() float64 { return float64(of()) })
	}
	return []prometheus.Collector{
		counter("spans_total", "Recorded spans that have ended.", t.Ended),
		counter("spans_exported_total", "Spans that were sent; what is missing for long is lost.", t.Exported),
	}
}
