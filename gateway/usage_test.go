package gateway_test

import (
	"testing"
	"time"

	"github.com/dunglas/httpsfv"

	"github.com/bulkhead-run/bulkhead/gateway"
)

func TestUsage(t *testing.T) {
	f := newFake()
	h := handler(t, f, gateway.Options{})
	v := send(t, h, "GET", "/v1/usage?tenant=t&function=g&since=2026-01-31&until=2026-02-01T05:00:00Z&by=day", "").ok(200)
	row := v["rows"].([]any)[0].(map[string]any)
	if row["tenant"] != "t" || row["invocations"] != 4.0 || row["errors"] != 1.0 || row["wall_ms"] != 1000.0 || row["cpu_ms"] != 1.0 || row["gb_seconds"].(float64) < 0.999 {
		t.Errorf("%v", row)
	}
	got := f.usageFilter
	if got.Tenant != "t" || got.Function != "g" || got.By != "day" ||
		!got.Since.Equal(time.Date(2026, 1, 31, 0, 0, 0, 0, time.UTC)) || !got.Until.Equal(time.Date(2026, 2, 1, 5, 0, 0, 0, time.UTC)) {
		t.Errorf("%+v", got)
	}
	send(t, h, "GET", "/v1/usage?since=24h", "").ok(200)
	if ago := time.Since(f.usageFilter.Since); ago < 24*time.Hour || ago > 25*time.Hour {
		t.Errorf("24h is %v ago", ago)
	}
	for _, bad := range []string{"since=yesterday", "since=-1h", "until=2026-13-01", "by=colour"} {
		a := send(t, h, "GET", "/v1/usage?"+bad, "")
		if p := a.problem(400, "invalid"); len(p.Problems) != 1 {
			t.Errorf("%s: %+v", bad, p)
		}
	}
}

// The short receipt is a dictionary as in RFC 9651.
func TestReceiptHeaderIsStructured(t *testing.T) {
	a := send(t, handler(t, newFake().withFunction(), gateway.Options{}), "POST", "/v1/tenants/t/functions/f/invoke", "1")
	d, err := httpsfv.UnmarshalDictionary(a.Header().Values("Bulkhead-Receipt"))
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]any{"outcome": httpsfv.Token("ok"), "cause": httpsfv.Token("process-evicted"), "wall": 1.234, "queued": 2000.0, "memory": int64(1 << 20), "calls": int64(3)} {
		member, ok := d.Get(name)
		if !ok || member.(httpsfv.Item).Value != want {
			t.Errorf("%s: %v, want %v", name, member, want)
		}
	}
}
