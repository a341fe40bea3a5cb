package supervisor

import (
	"testing"
	"time"
)

// Without a tracer, tracing costs nothing.
func TestNoTraceAllocatesNothing(t *testing.T) {
	inv := &invocation{s: &Supervisor{}}
	ctx := t.Context()
	var result Result
	allocs := testing.AllocsPerRun(100, func() {
		ctx := inv.startTrace(ctx)
		inv.traceWait(ctx, "queue", time.Time{})
		ctx, ran := inv.traceRun(ctx)
		h := hearing{inv: inv}
		_ = h.traceCall(ctx)
		h.traceVerdict(nil)
		h.traceEnd(nil)
		ran()
		inv.endTrace(&result, nil)
	})
	if allocs != 0 {
		t.Errorf("%v allocations", allocs)
	}
}
