package gateway

import (
	"net/http"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"
)

// untraced are the paths that machines ask for all the time.
var untraced = map[string]bool{"/healthz": true, "/readyz": true, "/metrics": true}

// traced makes a span of every request, as a part of the trace that its header
// traceparent names. Without a tracer it is not there at all.
func (s *Server) traced(next http.Handler) http.Handler {
	tracer := s.options.Tracer
	if tracer == nil {
		return next
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if untraced[r.URL.Path] {
			next.ServeHTTP(w, r)
			return
		}
		ctx := propagation.TraceContext{}.Extract(r.Context(), propagation.HeaderCarrier(r.Header))
		ctx, span := tracer.Start(ctx, r.Method, trace.WithSpanKind(trace.SpanKindServer),
			trace.WithAttributes(attribute.String("http.request.method", r.Method), attribute.String("url.path", r.URL.Path)))
		tw := &tracedWriter{ResponseWriter: w, status: http.StatusOK, trace: span.SpanContext().TraceID().String()}
		r = r.WithContext(ctx)
		defer func() {
			if span.IsRecording() {
				span.SetAttributes(attribute.Int("http.response.status_code", tw.status))
				if r.Pattern != "" { // "GET /v1/..."
					span.SetName(r.Pattern)
					span.SetAttributes(attribute.String("http.route", r.Pattern))
				}
				if tw.status >= 500 {
					span.SetStatus(codes.Error, "")
				}
			}
			span.End()
		}()
		next.ServeHTTP(tw, r)
	})
}

// tracedWriter knows the answer's status, and the trace for a problem to name.
type tracedWriter struct {
	http.ResponseWriter
	status int
	trace  string
}

func (w *tracedWriter) WriteHeader(status int) {
	w.status = status
	w.ResponseWriter.WriteHeader(status)
}

// Unwrap is for http.ResponseController.
func (w *tracedWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// traceOf is the id of the trace that an answer belongs to, or "".
func traceOf(w http.ResponseWriter) string {
	if t, ok := w.(*tracedWriter); ok {
		return t.trace
	}
	return ""
}
