package gateway

import (
	"errors"
	"log/slog"
	"net/http"
	"runtime"
	"slices"
	"sync/atomic"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/bulkhead-run/bulkhead/internal/outcome"
	"github.com/bulkhead-run/bulkhead/supervisor"
)

// metrics serves what there is to count in Prometheus's text format. No label
// is of a tenant's choosing, and those by tenant are of a bounded number.
func (s *Server) metrics() (http.Handler, error) {
	registry := prometheus.NewRegistry()
	errs := []error{
		registry.Register(statsCollector{s.backend, s.options.Version}),
		registry.Register(counted("requests_unauthorized_total", "Requests without a token that allows them.", &s.refusals)),
		registry.Register(counted("asset_answers_total", "Requests that were answered with a static file of a function.", &s.assetAnswers)),
		registry.Register(counted("requests_limited_total", "Invocations over a rate, or over how many may be under way.", &s.limitedRequests)),
		registry.Register(counted("connections_dropped_total", "Connections that were one too many.", &s.dropped)),
		registry.Register(collectors.NewGoCollector()),
		registry.Register(collectors.NewProcessCollector(collectors.ProcessCollectorOpts{})),
	}
	for _, c := range s.options.Collectors {
		errs = append(errs, registry.Register(c))
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	return promhttp.HandlerFor(registry, promhttp.HandlerOpts{
		ErrorLog: slog.NewLogLogger(s.log.Handler(), slog.LevelWarn),
	}), nil
}

// counted shows a counter of the server's own.
func counted(name, help string, n *atomic.Uint64) prometheus.Collector {
	return prometheus.NewCounterFunc(prometheus.CounterOpts{Name: "bulkhead_" + name, Help: help}, func() float64 { return float64(n.Load()) })
}

// statsCollector shows a Backend's Stats as they are at each scrape.
type statsCollector struct {
	backend Backend
	version string
}

func described(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc("bulkhead_"+name, help, labels, nil)
}

var (
	invocationsDesc = described("invocations_total", "Invocations that have ended, by outcome.", "outcome")
	endedDesc       = described("sandboxes_ended_total", "Sandbox processes that have ended, by cause.", "cause")
	verdictsDesc    = described("verdicts_total", "Decisions about host calls, by API and action.", "api", "action")
	failedDesc      = described("host_calls_failed_total", "Host calls that were allowed and ended in an exception, by its name and code.", "api", "error", "code")
	sandboxesDesc   = described("sandboxes", "Sandbox processes there are: spare, idle (a tenant's that runs nothing), assigned (at work) or other (being started, or ending).", "state")
	buildDesc       = described("build_info", "1, labelled with the supervisor's version and that of Go.", "version", "go_version")
)

// counters and gauges are those without labels.
var (
	counters = []plainMetric{
		{described("cold_starts_total", "Invocations that waited for a process, for code to be loaded or for an instance."), func(n *supervisor.Stats) float64 { return float64(n.Cold) }},
		{described("retries_total", "Invocations that were run again because another one's process had to be killed."), func(n *supervisor.Stats) float64 { return float64(n.Retried) }},
		{described("refusals_total", "How often there was no process for a tenant."), func(n *supervisor.Stats) float64 { return float64(n.Refused) }},
		{described("shed_total", "Requests that were refused because memory was running out."), func(n *supervisor.Stats) float64 { return float64(n.Shed) }},
		{described("sandboxes_started_total", "Sandbox processes that have been started."), func(n *supervisor.Stats) float64 { return float64(n.Started) }},
		{described("snapshots_stored_total", "Snapshots that were stored on disk."), func(n *supervisor.Stats) float64 { return float64(n.SnapshotsStored) }},
		{described("snapshots_used_total", "How often a process loaded a snapshot instead of the source."), func(n *supervisor.Stats) float64 { return float64(n.SnapshotsUsed) }},
		{described("snapshots_failed_total", "How often a snapshot could not be stored or read."), func(n *supervisor.Stats) float64 { return float64(n.SnapshotsFailed) }},
		{described("automatic_rollbacks_total", "Splits that ended because their candidate failed too often."), func(n *supervisor.Stats) float64 { return float64(n.Rollbacks) }},
		{described("audit_entries_lost_total", "Entries of the audit log that could not be written."), func(n *supervisor.Stats) float64 { return float64(n.AuditLost) }},
	}
	gauges = []plainMetric{
		{described("requests_running", "Requests in flight."), func(n *supervisor.Stats) float64 { return float64(n.Running) }},
		{described("memory_pressure", "0: plenty of memory; 1: no process is started; 2: no invocation is let in."), func(n *supervisor.Stats) float64 { return float64(n.Pressure) }},
		{described("invocations_computing", "Invocations that compute, and do not wait for a host call."), func(n *supervisor.Stats) float64 { return float64(n.Computing) }},
		{described("invocations_waiting", "Invocations that wait for their turn beside other tenants'."), func(n *supervisor.Stats) float64 { return float64(n.Lined) }},
		{described("sandboxes_max", "The most sandbox processes there may be."), func(n *supervisor.Stats) float64 { return float64(n.Capacity) }},
		{described("queue_length", "Invocations that wait for their function's concurrency."), func(n *supervisor.Stats) float64 { return float64(n.Waiting) }},
		{described("snapshots", "Snapshots on disk."), func(n *supervisor.Stats) float64 { return float64(n.Snapshots) }},
		{described("snapshot_bytes", "Size of the snapshots on disk."), func(n *supervisor.Stats) float64 { return float64(n.SnapshotBytes) }},
	}
)

type plainMetric struct {
	desc *prometheus.Desc
	of   func(*supervisor.Stats) float64
}

// Describe implements prometheus.Collector.
func (c statsCollector) Describe(to chan<- *prometheus.Desc) {
	for _, d := range append(slices.Clone(tenantDescs), invocationsDesc, endedDesc, verdictsDesc, failedDesc, sandboxesDesc, buildDesc) {
		to <- d
	}
	for _, m := range histograms {
		to <- m.desc
	}
	for _, list := range [][]plainMetric{counters, gauges} {
		for _, m := range list {
			to <- m.desc
		}
	}
}

// Collect implements prometheus.Collector.
func (c statsCollector) Collect(to chan<- prometheus.Metric) {
	n := c.backend.Stats()
	send := func(d *prometheus.Desc, kind prometheus.ValueType, v float64, labels ...string) {
		to <- prometheus.MustNewConstMetric(d, kind, v, labels...)
	}
	for _, o := range outcome.All() { // also those that have not come up
		send(invocationsDesc, prometheus.CounterValue, float64(n.Invocations[o]), o.String())
	}
	for cause, v := range n.Ended {
		send(endedDesc, prometheus.CounterValue, float64(v), cause)
	}
	for d, v := range n.Verdicts {
		send(verdictsDesc, prometheus.CounterValue, float64(v), d.API, d.Action)
	}
	for f, v := range n.FailedCalls {
		send(failedDesc, prometheus.CounterValue, float64(v), f.API, f.Name, f.Code)
	}
	send(buildDesc, prometheus.GaugeValue, 1, c.version, runtime.Version())
	busy := min(n.Busy, n.Tenants) // they were counted one after the other
	send(sandboxesDesc, prometheus.GaugeValue, float64(busy), "assigned")
	send(sandboxesDesc, prometheus.GaugeValue, float64(n.Tenants-busy), "idle")
	send(sandboxesDesc, prometheus.GaugeValue, float64(n.Spares), "spare")
	send(sandboxesDesc, prometheus.GaugeValue, float64(max(n.Processes-n.Tenants-n.Spares, 0)), "other")
	for _, m := range histograms {
		m.send(to, m.of(&n.Timings))
	}
	sendTenants(send, n.ByTenant)
	for _, m := range counters {
		send(m.desc, prometheus.CounterValue, m.of(&n))
	}
	for _, m := range gauges {
		send(m.desc, prometheus.GaugeValue, m.of(&n))
	}
}
