package kv

import (
	"cmp"
	"log/slog"

	"github.com/bulkhead-run/bulkhead/internal/store"
)

// Bounds of what a call may ask for.
const (
	maxKey    = 512
	maxPage   = 1000
	usualPage = 100
)

// Options configure New. Zero values mean the defaults.
type Options struct {
	// Data is where the streams are. Required; the caller closes it after the
	// KV.
	Data *store.Data
	// MaxValue is the largest value in bytes, in its wire form. Default
	// 64 KiB, at most 512 KiB.
	MaxValue int
	// MaxBytes is how much a tenant may store: keys and values in bytes.
	// Default 64 MiB.
	MaxBytes int64
	// MaxKeys is how many keys a tenant may have. Default 10,000.
	MaxKeys int
	// MaxOpen is how many tenants' keys are in memory. Beyond it those unused
	// for the longest are read again when they are needed. Default 256.
	MaxOpen int
	// CacheBytes bounds the values in memory, of all tenants together.
	// Default 64 MiB.
	CacheBytes int64
	// Logger may be nil.
	Logger *slog.Logger
}

func (o *Options) setDefaults() {
	o.MaxValue = min(cmp.Or(max(o.MaxValue, 0), 64<<10), 512<<10)
	o.MaxBytes = cmp.Or(max(o.MaxBytes, 0), 64<<20)
	o.MaxKeys = cmp.Or(max(o.MaxKeys, 0), 10_000)
	o.MaxOpen = cmp.Or(max(o.MaxOpen, 0), 256)
	o.CacheBytes = cmp.Or(max(o.CacheBytes, 0), 64<<20)
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
}
