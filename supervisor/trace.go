package supervisor

import (
	"context"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"

	"github.com/bulkhead-run/bulkhead/internal/audit"
	"github.com/bulkhead-run/bulkhead/internal/outcome"
	"github.com/bulkhead-run/bulkhead/ipc"
)

// Spans are made here and nowhere near tenants' code: a sandbox is never told
// of them and has no way to name one. Without a tracer each of these is a check
// for nil.

// maxCallSpans is how many of an invocation's host calls have spans; the number
// of all is an attribute of the invocation's own.
const maxCallSpans = 500

// startTrace starts the invocation's span.
func (inv *invocation) startTrace(ctx context.Context) context.Context {
	if inv.s.o.Tracer == nil {
		return ctx
	}
	ctx, inv.span = inv.s.o.Tracer.Start(ctx, "invocation", trace.WithAttributes(
		attribute.String("bulkhead.tenant", inv.tenant), attribute.String("bulkhead.function", inv.function),
		attribute.String("faas.invocation_id", inv.id),
	))
	if sc := inv.span.SpanContext(); sc.HasTraceID() {
		inv.trace = sc.TraceID().String()
	}
	return ctx
}

// endTrace ends the invocation's span.
func (inv *invocation) endTrace(r *Result, err error) {
	if inv.span == nil {
		return
	}
	o := outcome.Of(err)
	if inv.span.IsRecording() {
		inv.span.SetAttributes(
			attribute.String("bulkhead.version", r.Version), attribute.String("bulkhead.outcome", o.String()),
			attribute.Bool("faas.coldstart", r.Cold), attribute.Int("bulkhead.sandbox.pid", r.PID),
			attribute.Int("bulkhead.host_calls", inv.calls),
		)
	}
	if o != outcome.OK {
		inv.span.SetStatus(codes.Error, o.String())
	}
	inv.span.End()
}

// recording tells whether spans of the invocation go anywhere.
func (inv *invocation) recording() bool { return inv.span != nil && inv.span.IsRecording() }

// traceWait records what an invocation had to wait for since start, as a span.
func (inv *invocation) traceWait(ctx context.Context, what string, start time.Time) {
	if inv.recording() {
		_, span := inv.s.o.Tracer.Start(ctx, what, trace.WithTimestamp(start))
		span.End()
	}
}

// traceRun starts the span of what happens in the sandbox.
func (inv *invocation) traceRun(ctx context.Context) (context.Context, func()) {
	if !inv.recording() {
		return ctx, func() {}
	}
	ctx, span := inv.s.o.Tracer.Start(ctx, "run")
	return ctx, func() { span.End() }
}

// traceCall starts the span of a host call, once, which ends with its hearing.
func (h *hearing) traceCall(ctx context.Context) context.Context {
	if h.span != nil {
		return trace.ContextWithSpan(ctx, h.span)
	}
	if !h.inv.recording() || h.inv.calls > maxCallSpans {
		return ctx
	}
	ctx, h.span = h.inv.s.o.Tracer.Start(ctx, h.api, trace.WithSpanKind(trace.SpanKindClient),
		trace.WithAttributes(attribute.String("bulkhead.api", h.api)))
	return ctx
}

// traceVerdict adds what was decided. Of what the tenant chose there is the
// host and the method, clipped by the audit log's measure.
func (h *hearing) traceVerdict(e *audit.Entry) {
	if h.span == nil {
		return
	}
	h.span.SetAttributes(attribute.String("bulkhead.action", e.Action), attribute.String("bulkhead.policy", e.Policy), attribute.String("bulkhead.rule", e.Rule))
	if e.Attributes.Host != "" {
		h.span.SetAttributes(attribute.String("server.address", e.Attributes.Host), attribute.String("http.request.method", ipc.Clip(e.Attributes.Method, ipc.MaxName)))
	}
}

// traceEnd ends the host call's span.
func (h *hearing) traceEnd(err error) {
	if h.span == nil {
		return
	}
	h.span.SetAttributes(attribute.Int64("bulkhead.sent_bytes", h.allSent), attribute.Int64("bulkhead.received_bytes", h.allReceived))
	if err != nil {
		failed := failedCall(h.api, err)
		h.span.SetAttributes(attribute.String("error.type", ipc.Clip(failed.Name, ipc.MaxName)))
		h.span.SetStatus(codes.Error, "")
	}
	h.span.End()
}
