package postgres

import (
	"log/slog"
	"time"
)

// Options configure New. Zero values mean the defaults.
type Options struct {
	// URL is the administrator's connection, as libpq writes it, to a database
	// of Bulkhead's own. The role needs CREATEROLE and has to own the
	// database; a superuser can also revoke what is shared (pg_notify,
	// advisory locks, large objects) and set temp_file_limit. Required.
	URL string
	// Key derives the passwords of tenants' roles, at least 16 bytes that
	// nobody else knows. With another key the roles get other passwords.
	// Required.
	Key []byte
	// MaxPools is how many tenants have connections at once, before those
	// unused for the longest are closed. Default 64.
	MaxPools int
	// MaxConns is how many statements of one tenant run at once; further ones
	// wait. Default 4.
	MaxConns int
	// MaxRows is how many rows one statement may return. Default 1,000.
	MaxRows int
	// MaxResult is how large one result may be, in bytes of its values and,
	// in every row, of the columns' names. Default 1 MiB.
	MaxResult int
	// MaxSize is the size of a tenant's tables and indexes beyond which
	// nothing is added, in bytes. It is measured now and then, so a tenant can
	// be over it for a moment. Default 1 GiB.
	MaxSize int64
	// StatementTimeout is the server's own limit; the invocation's deadline
	// comes first as a rule. Default 1 minute.
	StatementTimeout time.Duration
	// IdleTimeout is how long an unused connection stays. Default 1 minute.
	IdleTimeout time.Duration
	// Logger gets a line when the server refuses or fails. Default: none.
	Logger *slog.Logger
}

func (o *Options) setDefaults() {
	set(&o.MaxPools, 64)
	set(&o.MaxConns, 4)
	set(&o.MaxRows, 1000)
	set(&o.MaxResult, 1<<20)
	set(&o.MaxSize, 1<<30)
	set(&o.StatementTimeout, time.Minute)
	set(&o.IdleTimeout, time.Minute)
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
}

func set[T int | int64 | time.Duration](v *T, standard T) {
	if *v <= 0 {
		*v = standard
	}
}
