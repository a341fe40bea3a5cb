package main

import (
	"context"
	"errors"
	"log/slog"
	"path/filepath"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/bulkhead-run/bulkhead/internal/tracing"
	"github.com/bulkhead-run/bulkhead/platform"
	"github.com/bulkhead-run/bulkhead/platform/db"
	"github.com/bulkhead-run/bulkhead/platform/db/sqlite"
	"github.com/bulkhead-run/bulkhead/platform/fetch"
	"github.com/bulkhead-run/bulkhead/platform/log"
	"github.com/bulkhead-run/bulkhead/supervisor"
)

// apis are the platform APIs that functions may call, with what they hold
// open.
type apis struct {
	list  []platform.API
	fetch *fetch.Fetch
	db    *db.DB
	data  *tenantData
	// collectors show at /metrics what only the APIs know.
	collectors []prometheus.Collector
}

// openAPIs opens the platform APIs; dir is the data directory.
func openAPIs(ctx context.Context, c config, dir string, groups *supervisor.Cgroups, t *tracing.Tracing, logger *slog.Logger) (*apis, error) {
	engine, err := openDatabases(ctx, c, filepath.Join(dir, "db"), groups, logger)
	if err != nil {
		return nil, err
	}
	d := db.New(engine)
	data, err := openTenantData(ctx, c, dir, logger)
	if err != nil {
		return nil, errors.Join(err, d.Close())
	}
	f := fetch.New(fetch.Options{
		MaxBody: int64(c.Fetch.MaxBody), MaxConcurrent: c.Fetch.MaxConcurrent, IdleTimeout: time.Duration(c.Fetch.IdleTimeout),
		Proxy: c.Fetch.Proxy.url(), Rewrite: data.secrets.Rewrite, Trace: injector(t),
	})
	list := append([]platform.API{log.API(), f.API()}, d.APIs()...)
	a := &apis{list: append(list, data.apis()...), fetch: f, db: d, data: data}
	if s, ok := engine.(*sqlite.Engine); ok {
		a.collectors = append(a.collectors, databaseCollector{s})
	}
	return a, nil
}

// Close ends what runs and closes everything.
func (a *apis) Close() error {
	a.fetch.Close()
	var errs []error
	if err := a.db.Close(); err != nil {
		errs = append(errs, errors.New("close the databases"), err)
	}
	return errors.Join(append(errs, a.data.Close())...)
}
