package main

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/bulkhead-run/bulkhead/platform"
	"github.com/bulkhead-run/bulkhead/platform/db"
	"github.com/bulkhead-run/bulkhead/platform/fetch"
	"github.com/bulkhead-run/bulkhead/platform/log"
)

// apis are the platform APIs that functions may call, with what they hold
// open.
type apis struct {
	list  []platform.API
	fetch *fetch.Fetch
	db    *db.DB
}

// openAPIs opens the platform APIs; databases is where tenants' databases lie.
func openAPIs(ctx context.Context, c config, databases string, logger *slog.Logger) (*apis, error) {
	engine, err := openDatabases(ctx, c, databases, logger)
	if err != nil {
		return nil, err
	}
	d := db.New(engine)
	f := fetch.New(fetch.Options{
		MaxBody: int64(c.Fetch.MaxBody), MaxConcurrent: c.Fetch.MaxConcurrent, IdleTimeout: time.Duration(c.Fetch.IdleTimeout), Proxy: c.Fetch.Proxy.url(),
	})
	return &apis{list: append([]platform.API{log.API(), f.API()}, d.APIs()...), fetch: f, db: d}, nil
}

// Close ends what runs and closes everything.
func (a *apis) Close() error {
	a.fetch.Close()
	if err := a.db.Close(); err != nil {
		return errors.Join(errors.New("close the databases"), err)
	}
	return nil
}
