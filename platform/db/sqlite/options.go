package sqlite

import (
	"log/slog"
	"maps"
	"time"

	"github.com/bulkhead-run/bulkhead/internal/cgroup"
	"github.com/bulkhead-run/bulkhead/internal/confine"
	"github.com/bulkhead-run/bulkhead/platform/db/wire"
)

// Options configure New. Zero values mean the defaults.
type Options struct {
	// Dir holds the databases, in DIR/TENANT/main.db. It is created if
	// missing. Required.
	Dir string
	// Binary is the file of cmd/database. Default: the file "database" beside
	// this program.
	Binary string
	// MaxProcesses is how many tenants' processes run at once. Beyond it the
	// one unused for the longest is stopped, and if all are in use a call
	// waits. Default 64.
	MaxProcesses int
	// MaxConns is how many statements of one tenant run at once; further ones
	// wait. One of them may write. At least 2, at most 64; default 4.
	MaxConns int
	// MaxSize is the largest size of one database in bytes. Default 64 MiB.
	MaxSize int64
	// MaxMemory is how much memory one process may take, in bytes, beside
	// what an idle one takes. Default 128 MiB.
	MaxMemory int64
	// MaxRows is how many rows one statement may return. Default 1,000.
	MaxRows int
	// MaxResult is how large one result may be, in bytes of its values and,
	// in every row, of the columns' names. Default 1 MiB.
	MaxResult int
	// IdleTimeout is how long an unused process stays. Default 1 minute.
	IdleTimeout time.Duration
	// Grace is how long a statement may run past its deadline before its
	// process is killed. Default 250 ms.
	Grace time.Duration
	// Layers say which parts of the processes' lock-down are required,
	// preferred or off, by name, as for sandbox processes. "user" is always off: the process
	// keeps the supervisor's user, to whom the files belong.
	Layers confine.Modes
	// Cgroups, if not nil, is where each process gets a control group of its own,
	// with MaxMemory and what an idle process takes as its limit. It stays the
	// caller's.
	Cgroups *cgroup.Tree
	// Logger gets a line when a process does not start, dies or is killed.
	// Default: none.
	Logger *slog.Logger
}

// The defaults.
const (
	DefaultMaxProcesses = 64
	DefaultMaxConns     = 4
	DefaultMaxSize      = 64 << 20
	DefaultMaxMemory    = 128 << 20
	DefaultMaxRows      = 1000
	DefaultMaxResult    = 1 << 20
	DefaultIdleTimeout  = time.Minute
	DefaultGrace        = 250 * time.Millisecond
)

func (o *Options) setDefaults() {
	set(&o.MaxProcesses, DefaultMaxProcesses)
	set(&o.MaxConns, DefaultMaxConns)
	set(&o.MaxSize, DefaultMaxSize)
	set(&o.MaxMemory, DefaultMaxMemory)
	set(&o.MaxRows, DefaultMaxRows)
	set(&o.MaxResult, DefaultMaxResult)
	set(&o.IdleTimeout, DefaultIdleTimeout)
	set(&o.Grace, DefaultGrace)
	o.Layers = maps.Clone(o.Layers)
	if o.Layers == nil {
		o.Layers = make(confine.Modes)
	}
	o.Layers["user"] = confine.Off
	o.MaxConns = min(max(o.MaxConns, 2), 64)
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
}

func set[T int | int64 | time.Duration](v *T, standard T) {
	if *v <= 0 {
		*v = standard
	}
}

func (o *Options) config() wire.Config {
	return wire.Config{
		Version: wire.Version, Connections: o.MaxConns, MaxSize: o.MaxSize, MaxMemory: o.MaxMemory,
		MaxRows: o.MaxRows, MaxResult: o.MaxResult,
		Lockdown: confine.Config{Modes: o.Layers}.String(),
	}
}
