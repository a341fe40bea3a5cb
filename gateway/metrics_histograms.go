package gateway

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/bulkhead-run/bulkhead/supervisor"
)

// histogram shows one of the supervisor's; those of one name differ by their
// label's value.
type histogram struct {
	desc   *prometheus.Desc
	labels []string
	of     func(*supervisor.Timings) supervisor.Histogram
}

var durationDesc = described("invocation_duration_seconds", "How long invocations took, from the request to the result, by whether they were cold or warm starts.", "start")

var histograms = []histogram{
	{durationDesc, []string{"cold"}, func(t *supervisor.Timings) supervisor.Histogram { return t.Cold }},
	{durationDesc, []string{"warm"}, func(t *supervisor.Timings) supervisor.Histogram { return t.Warm }},
	{described("cold_start_wait_seconds", "How long cold starts waited for a process and for their code to be loaded."), nil, func(t *supervisor.Timings) supervisor.Histogram { return t.Start }},
	{described("queue_wait_seconds", "How long invocations waited for their function's concurrency."), nil, func(t *supervisor.Timings) supervisor.Histogram { return t.Queue }},
}

func (m histogram) send(to chan<- prometheus.Metric, h supervisor.Histogram) {
	buckets := make(map[float64]uint64, len(supervisor.HistogramBounds))
	var count uint64
	for i, n := range h.Counts {
		count += n
		if i < len(supervisor.HistogramBounds) {
			buckets[supervisor.HistogramBounds[i].Seconds()] = count
		}
	}
	to <- prometheus.MustNewConstHistogram(m.desc, count, h.Sum.Seconds(), buckets, m.labels...)
}

var (
	tenantInvocationsDesc = described("tenant_invocations_total", "Invocations of a tenant that have ended, by outcome.", "tenant", "outcome")
	tenantDurationDesc    = described("tenant_invocation_seconds_total", "How long a tenant's invocations took together.", "tenant")
	tenantColdDesc        = described("tenant_cold_starts_total", "Cold starts of a tenant's functions.", "tenant")
	tenantKillsDesc       = described("tenant_kills_total", "Sandbox processes of a tenant that had to be killed, or died.", "tenant")
	tenantCPUDesc         = described("tenant_cpu_seconds_total", "CPU time that a tenant's sandbox processes used.", "tenant")
	tenantMemoryDesc      = described("tenant_resident_memory_bytes", "What a tenant's sandbox processes have in memory, with what they share with others.", "tenant")

	tenantDescs = []*prometheus.Desc{tenantInvocationsDesc, tenantDurationDesc, tenantColdDesc, tenantKillsDesc, tenantCPUDesc, tenantMemoryDesc}
)

// sendTenants shows the totals by tenant. Of outcomes there are those that have
// come up.
func sendTenants(send func(*prometheus.Desc, prometheus.ValueType, float64, ...string), totals []supervisor.TenantTotals) {

	for _, t := range totals {
		for o, n := range t.Invocations {
			send(tenantInvocationsDesc, prometheus.CounterValue, float64(n), t.Tenant, o.String())
		}
		send(tenantDurationDesc, prometheus.CounterValue, t.Duration.Seconds(), t.Tenant)
		send(tenantColdDesc, prometheus.CounterValue, float64(t.Cold), t.Tenant)
		send(tenantKillsDesc, prometheus.CounterValue, float64(t.Kills), t.Tenant)
		send(tenantCPUDesc, prometheus.CounterValue, t.CPU.Seconds(), t.Tenant)
		send(tenantMemoryDesc, prometheus.GaugeValue, float64(t.Resident), t.Tenant)
	}
}
