package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/urfave/cli/v2"

	"github.com/bulkhead-run/bulkhead/internal/outcome"
	"github.com/bulkhead-run/bulkhead/platform/db"
	"github.com/bulkhead-run/bulkhead/platform/db/postgres"
	"github.com/bulkhead-run/bulkhead/platform/db/sqlite"
	"github.com/bulkhead-run/bulkhead/supervisor"
)

func databaseFlag() cli.Flag {
	return &cli.StringFlag{
		Name: "database-bin", Usage: "`PATH` of the database binary (default: beside this one)", EnvVars: []string{"BULKHEAD_DATABASE_BIN"},
	}
}

// openDatabases opens what the configuration has tenants' databases kept by;
// dir is where SQLite's lie, groups where their processes get control groups, if
// it is not nil.
func openDatabases(ctx context.Context, c config, dir string, groups *supervisor.Cgroups, logger *slog.Logger) (db.Engine, error) {
	if c.Postgres.URL != "" {
		return openPostgres(ctx, c, dir, logger)
	}
	e, err := sqlite.New(sqlite.Options{
		Dir: dir, Binary: c.DatabaseBin, Logger: logger, Cgroups: groups,
		MaxProcesses: c.DB.MaxProcesses, MaxConns: c.DB.MaxConns,
		MaxSize: int64(c.DB.MaxSize), MaxMemory: int64(c.DB.MaxMemory),
		MaxRows: c.DB.MaxRows, MaxResult: int(c.DB.MaxResult),
		IdleTimeout: time.Duration(c.DB.IdleTimeout), Grace: time.Duration(c.DB.Grace), Layers: c.Layers.modes(),
	})
	if err != nil {
		return nil, &outcome.Error{
			Outcome: outcome.Invalid, Detail: "cannot keep tenants' databases: " + err.Error(), Err: err,
			Remedy: "the program \"database\" belongs beside the supervisor; name it with --database-bin if it lies elsewhere",
		}
	}
	return e, nil
}

func openPostgres(ctx context.Context, c config, dir string, logger *slog.Logger) (db.Engine, error) {
	file := c.Postgres.KeyFile
	switch {
	case file == "":
		file = filepath.Join(dir, "postgres.key")
	case !filepath.IsAbs(file):
		file = filepath.Join(c.dir, file)
	}
	key, err := keyFrom(file)
	if err != nil {
		return nil, &outcome.Error{Outcome: outcome.Invalid, Detail: fmt.Sprintf("cannot use the key of tenants' PostgreSQL passwords, %s: %v", file, plain(err)), Err: err}
	}
	e, err := postgres.New(ctx, postgres.Options{
		URL: c.Postgres.URL, Key: key, Logger: logger,
		MaxPools: c.Postgres.MaxTenants, StatementTimeout: time.Duration(c.Postgres.StatementTimeout),
		MaxConns: c.DB.MaxConns, MaxSize: int64(c.DB.MaxSize), MaxRows: c.DB.MaxRows, MaxResult: int(c.DB.MaxResult),
		IdleTimeout: time.Duration(c.DB.IdleTimeout),
	})
	if err != nil {
		return nil, &outcome.Error{
			Outcome: outcome.Invalid, Detail: "cannot keep tenants' databases on PostgreSQL: " + err.Error(), Err: err,
			Remedy: "see docs/database.md for what the server and its administrator's role need",
		}
	}
	return e, nil
}

const keySize = 32

// keyFrom reads a secret key that only we may read, and makes it if it is
// missing.
func keyFrom(file string) ([]byte, error) {
	key, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		key = make([]byte, keySize)
		_, _ = rand.Read(key) // it cannot fail
		if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
			return nil, err
		}
		// O_EXCL: of two that make it at once, one fails rather than that its
		// passwords change.
		f, err := os.OpenFile(file, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
		if err != nil {
			return nil, err
		}
		_, err = f.Write(key)
		return key, errors.Join(err, f.Sync(), f.Close())
	}
	if err != nil {
		return nil, err
	}
	info, err := os.Stat(file)
	if err != nil {
		return nil, err
	}
	if info.Mode().Perm()&0o077 != 0 {
		return nil, fmt.Errorf("others may read it (its mode is %#o); chmod 600 it", info.Mode().Perm())
	}
	return key, nil
}

// databaseCollector shows SQLite's processes at /metrics.
type databaseCollector struct{ engine *sqlite.Engine }

var (
	databasesDesc        = prometheus.NewDesc("bulkhead_databases", "Database processes there are.", nil, nil)
	databasesStartedDesc = prometheus.NewDesc("bulkhead_databases_started_total", "Database processes that have been started.", nil, nil)
	databasesEndedDesc   = prometheus.NewDesc("bulkhead_databases_ended_total", "Database processes that have ended early, by cause.", []string{"cause"}, nil)
	databaseFaultsDesc   = prometheus.NewDesc("bulkhead_database_failures_total", "Failures of statements and of opening databases, by code.", []string{"code"}, nil)
)

// Describe implements prometheus.Collector.
func (c databaseCollector) Describe(to chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{databasesDesc, databasesStartedDesc, databasesEndedDesc, databaseFaultsDesc} {
		to <- d
	}
}

// Collect implements prometheus.Collector.
func (c databaseCollector) Collect(to chan<- prometheus.Metric) {
	n := c.engine.Stats()
	to <- prometheus.MustNewConstMetric(databasesDesc, prometheus.GaugeValue, float64(n.Processes))
	to <- prometheus.MustNewConstMetric(databasesStartedDesc, prometheus.CounterValue, float64(n.Started))
	for cause, v := range map[string]uint64{"crash": n.Crashed, "deadline": n.Killed, "violation": n.Violations, "memory": n.OutOfMemory} {
		to <- prometheus.MustNewConstMetric(databasesEndedDesc, prometheus.CounterValue, float64(v), cause)
	}
	for code, v := range n.Failures {
		to <- prometheus.MustNewConstMetric(databaseFaultsDesc, prometheus.CounterValue, float64(v), strings.ToValidUTF8(code, "?"))
	}
}
