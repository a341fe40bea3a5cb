package supervisor

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"go.opentelemetry.io/otel/trace"

	"github.com/bulkhead-run/bulkhead/internal/audit"
	"github.com/bulkhead-run/bulkhead/internal/outcome"
	"github.com/bulkhead-run/bulkhead/ipc"
	"github.com/bulkhead-run/bulkhead/platform"
	"github.com/bulkhead-run/bulkhead/policies"
)

// maxDenied is how many host calls of one invocation may be denied: the next
// one ends it. Code that goes on asking is probing.
const maxDenied = 100

// hearing is one host call before the policy: every decision about it, and
// what it then cost.
type hearing struct {
	inv  *invocation
	api  string
	args []json.RawMessage

	mu             sync.Mutex
	begun          bool // counted as a host call
	open           int  // the call, and the streams that it has sent or received
	asked          bool
	quotas         []*policies.Quota
	entry          *audit.Entry // the last decision, when it let the call go on
	sent, received int64
	failed         error // what the call ended with

	span                 trace.Span // nil when nobody wants it
	allSent, allReceived int64      // over all decisions
}

func (inv *invocation) hear(api string, args []json.RawMessage) *hearing {
	return &hearing{inv: inv, api: api, args: args, open: 1}
}

// begin counts the hearing's host call, once, until it is closed for the last
// time.
func (h *hearing) begin() *hearing {
	if !h.begun {
		h.begun = true
		h.inv.tally.begin(h.api)
	}
	return h
}

// ask evaluates what holds for the function at this moment. A denial is
// counted, and returned as the exception that the host call is to end with.
func (h *hearing) ask(a policies.Attributes) (policies.Verdict, error) {
	a.Tenant, a.Function, a.Args = h.inv.tenant, h.inv.function, h.args
	start := time.Now()
	var policy *policies.Policy
	if r := h.inv.ruling(); r != nil {
		policy = r.policy
	}
	v := policy.Evaluate(h.api, a)
	took := time.Since(start)
	e := &audit.Entry{
		Time: start, Tenant: h.inv.tenant, Function: h.inv.function, Invocation: h.inv.id,
		Trace: h.inv.trace,
		API:   h.api, Action: v.Action.String(), Policy: v.Policy, Rule: v.Rule, Place: v.Place,
		Attributes: auditAttributes(a), Verdict: took,
	}
	if v.Action != policies.Allow {
		e.Args = auditArgs(policy.Redact(h.api, h.args))
	}

	h.mu.Lock()
	defer h.mu.Unlock()
	h.asked = true
	h.record(nil) // the decision before this one
	defer func() {
		h.inv.s.stats.decided(h.api, e.Action)
		h.traceVerdict(e)
	}()
	if !v.Allowed {
		e.Reason = v.Reason
		h.inv.audited(e)
		return v, h.inv.deny(h.api, &v)
	}
	if err := h.inv.charge(h.api, v.Quotas, start); err != nil {
		e.Action, e.Reason, e.Error = "quota", err.Message, err.Name
		h.inv.audited(e)
		return v, err
	}
	h.entry, h.quotas = e, v.Quotas
	return v, nil
}

// heard tells whether the policy was asked.
func (h *hearing) heard() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.asked
}

// pass counts bytes that the call sends or receives. The error is what the
// call is to end with: it is over a quota.
func (h *hearing) pass(sent, received int) error {
	h.mu.Lock()
	h.sent += int64(sent)
	h.received += int64(received)
	h.allSent += int64(sent)
	h.allReceived += int64(received)
	quotas := h.quotas
	h.inv.tally.of(h.api, func(c *tallied) {
		c.Sent += int64(sent)
		c.Received += int64(received)
	})
	h.mu.Unlock()
	if err := h.inv.count(h.api, sent, received); err != nil {
		return err
	}
	if err := h.inv.chargeBytes(h.api, quotas, sent+received); err != nil {
		return err
	}
	return nil
}

// retain keeps the hearing open for a stream of the call, until another close.
func (h *hearing) retain() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.open++
}

// close is told that the call, or one of its streams, has come to its end. The
// last one writes the last decision to the audit log.
func (h *hearing) close(err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.open--; h.failed == nil {
		h.failed = err
	}
	if h.open == 0 {
		if h.begun {
			h.inv.tally.end(h.api, h.failed != nil)
		}
		h.record(h.failed)
		h.traceEnd(h.failed)
	}
}

// record writes the decision that let the call go on, with what came of it.
func (h *hearing) record(err error) {
	if h.entry == nil {
		return
	}
	h.entry.Duration = time.Since(h.entry.Time)
	h.entry.Sent, h.entry.Received = h.sent, h.received
	if err != nil {
		failed := failedCall(h.api, err)
		h.entry.Error = failed.Name
		h.inv.s.stats.callFailed(failed)
	}
	h.inv.audited(h.entry)
	h.entry, h.sent, h.received = nil, 0, 0
}

// deny counts a denial and makes the exception for it. One too many, or a rule
// that says so, ends the invocation.
func (inv *invocation) deny(api string, v *policies.Verdict) error {
	denied := inv.denied.Add(1)
	inv.tally.of(api, func(c *tallied) { c.Denied++ })
	if denied == 1 {
		inv.s.log.LogAttrs(context.Background(), slog.LevelInfo, "a host call was denied",
			append(inv.where(), slog.String("api", api), slog.String("policy", v.Policy), slog.String("rule", v.Rule))...)
	}
	switch {
	case v.Action == policies.Kill:
		inv.condemn(fmt.Sprintf("it called %s, and %s of policy %q ends an invocation that does", api, v.Rule, v.Policy), seeAudit)
	case denied >= maxDenied:
		inv.condemn(fmt.Sprintf("%d of its host calls were denied, the last by %s of policy %q", denied, v.Rule, v.Policy), seeAudit)
	}
	return &platform.Error{
		Name:       ipc.PermissionError,
		Message:    ipc.DenialMessage(api, v.Policy, v.Rule),
		Properties: map[string]any{"api": api, "policy": v.Policy},
	}
}

const seeAudit = "see the audit log for what it called; `supervisor policy explain` says why it is denied"

// condemn ends the invocation for what it tried.
func (inv *invocation) condemn(why, remedy string) {
	first := inv.condemned.CompareAndSwap(nil, &outcome.Error{
		Outcome: outcome.Policy, Tenant: inv.tenant, Function: inv.function, Detail: why, Remedy: remedy,
	})
	if first {
		inv.end()
	}
}

// The bounds of what a tenant chose in an entry of the audit log.
const (
	maxAuditArgs   = 4 << 10 // bytes of arguments
	maxAuditText   = 1 << 10 // bytes of one attribute
	maxAuditTables = 16
)

// auditAttributes makes an entry's attributes: clipped, for an API may have
// found out no more of them than that they are text.
func auditAttributes(a policies.Attributes) *policies.Attributes {
	a.Tenant, a.Function, a.Args = "", "", nil // the entry has them
	for _, text := range []*string{&a.Scheme, &a.Host, &a.Method, &a.Path, &a.Statement, &a.Key, &a.Name} {
		*text = ipc.Clip(*text, maxAuditText)
	}
	a.Tables = slices.Clone(a.Tables[:min(len(a.Tables), maxAuditTables)])
	for i, name := range a.Tables {
		a.Tables[i] = ipc.Clip(name, maxAuditText)
	}
	return &a
}

// auditArgs makes an entry's arguments; nil when they are too long.
func auditArgs(args []json.RawMessage) json.RawMessage {
	text, err := json.Marshal(args)
	if err != nil || len(text) > maxAuditArgs {
		return nil
	}
	return text
}
