package storage

import (
	"cmp"
	"log/slog"
)

// Bounds of what a call may ask for.
const (
	maxKey         = 512
	maxName        = 900 // of an encoded key
	maxContentType = 256
	maxMetadata    = 2 << 10 // names and values
	maxPage        = 1000
	usualPage      = 100
)

// Options configure Open. Zero values mean the defaults.
type Options struct {
	// URL says where objects are: the path of a folder, which is created for
	// this user alone when missing; or, in a program that imports the package
	// cloud, "s3://BUCKET?region=REGION" or, built with the tag gcs,
	// "gs://BUCKET", with the parameters of gocloud.dev/blob and credentials
	// as the SDKs of these clouds find them. Required.
	URL string
	// MaxObject is the largest object in bytes. Default 64 MiB.
	MaxObject int64
	// MaxBytes and MaxObjects are how much a tenant may store. Defaults 1 GiB
	// and 10,000.
	MaxBytes   int64
	MaxObjects int
	// MaxInline is the largest body that storage.get returns without a stream.
	// Default 256 KiB, at most 1 MiB.
	MaxInline int64
	// MaxConcurrent is how many calls one tenant has on their way at once;
	// further ones wait. Default 16.
	MaxConcurrent int
	// MaxOpen is how many tenants' lists of objects are in memory. Default 256.
	MaxOpen int
	// Logger may be nil.
	Logger *slog.Logger
}

func (o *Options) setDefaults() {
	o.MaxObject = cmp.Or(max(o.MaxObject, 0), 64<<20)
	o.MaxBytes = cmp.Or(max(o.MaxBytes, 0), 1<<30)
	o.MaxObjects = cmp.Or(max(o.MaxObjects, 0), 10_000)
	o.MaxInline = min(cmp.Or(max(o.MaxInline, 0), 256<<10), 1<<20)
	o.MaxConcurrent = cmp.Or(max(o.MaxConcurrent, 0), 16)
	o.MaxOpen = cmp.Or(max(o.MaxOpen, 0), 256)
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
}
