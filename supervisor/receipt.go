package supervisor

import (
	"context"
	"log/slog"
	"math"
	"sync"
	"time"

	"github.com/bulkhead-run/bulkhead/internal/ledger"
	"github.com/bulkhead-run/bulkhead/internal/outcome"
	"github.com/bulkhead-run/bulkhead/ipc/sandboxpb"
)

// Why an invocation was a cold start: see Receipt.ColdCause. Where the tenant's
// process had ended, it is ColdEnded and why, as in Stats.Ended:
// "process-evicted".
const (
	ColdNoProcess  = "no-process"  // the tenant had none since the supervisor's start
	ColdEnded      = "process-"    // it had one
	ColdNotLoaded  = "not-loaded"  // the process did not have this version
	ColdNoInstance = "no-instance" // every instance of the version was busy, or it had none
)

// Receipt says how an invocation came to run, how it ended, and what it used.
type Receipt struct {
	Invocation string `json:"invocation"` // unique
	// Trace is the id of the OpenTelemetry trace that the invocation is part
	// of; empty without tracing.
	Trace   string          `json:"trace,omitempty"`
	Version string          `json:"version"` // that ran; empty when none was found
	Outcome outcome.Outcome `json:"outcome"`
	// Started is when it was asked for, Duration the time from then to the
	// result.
	Started  time.Time     `json:"started"`
	Duration time.Duration `json:"duration_ns"`
	// Cold says that it waited for a process, for its code to be loaded or for
	// an instance; ColdCause says why it had to, ColdWait how long it waited for
	// a process and for the code.
	Cold      bool          `json:"cold"`
	ColdCause string        `json:"cold_cause,omitempty"`
	ColdWait  time.Duration `json:"cold_wait_ns"`
	// Queued is how long it waited for the function's concurrency, and for its
	// turn beside other tenants: Turn is the latter alone.
	Queued time.Duration `json:"queued_ns"`
	Turn   time.Duration `json:"turn_ns"`
	// CPU is the CPU time that it used: that of its JavaScript and of the
	// engine, without its waits. It is the sandbox process's word, held against
	// the time that passed; a tenant's total is the kernel's. Of an invocation
	// whose process had to be killed for it, it is the most that it can be.
	CPU time.Duration `json:"cpu_ns"`
	// Memory is the most linear memory that its instance had, in bytes: the
	// process's word, and at most the function's limit. 0 when nobody knows.
	Memory int64 `json:"memory_bytes"`
	// Calls are its host calls, by API, in the order of the first of each.
	Calls []CallTotals `json:"calls,omitempty"`
}

// CallTotals is what host calls of one API came to.
type CallTotals struct {
	API string `json:"api"`
	// Count is how many there were, Failed how many of them ended in an
	// exception, and Denied how often the policy said no.
	Count  int `json:"count"`
	Failed int `json:"failed"`
	Denied int `json:"denied"`
	// Time is what they took together: calls at the same time count each. One
	// with a stream lasts until the stream's end.
	Time time.Duration `json:"time_ns"`
	// Sent is how many bytes came from the function, Received how many went to
	// it, in the values' encoding and in streams.
	Sent     int64 `json:"sent_bytes"`
	Received int64 `json:"received_bytes"`
}

// HostCalls adds up the calls of all APIs.
func (r *Receipt) HostCalls() (all CallTotals) {
	for _, c := range r.Calls {
		all.Count += c.Count
		all.Failed += c.Failed
		all.Denied += c.Denied
		all.Time += c.Time
		all.Sent += c.Sent
		all.Received += c.Received
	}
	return all
}

// chill takes note of why an invocation starts cold. The first cause counts: a
// process that is new has nothing loaded.
func (r *Receipt) chill(cause string) {
	if !r.Cold {
		r.Cold, r.ColdCause = true, cause
	}
}

// used takes what the process says of an invocation, as far as it can be true.
func (r *Receipt) used(frame *sandboxpb.Result, mostCPU time.Duration, mostMemory int64) {
	r.CPU = min(time.Duration(min(frame.GetCpuNs(), math.MaxInt64)), mostCPU)
	r.Memory = min(int64(min(frame.GetPeakMemory(), math.MaxInt64)), mostMemory)
}

// callTally counts an invocation's host calls.
type callTally struct {
	start time.Time

	mu   sync.Mutex
	apis []tallied
}

// tallied is one API's. While calls are open its Time lacks, for each, the time
// from the invocation's start to now.
type tallied struct {
	CallTotals
	open int
}

// of calls do with an API's totals.
func (t *callTally) of(api string, do func(*tallied)) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for i := range t.apis {
		if t.apis[i].API == api {
			do(&t.apis[i])
			return
		}
	}
	t.apis = append(t.apis, tallied{CallTotals: CallTotals{API: api}})
	do(&t.apis[len(t.apis)-1])
}

func (t *callTally) begin(api string) {
	since := time.Since(t.start)
	t.of(api, func(c *tallied) {
		c.Count++
		c.open++
		c.Time -= since
	})
}

func (t *callTally) end(api string, failed bool) {
	since := time.Since(t.start)
	t.of(api, func(c *tallied) {
		c.open--
		c.Time += since
		if failed {
			c.Failed++
		}
	})
}

func (t *callTally) read() []CallTotals {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.apis) == 0 {
		return nil
	}
	since := time.Since(t.start)
	all := make([]CallTotals, len(t.apis))
	for i, c := range t.apis {
		all[i] = c.CallTotals
		all[i].Time += time.Duration(c.open) * since
	}
	return all
}

// file completes an invocation's receipt, and enters it where receipts go.
func (inv *invocation) file(r *Receipt, err error) {
	r.Invocation, r.Trace, r.Outcome = inv.id, inv.trace, outcome.Of(err)
	r.Started, r.Duration = inv.tally.start, time.Since(inv.tally.start)
	r.ColdWait, r.Calls = inv.waited, inv.tally.read()
	if inv.found {
		entry := r.entry()
		inv.s.ledger.Add(inv.tenant, inv.function, &entry, r.Started.Add(r.Duration))
	}
	inv.logReceipt(r)
}

// entry is what the ledger keeps of a receipt.
func (r *Receipt) entry() ledger.Invocation {
	i := ledger.Invocation{
		Outcome: r.Outcome.String(), Cold: r.Cold, Wall: r.Duration, Queued: r.Queued, CPU: r.CPU, Memory: r.Memory,
		Ran: max(r.Duration-r.Queued-r.ColdWait, 0),
	}
	for _, c := range r.Calls {
		i.Calls = append(i.Calls, ledger.Call{API: c.API, Totals: ledger.CallTotals{
			Count: uint64(c.Count), Failed: uint64(c.Failed), Denied: uint64(c.Denied), Time: c.Time, Sent: uint64(c.Sent), Received: uint64(c.Received),
		}})
	}
	return i
}

// logReceipt writes the receipt to the log: at info when it did not end well or
// was denied something, else at debug, since there may be thousands a second.
func (inv *invocation) logReceipt(r *Receipt) {
	level := slog.LevelDebug
	if r.Outcome != outcome.OK || inv.denied.Load() > 0 {
		level = slog.LevelInfo
	}
	if !inv.s.log.Enabled(context.Background(), level) {
		return
	}
	calls := r.HostCalls()
	attrs := append(inv.where(), slog.String("version", r.Version), slog.String("outcome", r.Outcome.String()),
		slog.Duration("wall", r.Duration), slog.Duration("cpu", r.CPU), slog.Int64("memory", r.Memory), slog.Duration("queued", r.Queued),
		slog.Int("calls", calls.Count), slog.Int("denied", calls.Denied), slog.Int64("sent", calls.Sent), slog.Int64("received", calls.Received))
	if r.Cold {
		attrs = append(attrs, slog.String("cold", r.ColdCause))
	}
	inv.s.log.LogAttrs(context.Background(), level, "invocation", attrs...)
}
