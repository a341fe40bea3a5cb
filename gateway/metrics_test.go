package gateway_test

import (
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/bulkhead-run/bulkhead/gateway"
)

func TestMetrics(t *testing.T) {
	own := prometheus.NewGauge(prometheus.GaugeOpts{Name: "bulkhead_test", Help: "Of a caller's own."})
	a := send(t, handler(t, newFake(), gateway.Options{Collectors: []prometheus.Collector{own}}), "GET", "/metrics", "")
	if a.Code != 200 {
		t.Fatalf("%d %s", a.Code, a.Body)
	}
	for _, want := range []string{
		`bulkhead_invocations_total{outcome="ok"} 3`, `bulkhead_invocations_total{outcome="memory"} 0`, `bulkhead_cold_starts_total 2`,
		`bulkhead_sandboxes_ended_total{cause="crash"} 1`, `bulkhead_sandboxes{state="spare"} 2`, `bulkhead_sandboxes{state="other"} 0`,
		`bulkhead_verdicts_total{action="deny",api="kv.get"} 5`, `bulkhead_host_calls_failed_total{api="db.query",code="locked",error="DatabaseError"} 6`,
		"bulkhead_test 0", "go_goroutines",
	} {
		if !strings.Contains(a.Body.String(), want) {
			t.Errorf("%s is missing", want)
		}
	}
}
