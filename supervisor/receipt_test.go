package supervisor_test

import (
	"bytes"
	"context"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/bulkhead-run/bulkhead/internal/outcome"
	"github.com/bulkhead-run/bulkhead/platform"
	"github.com/bulkhead-run/bulkhead/supervisor"
)

// A receipt counts what the supervisor has seen of host calls, and the usage of
// the tenant is the sum of its receipts.
func TestReceiptOfHostCalls(t *testing.T) {
	gate := make(chan struct{})
	wait := platform.API{Name: "wait", Func: func(ctx context.Context, _ *platform.Call) (any, error) {
		select {
		case <-gate:
			return nil, nil
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}}
	var log bytes.Buffer
	s := openReal(t, func(o *supervisor.Options) {
		apis(upper(), wait)(o)
		o.Logger = slog.New(slog.NewTextHandler(&log, nil))
		o.Policies = append(o.Policies, policy(t, "some", "default: deny\nrules: [{api: [upper], action: allow}]"))
	})
	deploy(t, s, "acme", "f", `export default async e => {
		const all = [upper("abc"), upper("de")];
		if (e) all.push(wait());
		return (await Promise.all(all)).join("") }`)
	before := time.Now()
	r, err := s.Invoke(t.Context(), "acme", "f", nil)
	wantValue(t, r, err, `"ABCDE"`)
	if r.Outcome != outcome.OK || !r.Cold || r.ColdCause != supervisor.ColdNoProcess || r.ColdWait <= 0 || r.ColdWait > r.Duration || r.CPU <= 0 || r.CPU > r.Duration ||
		r.Started.Before(before) || r.Started.After(time.Now()) || r.Memory < 64<<10 || r.Memory > 5<<20 || r.Turn > r.Queued {
		t.Errorf("%+v", r.Receipt)
	}
	if len(r.Calls) != 1 || r.Calls[0].API != "upper" || r.Calls[0].Count != 2 || r.Calls[0].Failed != 0 || r.Calls[0].Time <= 0 ||
		r.Calls[0].Sent != int64(len(`["abc"]["de"]`)) || r.Calls[0].Received != int64(len(`"ABC""DE"`)) {
		t.Errorf("%+v", r.Calls)
	}
	if r, err = s.Invoke(t.Context(), "acme", "f", nil); err != nil || r.Cold || r.ColdCause != "" || r.ColdWait != 0 {
		t.Errorf("warm: %+v, %v", r.Receipt, err)
	}

	// A call that is open when the invocation ends counts up to then.
	if _, err := s.PutTenant(t.Context(), supervisor.Tenant{Name: "acme", Policy: "open"}); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	r, err = s.Invoke(ctx, "acme", "f", []byte("1"))
	if o := outcome.Of(err); o != outcome.Canceled && o != outcome.Deadline {
		t.Fatal(err)
	}
	if all := r.HostCalls(); all.Count != 3 || r.Calls[len(r.Calls)-1].Time <= 0 || r.Calls[len(r.Calls)-1].Time > r.Duration {
		t.Errorf("%+v", r.Receipt)
	}
	close(gate)

	// Denials are in it, and it is in the log.
	if _, err := s.PutTenant(t.Context(), supervisor.Tenant{Name: "acme", Policy: "some"}); err != nil {
		t.Fatal(err)
	}
	r, err = s.Invoke(t.Context(), "acme", "f", []byte("1"))
	wantOutcome(t, err, outcome.Policy)
	if all := r.HostCalls(); all.Count != 3 || all.Denied != 1 || all.Failed != 1 || r.Outcome != outcome.Policy {
		t.Errorf("%+v", r.Receipt)
	}
	if text := log.String(); !strings.Contains(text, "msg=invocation tenant=acme function=f invocation="+r.Invocation) || !strings.Contains(text, "denied=1") {
		t.Errorf("the log: %s", text)
	}

	rows, err := s.ReadUsage(t.Context(), supervisor.UsageFilter{By: "function"})
	if err != nil || len(rows) != 1 || rows[0].Tenant != "acme" || rows[0].Function != "f" {
		t.Fatalf("%+v, %v", rows, err)
	}
	all, errors := rows[0].Invocations()
	if up := rows[0].Calls["upper"]; all != 4 || errors != 2 || rows[0].Cold != 1 || up.Count != 8 || rows[0].Calls["wait"].Denied != 1 || rows[0].Memory == 0 || rows[0].CPU <= 0 {
		t.Errorf("%+v %+v", rows[0], up)
	}
	for _, f := range []supervisor.UsageFilter{{By: "colour"}, {Function: "f"}, {Since: time.Now(), Until: time.Now().Add(-time.Hour)}} {
		if _, err := s.ReadUsage(t.Context(), f); outcome.Of(err) != outcome.Invalid {
			t.Errorf("%+v: %v", f, err)
		}
	}
}

// Each cause of a cold start is told.
func TestColdCauses(t *testing.T) {
	s := open(t, func(o *supervisor.Options) { o.MaxProcesses, o.Spares = 2, -1 })
	deploy(t, s, "acme", "f", "return 1")
	deploy(t, s, "acme", "g", "return 1")
	deploy(t, s, "acme", "bad", "die")
	invoke := func(function string) supervisor.Receipt {
		t.Helper()
		r, _ := s.Invoke(t.Context(), "acme", function, nil)
		return r.Receipt
	}
	for _, step := range []struct{ function, cause string }{
		{"f", supervisor.ColdNoProcess}, {"f", ""}, {"g", supervisor.ColdNotLoaded}, {"bad", supervisor.ColdNotLoaded}, {"f", "process-crash"}, {"f", ""},
	} {
		if r := invoke(step.function); r.ColdCause != step.cause || r.Cold != (step.cause != "") {
			t.Errorf("%v: %+v", step, r)
		}
	}
}

// What a sandbox says of itself counts as far as it can be true.
func TestReceiptIsBounded(t *testing.T) {
	s := open(t, nil)
	deploy(t, s, "acme", "f", "boast")
	r, err := s.Invoke(t.Context(), "acme", "f", nil)
	if err != nil || r.CPU > r.Duration || r.Memory > 5<<20 || r.Memory < 0 || r.CPU < 0 {
		t.Errorf("%+v, %v", r.Receipt, err)
	}
}

func TestUsageOutlivesTheSupervisor(t *testing.T) {
	dir := t.TempDir()
	use := func() uint64 {
		s := open(t, func(o *supervisor.Options) { o.DataDir = dir })
		deploy(t, s, "acme", "f", "return 1")
		if _, err := s.Invoke(t.Context(), "acme", "f", nil); err != nil {
			t.Fatal(err)
		}
		rows, err := s.ReadUsage(t.Context(), supervisor.UsageFilter{By: "day"})
		if err != nil {
			t.Fatal(err)
		}
		var sum uint64
		for _, r := range rows {
			all, _ := r.Invocations()
			sum += all
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		return sum
	}
	if first, second := use(), use(); first != 1 || second != 2 {
		t.Errorf("%d and then %d", first, second)
	}
}
