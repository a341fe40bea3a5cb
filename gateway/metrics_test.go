package gateway_test

import (
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil/promlint"

	"github.com/bulkhead-run/bulkhead/gateway"
	"github.com/bulkhead-run/bulkhead/internal/outcome"
	"github.com/bulkhead-run/bulkhead/supervisor"
)

// measured is a Backend with everything that there is to count.
type measured struct {
	*fake
	tenants []supervisor.TenantTotals
}

func (m measured) Stats() supervisor.Stats {
	n := m.fake.Stats()
	h := supervisor.Histogram{Counts: make([]uint64, len(supervisor.HistogramBounds)+1), Sum: 1500 * time.Millisecond}
	h.Counts[3], h.Counts[len(h.Counts)-1] = 2, 1
	n.Timings = supervisor.Timings{Cold: h, Warm: h, Start: h, Queue: h}
	n.ByTenant, n.Waiting, n.Busy, n.Capacity = m.tenants, 4, 1, 256
	return n
}

func scrape(t *testing.T, m measured) string {
	t.Helper()
	own := prometheus.NewGauge(prometheus.GaugeOpts{Name: "bulkhead_test", Help: "Of a caller's own."})
	a := send(t, handler(t, m, gateway.Options{Version: "v9", Collectors: []prometheus.Collector{own}}), "GET", "/metrics", "")
	if a.Code != 200 {
		t.Fatalf("%d %s", a.Code, a.Body)
	}
	return a.Body.String()
}

var acme = supervisor.TenantTotals{
	Tenant: "acme", Invocations: map[outcome.Outcome]uint64{outcome.OK: 7}, Cold: 2, Kills: 1,
	Duration: 2500 * time.Millisecond, CPU: 250 * time.Millisecond, Resident: 1 << 20,
}

func TestMetrics(t *testing.T) {
	text := scrape(t, measured{newFake(), []supervisor.TenantTotals{acme, {Tenant: supervisor.OtherTenants}}})
	for _, want := range []string{
		`bulkhead_invocations_total{outcome="ok"} 3`, `bulkhead_invocations_total{outcome="memory"} 0`, `bulkhead_cold_starts_total 2`,
		`bulkhead_sandboxes_ended_total{cause="crash"} 1`, `bulkhead_sandboxes{state="spare"} 2`, `bulkhead_sandboxes{state="other"} 0`,
		`bulkhead_sandboxes{state="assigned"} 1`, `bulkhead_sandboxes{state="idle"} 0`, `bulkhead_sandboxes_max 256`, `bulkhead_queue_length 4`,
		`bulkhead_verdicts_total{action="deny",api="kv.get"} 5`, `bulkhead_host_calls_failed_total{api="db.query",code="locked",error="DatabaseError"} 6`,
		`bulkhead_invocation_duration_seconds_bucket{start="cold",le="0.001"} 2`, `bulkhead_invocation_duration_seconds_bucket{start="warm",le="+Inf"} 3`,
		`bulkhead_queue_wait_seconds_sum 1.5`, `bulkhead_cold_start_wait_seconds_count 3`,
		`bulkhead_tenant_invocations_total{outcome="ok",tenant="acme"} 7`, `bulkhead_tenant_invocation_seconds_total{tenant="acme"} 2.5`,
		`bulkhead_tenant_cpu_seconds_total{tenant="acme"} 0.25`, `bulkhead_tenant_resident_memory_bytes{tenant="acme"} 1.048576e+06`,
		`bulkhead_tenant_kills_total{tenant="_other"} 0`, `bulkhead_build_info{go_version="go`, `version="v9"} 1`,
		"bulkhead_test 0", "go_goroutines",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("%s is missing", want)
		}
	}
	// Names, units and help as Prometheus has them.
	problems, err := promlint.New(strings.NewReader(text)).Lint()
	for _, p := range problems {
		if strings.HasPrefix(p.Metric, "bulkhead_") {
			t.Errorf("%s: %s", p.Metric, p.Text)
		}
	}
	if err != nil {
		t.Error(err)
	}
}

var metricType = regexp.MustCompile(`(?m)^# TYPE (bulkhead_\w+) (\w+)$`)

// The documentation's table has every metric, with its type, and no other.
func TestMetricsAreDocumented(t *testing.T) {
	page, err := os.ReadFile("../docs/observability.md")
	if err != nil {
		t.Fatal(err)
	}
	documented := make(map[string]string)
	for _, row := range regexp.MustCompile("(?m)^\\| `(bulkhead_\\w+)[^`]*` \\| (\\w+) \\|").FindAllStringSubmatch(string(page), -1) {
		documented[row[1]] = row[2]
	}
	for _, m := range metricType.FindAllStringSubmatch(scrape(t, measured{newFake(), []supervisor.TenantTotals{acme}}), -1) {
		if m[1] != "bulkhead_test" && documented[m[1]] != m[2] {
			t.Errorf("%s is a %s; the table says %q", m[1], m[2], documented[m[1]])
		}
		delete(documented, m[1])
	}
	for name := range documented {
		// Those of databases and traces are collectors that serve adds.
		if !strings.HasPrefix(name, "bulkhead_database") && !strings.HasPrefix(name, "bulkhead_trace_") {
			t.Errorf("the table has %s, which there is not", name)
		}
	}
}

// One series each for every label that there is, and none besides.
func TestMetricsByTenantAreAsManyAsTheLabels(t *testing.T) {
	var totals []supervisor.TenantTotals
	for i := range 100 {
		one := acme
		one.Tenant = fmt.Sprint("t", i)
		totals = append(totals, one)
	}
	text := scrape(t, measured{newFake(), totals})
	if n := strings.Count(text, "\nbulkhead_tenant_"); n != 600 {
		t.Errorf("%d series by tenant; want 600", n)
	}
}
