package queue

import (
	"cmp"
	"log/slog"
	"time"

	"github.com/bulkhead-run/bulkhead/internal/store"
)

// maxDelay is the longest delay of a message.
const maxDelay = 24 * time.Hour

// Options configure New. Zero values mean the defaults.
type Options struct {
	// Data is where the streams are. Required; the caller closes it after the
	// Queues.
	Data *store.Data
	// MaxMessage is the largest message in bytes, in its wire form. Default
	// 128 KiB, at most 512 KiB.
	MaxMessage int
	// MaxMessages and MaxBytes are how much a tenant's queues may hold in all,
	// delayed messages and dead letters included. Defaults 10,000 and 64 MiB.
	MaxMessages int
	MaxBytes    int64
	// MaxRate is how many messages a tenant may send per second, in a burst
	// twice as many. Default 200.
	MaxRate int
	// Retention is how long a message is kept that nobody consumes, and a dead
	// letter. Default 7 days.
	Retention time.Duration
	// Logger may be nil.
	Logger *slog.Logger
}

func (o *Options) setDefaults() {
	o.MaxMessage = min(cmp.Or(max(o.MaxMessage, 0), 128<<10), 512<<10)
	o.MaxMessages = cmp.Or(max(o.MaxMessages, 0), 10_000)
	o.MaxBytes = cmp.Or(max(o.MaxBytes, 0), 64<<20)
	o.MaxRate = cmp.Or(max(o.MaxRate, 0), 200)
	o.Retention = max(cmp.Or(max(o.Retention, 0), 7*24*time.Hour), 2*maxDelay)
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
}

// ConsumerOptions configure Consume. Zero values mean the defaults.
type ConsumerOptions struct {
	// Batch is the most messages that the handler gets at once. Default 10,
	// at most 100.
	Batch int
	// MaxAttempts is how often a message is handed out before it becomes a
	// dead letter. Default 5.
	MaxAttempts int
	// Backoff is how long a failed message rests before its second attempt;
	// twice as long before each further one, up to MaxBackoff. Defaults 1 s
	// and 10 min.
	Backoff, MaxBackoff time.Duration
	// Visibility is how long after its consumer died a message is handed out
	// again. Default 30 s.
	Visibility time.Duration
}

func (o *ConsumerOptions) setDefaults() {
	o.Batch = min(cmp.Or(max(o.Batch, 0), 10), 100)
	o.MaxAttempts = cmp.Or(max(o.MaxAttempts, 0), 5)
	o.Backoff = cmp.Or(max(o.Backoff, 0), time.Second)
	o.MaxBackoff = max(cmp.Or(max(o.MaxBackoff, 0), 10*time.Minute), o.Backoff)
	o.Visibility = cmp.Or(max(o.Visibility, 0), 30*time.Second)
}

// rest is how long a message rests after its n-th attempt.
func (o *ConsumerOptions) rest(n uint64) time.Duration {
	d := o.Backoff
	for ; n > 1 && d < o.MaxBackoff; n-- {
		d *= 2
	}
	return min(d, o.MaxBackoff)
}
