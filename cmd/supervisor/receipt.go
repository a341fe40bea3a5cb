package main

import (
	"fmt"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/bulkhead-run/bulkhead/client"
	"github.com/bulkhead-run/bulkhead/supervisor"
)

func receiptFlag() cli.Flag {
	return &cli.BoolFlag{Name: "receipt", Usage: "show on standard error what it used: time, memory, host calls"}
}

// receipt shows what an invocation used.
func (t *terminal) receipt(r *client.Receipt) {
	start := r.Start + " start"
	if r.ColdCause != "" {
		start += " (" + quoteUnprintable(r.ColdCause) + ")"
	}
	text := fmt.Sprintf("%s, %s, wall %.3f ms, cpu %.3f ms, memory %s", r.Outcome, start, r.DurationMS, r.CPUMS, formatSize(r.Memory))
	if r.QueuedMS >= 0.1 {
		text += fmt.Sprintf(", queued %.3f ms", r.QueuedMS)
	}
	t.notef("receipt: %s", text)
	for _, c := range r.Calls {
		line := fmt.Sprintf("  %-16s %s, %.3f ms, %s sent, %s received", quoteUnprintable(c.API), count(c.Count, "call"), c.TimeMS, formatSize(c.Sent), formatSize(c.Received))
		if c.Failed > 0 {
			line += fmt.Sprintf(", %d failed", c.Failed)
		}
		if c.Denied > 0 {
			line += fmt.Sprintf(", %s", count(c.Denied, "denial"))
		}
		t.notef("%s", line)
	}
}

func count(n uint64, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

// formatSize shows bytes as people read them: "1.3 MiB". Limits, which are
// round, are gateway.FormatSize's.
func formatSize(n int64) string {
	units := []string{"B", "KiB", "MiB", "GiB", "TiB"}
	f, u := float64(n), 0
	for f >= 1024 && u < len(units)-1 {
		f /= 1024
		u++
	}
	return strings.TrimSuffix(fmt.Sprintf("%.1f", f), ".0") + " " + units[u]
}

// receiptOf gives a receipt of the library the shape that the HTTP API has.
func receiptOf(r *supervisor.Receipt) client.Receipt {
	ms := func(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
	out := client.Receipt{
		Invocation: r.Invocation, Trace: r.Trace, Version: r.Version, Outcome: r.Outcome.String(), Started: r.Started.UTC(), DurationMS: ms(r.Duration),
		Start: "warm", ColdCause: r.ColdCause, ColdWaitMS: ms(r.ColdWait), QueuedMS: ms(r.Queued), TurnMS: ms(r.Turn),
		CPUMS: ms(r.CPU), Memory: r.Memory, Calls: []client.CallTotals{},
	}
	if r.Cold {
		out.Start = "cold"
	}
	for _, c := range r.Calls {
		out.Calls = append(out.Calls, client.CallTotals{
			API: c.API, Count: uint64(c.Count), Failed: uint64(c.Failed), Denied: uint64(c.Denied), TimeMS: ms(c.Time), Sent: c.Sent, Received: c.Received,
		})
	}
	return out
}
