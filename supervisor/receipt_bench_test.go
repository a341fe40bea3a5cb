package supervisor

import (
	"log/slog"
	"testing"
	"time"

	"github.com/bulkhead-run/bulkhead/internal/ledger"
)

// What a receipt costs an invocation with three host calls, the ledger included.
func BenchmarkReceipt(b *testing.B) {
	l, err := ledger.Open(ledger.Options{})
	if err != nil {
		b.Fatal(err)
	}
	defer l.Close()
	s := &Supervisor{ledger: l, log: slog.New(slog.DiscardHandler)}
	b.ReportAllocs()
	for b.Loop() {
		inv := &invocation{s: s, tenant: "acme", function: "f", found: true}
		inv.tally.start = time.Now()
		for _, api := range []string{"kv.get", "fetch", "kv.get"} {
			inv.tally.begin(api)
			inv.tally.of(api, func(c *tallied) { c.Sent += 100 })
			inv.tally.end(api, false)
		}
		var r Receipt
		inv.file(&r, nil)
	}
}
