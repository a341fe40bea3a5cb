package main

import (
	"errors"
	"time"

	"github.com/bulkhead-run/bulkhead/internal/outcome"
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
func openAPIs(c config, databases string) (*apis, error) {
	d, err := db.New(db.Options{
		Dir: databases, MaxOpen: c.DB.MaxOpen, MaxConns: c.DB.MaxConns,
		MaxSize: int64(c.DB.MaxSize), MaxRows: c.DB.MaxRows, MaxResult: int(c.DB.MaxResult),
	})
	if err != nil {
		return nil, &outcome.Error{Outcome: outcome.Invalid, Detail: "cannot open the databases' directory: " + err.Error(), Err: err}
	}
	f := fetch.New(fetch.Options{
		MaxBody: int64(c.Fetch.MaxBody), MaxConcurrent: c.Fetch.MaxConcurrent, IdleTimeout: time.Duration(c.Fetch.IdleTimeout), Proxy: c.Fetch.Proxy.url(),
	})
	return &apis{list: []platform.API{log.API(), f.API(), d.API()}, fetch: f, db: d}, nil
}

// Close ends what runs and closes everything.
func (a *apis) Close() error {
	a.fetch.Close()
	if err := a.db.Close(); err != nil {
		return errors.Join(errors.New("close the databases"), err)
	}
	return nil
}
