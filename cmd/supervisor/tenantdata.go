package main

import (
	"context"
	"errors"
	"log/slog"
	"path/filepath"
	"sync/atomic"
	"time"

	"github.com/bulkhead-run/bulkhead/internal/outcome"
	"github.com/bulkhead-run/bulkhead/internal/store"
	"github.com/bulkhead-run/bulkhead/platform"
	"github.com/bulkhead-run/bulkhead/platform/env"
	"github.com/bulkhead-run/bulkhead/platform/invoke"
	"github.com/bulkhead-run/bulkhead/platform/kv"
	"github.com/bulkhead-run/bulkhead/platform/queue"
	"github.com/bulkhead-run/bulkhead/platform/secrets"
	"github.com/bulkhead-run/bulkhead/platform/storage"
	_ "github.com/bulkhead-run/bulkhead/platform/storage/cloud" // s3://
	"github.com/bulkhead-run/bulkhead/supervisor"
	"github.com/bulkhead-run/bulkhead/value"
)

type kvConfig struct {
	MaxValue size `yaml:"max_value"`
	MaxBytes size `yaml:"max_bytes"`
	MaxKeys  int  `yaml:"max_keys"`
	Cache    size `yaml:"cache"`
}

type storageConfig struct {
	URL           string `yaml:"url"`
	MaxObject     size   `yaml:"max_object"`
	MaxBytes      size   `yaml:"max_bytes"`
	MaxObjects    int    `yaml:"max_objects"`
	MaxInline     size   `yaml:"max_inline"`
	MaxConcurrent int    `yaml:"max_concurrent"`
}

type queueConfig struct {
	MaxMessage  size     `yaml:"max_message"`
	MaxMessages int      `yaml:"max_messages"`
	MaxBytes    size     `yaml:"max_bytes"`
	MaxRate     int      `yaml:"max_rate"`
	Retention   duration `yaml:"retention"`
}

type secretsConfig struct {
	KeyFile string `yaml:"key_file"`
}

type invokeConfig struct {
	MaxDepth int `yaml:"max_depth"`
	MaxCalls int `yaml:"max_calls"`
}

// tenantData is what tenants' functions store, and what operators store for
// them.
type tenantData struct {
	streams *store.Data
	kv      *kv.KV
	queues  *queue.Queues
	objects *storage.Storage
	secrets *secrets.Secrets
	env     *env.Env
	// supervisor runs what invoke asks for. It is set once there is one.
	supervisor atomic.Pointer[supervisor.Supervisor]
	invoke     platform.API
}

// openTenantData opens it below the data directory.
func openTenantData(ctx context.Context, c config, dir string, logger *slog.Logger) (_ *tenantData, err error) {
	d := &tenantData{}
	defer func() {
		if err == nil {
			return
		}
		err = errors.Join(err, d.Close())
		var known *outcome.Error
		if !errors.As(err, &known) {
			err = &outcome.Error{Outcome: outcome.Invalid, Detail: "cannot open what tenants store: " + err.Error(), Err: err}
		}
	}()
	keys, err := secrets.LoadKeys(c.path(c.Secrets.KeyFile))
	if err != nil && !errors.Is(err, secrets.ErrNoKey) || err != nil && c.Secrets.KeyFile != "" {
		return nil, err
	}
	if d.secrets, err = secrets.New(secrets.Options{Dir: filepath.Join(dir, "secrets"), Keys: keys, Logger: logger}); err != nil {
		return nil, err
	}
	if d.env, err = env.New(filepath.Join(dir, "env")); err != nil {
		return nil, err
	}
	if d.streams, err = store.OpenData(store.Options{Dir: filepath.Join(dir, "streams"), Logger: logger}); err != nil {
		return nil, err
	}
	url := c.path(c.Storage.URL)
	if url == "" {
		url = filepath.Join(dir, "storage")
	}
	d.objects, err = storage.Open(ctx, storage.Options{
		URL: url, MaxObject: int64(c.Storage.MaxObject), MaxBytes: int64(c.Storage.MaxBytes), MaxObjects: c.Storage.MaxObjects,
		MaxInline: int64(c.Storage.MaxInline), MaxConcurrent: c.Storage.MaxConcurrent, Logger: logger,
	})
	if err != nil {
		return nil, err
	}
	d.kv = kv.New(kv.Options{
		Data: d.streams, MaxValue: int(c.KV.MaxValue), MaxBytes: int64(c.KV.MaxBytes), MaxKeys: c.KV.MaxKeys,
		CacheBytes: int64(c.KV.Cache), Logger: logger,
	})
	d.queues = queue.New(queue.Options{
		Data: d.streams, MaxMessage: int(c.Queue.MaxMessage), MaxMessages: c.Queue.MaxMessages, MaxBytes: int64(c.Queue.MaxBytes),
		MaxRate: c.Queue.MaxRate, Retention: time.Duration(c.Queue.Retention), Logger: logger,
	})
	d.invoke = invoke.API(invoke.Options{Invoker: d.run, MaxDepth: c.Invoke.MaxDepth, MaxCalls: c.Invoke.MaxCalls})
	return d, nil
}

// run is the Invoker of the platform API invoke.
func (d *tenantData) run(ctx context.Context, tenant, function string, event value.Wire) (value.Wire, error) {
	s := d.supervisor.Load()
	if s == nil {
		return nil, &outcome.Error{Outcome: outcome.Overloaded, Detail: "the supervisor is starting"}
	}
	r, err := s.InvokeValue(ctx, tenant, function, event)
	return r.Wire, err
}

func (d *tenantData) apis() []platform.API {
	list := []platform.API{d.queues.API(), d.secrets.API(), d.invoke}
	list = append(list, d.kv.APIs()...)
	list = append(list, d.objects.APIs()...)
	return append(list, d.env.APIs()...)
}

// Close ends what runs and closes everything.
func (d *tenantData) Close() error {
	var errs []error
	if d.kv != nil {
		d.kv.Close()
	}
	if d.objects != nil {
		errs = append(errs, d.objects.Close())
	}
	if d.streams != nil {
		errs = append(errs, d.streams.Close())
	}
	return errors.Join(errs...)
}
