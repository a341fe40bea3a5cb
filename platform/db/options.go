package db

// Options configure New. Zero values mean the defaults.
type Options struct {
	// Dir holds the databases, in DIR/TENANT/main.db. It is created if
	// missing. Required.
	Dir string
	// MaxOpen is how many tenants' databases are open at once. Beyond it the
	// one unused for the longest is closed, and if all are in use a call
	// waits. Default 64.
	MaxOpen int
	// MaxConns is how many statements of one tenant run at once; further ones
	// wait. Default 4.
	MaxConns int
	// MaxSize is the largest size of one database in bytes. Default 64 MiB.
	MaxSize int64
	// MaxRows is how many rows one statement may return. Default 1,000.
	MaxRows int
	// MaxResult is how large one result may be, in bytes of JSON. Default
	// 1 MiB.
	MaxResult int
}

func (o *Options) setDefaults() {
	set(&o.MaxOpen, 64)
	set(&o.MaxConns, 4)
	set(&o.MaxSize, 64<<20)
	set(&o.MaxRows, 1000)
	set(&o.MaxResult, 1<<20)
}

func set[T int | int64](v *T, standard T) {
	if *v <= 0 {
		*v = standard
	}
}
