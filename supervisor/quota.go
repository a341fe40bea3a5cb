package supervisor

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/bulkhead-run/bulkhead/platform"
	"github.com/bulkhead-run/bulkhead/policies"
)

// quotaError is the name of the exception that a host call over a quota ends
// with.
const quotaError = "QuotaExceededError"

// charge counts a call that the policy allows against its rules' quotas. The
// error names the one that is used up, and when it is not any more.
func (inv *invocation) charge(api string, quotas []*policies.Quota, now time.Time) *platform.Error {
	for _, q := range quotas {
		if most := q.CallsPerInvocation; most > 0 && !inv.countCall(q.ID, most) {
			return exceeded(api, q, "calls_per_invocation", float64(most), fmt.Sprintf("%d calls in an invocation", most), 0)
		}
		if q.CallsPerSecond > 0 {
			key := meterKey{inv.tenant, q.ID, false}
			if wait, ok := inv.s.meter.take(key, float64(max(q.Burst, 1)), q.CallsPerSecond, now); !ok {
				return exceeded(api, q, "calls_per_second", q.CallsPerSecond, fmt.Sprintf("%g calls a second", q.CallsPerSecond), wait)
			}
		}
	}
	return inv.chargeBytes(api, quotas, 0)
}

// chargeBytes counts bytes that a call has sent or received.
func (inv *invocation) chargeBytes(api string, quotas []*policies.Quota, n int) *platform.Error {
	for _, q := range quotas {
		most := q.BytesPerMinute
		if most == 0 {
			continue
		}
		key := meterKey{inv.tenant, q.ID, true}
		if wait, ok := inv.s.meter.charge(key, float64(most), float64(most)/60, float64(n), time.Now()); !ok {
			return exceeded(api, q, "bytes_per_minute", float64(most), formatBytes(most)+" a minute", wait)
		}
	}
	return nil
}

// countCall counts a call of this invocation against a rule's most.
func (inv *invocation) countCall(rule string, most int64) bool {
	inv.quotas.Lock()
	defer inv.quotas.Unlock()
	if inv.spent == nil {
		inv.spent = make(map[string]int64)
	}
	inv.spent[rule]++
	return inv.spent[rule] <= most
}

// exceeded makes the exception for a quota that is used up. A wait of 0 means
// that it does not come back within the invocation.
func exceeded(api string, q *policies.Quota, quota string, limit float64, text string, wait time.Duration) *platform.Error {
	e := &platform.Error{
		Name:       quotaError,
		Message:    fmt.Sprintf("%s is over the quota of %s (%s)", api, text, q.ID),
		Properties: map[string]any{"api": api, "quota": quota, "limit": limit},
	}
	if wait > 0 {
		wait = wait.Round(time.Millisecond) + time.Millisecond
		e.Message += fmt.Sprintf("; it resets in %v", wait)
		e.Properties["resets"] = time.Now().Add(wait).UTC().Format(time.RFC3339Nano)
	}
	return e
}

// failedCall tells which exception a host call ends with.
func failedCall(api string, err error) FailedCall {
	var known *platform.Error
	if !errors.As(err, &known) {
		return FailedCall{API: api, Name: "Error"}
	}
	code, _ := known.Properties["code"].(string)
	return FailedCall{api, strings.ToValidUTF8(known.Name, "?"), strings.ToValidUTF8(code, "?")}
}
