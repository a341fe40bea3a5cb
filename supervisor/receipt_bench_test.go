package supervisor

import (
	"log/slog"
	"testing"
	"time"

	"github.com/bulkhead-run/bulkhead/internal/ledger"
)

// What a receipt costs an invocation, the ledger included: one without host calls,
// and one with three.
func BenchmarkReceipt(b *testing.B) {
	l, err := ledger.Open(ledger.Options{})
	if err != nil {
		b.Fatal(err)
	}
	defer l.Close()
	inv := &invocation{s: &Supervisor{ledger: l, log: slog.New(slog.DiscardHandler)}, tenant: "acme", function: "f", found: true}
	for name, calls := range map[string][]string{"none": nil, "calls": {"kv.get", "fetch", "kv.get"}} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				inv.tally.start, inv.tally.apis = time.Now(), nil
				for _, api := range calls {
					inv.tally.begin(api)
					inv.tally.of(api, func(c *tallied) { c.Sent += 100 })
					inv.tally.end(api, false)
				}
				var r Receipt
				inv.file(&r, nil)
			}
		})
	}
}
