package ledger

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"time"
)

const (
	// gathering is how often what was used is written: what a supervisor that
	// is killed forgets at most.
	gathering = 5 * time.Second
	// maxGathered is how many functions' use is gathered before it is written
	// early.
	maxGathered = 4096
	// DefaultKeep is how long hours are kept.
	DefaultKeep = 35 * 24 * time.Hour
)

// Options configure a Ledger.
type Options struct {
	// Dir is where the files lie. Empty keeps everything in memory, until
	// Close.
	Dir string
	// Keep is how long hours are kept. Default 35 days.
	Keep time.Duration
	// Logger is told when the ledger cannot be written. Default slog.Default().
	Logger *slog.Logger
}

// Key is whose use it is, and when: an hour that begins at Hour, in UTC.
type Key struct {
	Hour             time.Time
	Tenant, Function string
}

// Ledger keeps the account. Its methods may be called from many goroutines.
type Ledger struct {
	dir  string
	keep time.Duration
	log  *slog.Logger

	mu       sync.Mutex
	gathered map[Key]*Totals
	failing  bool

	files sync.RWMutex // held to change files, and shared to read them

	early chan struct{}
	stop  chan struct{}
	done  chan struct{}
	once  sync.Once
	err   error
}

// Open makes the directory, of mode 0700, and starts the writer. The caller
// closes the Ledger.
func Open(o Options) (*Ledger, error) {
	l := &Ledger{
		dir: o.Dir, keep: o.Keep, log: o.Logger, gathered: make(map[Key]*Totals),
		early: make(chan struct{}, 1), stop: make(chan struct{}), done: make(chan struct{}),
	}
	if l.keep <= 0 {
		l.keep = DefaultKeep
	}
	if l.log == nil {
		l.log = slog.Default()
	}
	if l.dir != "" {
		if err := os.MkdirAll(l.dir, 0o700); err != nil {
			return nil, fmt.Errorf("the usage ledger's directory: %w", err)
		}
		probe, err := os.CreateTemp(l.dir, ".probe-")
		if err != nil {
			return nil, fmt.Errorf("the usage ledger: %w", err)
		}
		if err := errors.Join(probe.Close(), os.Remove(probe.Name())); err != nil {
			return nil, fmt.Errorf("the usage ledger: %w", err)
		}
		l.tidy(time.Now())
	}
	go l.write()
	return l, nil
}

// Add counts an invocation that ended at a time.
func (l *Ledger) Add(tenant, function string, i *Invocation, at time.Time) {
	key := Key{at.UTC().Truncate(time.Hour), tenant, function}
	l.mu.Lock()
	t := l.gathered[key]
	if t == nil {
		t = &Totals{}
		l.gathered[key] = t
	}
	t.invocation(i)
	full := len(l.gathered) >= maxGathered && l.dir != ""
	l.mu.Unlock()
	if full {
		select {
		case l.early <- struct{}{}:
		default:
		}
	}
}

// write is the goroutine that writes.
func (l *Ledger) write() {
	defer close(l.done)
	tick := time.NewTicker(gathering)
	defer tick.Stop()
	hour := time.Now().UTC().Truncate(time.Hour)
	for {
		select {
		case <-tick.C:
		case <-l.early:
		case <-l.stop:
			l.err = l.flush()
			return
		}
		_ = l.flush() // it has been told
		if now := time.Now(); !now.UTC().Truncate(time.Hour).Equal(hour) {
			hour = now.UTC().Truncate(time.Hour)
			l.tidy(now)
		}
	}
}

// flush writes what is gathered. What cannot be written stays gathered; the
// first of several failures is told to the logger.
func (l *Ledger) flush() error {
	if l.dir == "" {
		l.forget(time.Now())
		return nil
	}
	l.files.Lock()
	defer l.files.Unlock()
	l.mu.Lock()
	gathered := l.gathered
	l.gathered = make(map[Key]*Totals)
	l.mu.Unlock()
	byHour := make(map[time.Time]map[Key]*Totals)
	for key, t := range gathered {
		if byHour[key.Hour] == nil {
			byHour[key.Hour] = make(map[Key]*Totals)
		}
		byHour[key.Hour][key] = t
	}
	var errs []error
	for hour, part := range byHour {
		if err := appendLine(l.path(hour), part); err != nil {
			errs = append(errs, err)
			l.regather(part)
		}
	}
	err := errors.Join(errs...)
	if err != nil && !l.failing {
		l.log.Warn("the usage ledger cannot be written; what functions use is kept in memory until it can", slog.Any("error", err))
	}
	l.failing = err != nil
	return err
}

// regather takes back what could not be written.
func (l *Ledger) regather(part map[Key]*Totals) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for key, t := range part {
		if newer := l.gathered[key]; newer != nil {
			t.Add(newer)
		}
		l.gathered[key] = t
	}
}

// forget drops what is too old, of a ledger without files.
func (l *Ledger) forget(now time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for key := range l.gathered {
		if key.Hour.Before(now.Add(-l.keep)) {
			delete(l.gathered, key)
		}
	}
}

// Close writes what is gathered. What is added later may be lost.
func (l *Ledger) Close() error {
	l.once.Do(func() {
		close(l.stop)
		<-l.done
	})
	return l.err
}

const (
	hourLayout = "2006-01-02T15"
	suffix     = ".jsonl"
)

func (l *Ledger) path(hour time.Time) string {
	return filepath.Join(l.dir, hour.Format(hourLayout)+suffix)
}
