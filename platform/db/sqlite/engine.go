package sqlite

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"sync"
	"time"

	"github.com/bulkhead-run/bulkhead/internal/child"
	"github.com/bulkhead-run/bulkhead/platform/db"
)

var tenantName = regexp.MustCompile(`^[a-z0-9][a-z0-9-]{0,62}$`)

// reopenPause is how long calls get the error of a database that did not open
// before it is tried again.
const reopenPause = time.Second

// Engine is a db.Engine of SQLite databases. It is safe for concurrent use.
type Engine struct {
	o       Options
	starter *child.Starter
	life    context.Context // ends with Close
	stop    context.CancelFunc
	all     sync.WaitGroup
	stats   stats

	mu   sync.Mutex
	open map[string]*worker
	// known is what is remembered of tenants whose process may be gone.
	known map[string]*known
	// unused is closed, and made anew, whenever a process becomes unused.
	unused chan struct{}
}

// known is guarded by Engine.mu.
type known struct {
	checked bool            // the file was found sound
	last    <-chan struct{} // closed when the tenant's last process is gone
	err     error           // what it failed to open with, until then
	until   time.Time
}

var _ db.Engine = (*Engine)(nil)

// New prepares o.Dir. No process is started yet. The caller closes the Engine.
func New(o Options) (*Engine, error) {
	if o.Dir == "" {
		return nil, errors.New("sqlite: Options.Dir is not set")
	}
	o.setDefaults()
	var err error
	if o.Dir, err = filepath.Abs(o.Dir); err != nil {
		return nil, fmt.Errorf("sqlite: %w", err)
	}
	if o.Binary == "" {
		self, err := os.Executable()
		if err != nil {
			return nil, fmt.Errorf("sqlite: %w", err)
		}
		o.Binary = filepath.Join(filepath.Dir(self), "database")
	}
	if o.Binary, err = filepath.Abs(o.Binary); err != nil {
		return nil, fmt.Errorf("sqlite: %w", err)
	}
	if info, err := os.Stat(o.Binary); err != nil {
		return nil, fmt.Errorf("sqlite: the database binary: %w", err)
	} else if !info.Mode().IsRegular() || info.Mode()&0o111 == 0 {
		return nil, fmt.Errorf("sqlite: the database binary: %s is not an executable file", o.Binary)
	}
	if err := os.MkdirAll(o.Dir, 0o700); err != nil {
		return nil, fmt.Errorf("sqlite: the directory for databases: %w", err)
	}
	starter := child.NewStarter()
	if err := starter.Hold(o.Binary); err != nil {
		starter.Close()
		return nil, fmt.Errorf("sqlite: the database binary: %w", err)
	}
	e := &Engine{
		o: o, starter: starter, unused: make(chan struct{}),
		open: make(map[string]*worker), known: make(map[string]*known),
	}
	e.life, e.stop = context.WithCancel(context.Background())
	e.all.Go(e.stopIdle)
	return e, nil
}

// Close ends every process once it has closed its file. Statements that run
// are interrupted; calls made later fail.
func (e *Engine) Close() error {
	e.mu.Lock()
	e.stop()
	open := make([]*worker, 0, len(e.open))
	for _, w := range e.open {
		open = append(open, w)
	}
	e.mu.Unlock()
	for _, w := range open {
		<-w.ready
		if w.process != nil {
			w.stop()
		}
	}
	e.all.Wait()
	e.starter.Close()
	return nil
}

// acquire returns the tenant's process, for release.
func (e *Engine) acquire(ctx context.Context, tenant string) (*worker, error) {
	w, err := e.enter(ctx, tenant)
	if err != nil {
		return nil, err
	}
	select {
	case <-w.ready:
		if err = w.err; err == nil {
			return w, nil
		}
	case <-ctx.Done():
		err = db.ContextError(ctx)
	}
	e.release(w)
	return nil, err
}

// enter counts the caller among the users of the tenant's process, which may
// be on its way.
func (e *Engine) enter(ctx context.Context, tenant string) (*worker, error) {
	for {
		e.mu.Lock()
		if e.life.Err() != nil {
			e.mu.Unlock()
			return nil, db.Errorf(db.CodeUnavailable, "the supervisor is closing")
		}
		if w := e.open[tenant]; w != nil && !w.stopped.Load() {
			w.users++
			e.mu.Unlock()
			return w, nil
		}
		k := e.known[tenant]
		if k == nil {
			if !tenantName.MatchString(tenant) {
				e.mu.Unlock()
				return nil, fmt.Errorf("%q is not a tenant's name", tenant)
			}
			k = &known{}
			e.known[tenant] = k
		}
		if k.err != nil && time.Now().Before(k.until) {
			e.mu.Unlock()
			return nil, k.err
		}
		if len(e.open) < e.o.MaxProcesses || e.evict() {
			w := e.launch(tenant, k)
			e.mu.Unlock()
			return w, nil
		}
		unused := e.unused
		e.mu.Unlock()
		select {
		case <-unused:
		case <-ctx.Done():
			return nil, db.ContextError(ctx)
		}
	}
}

// launch starts a process in the background. The caller holds e.mu, and is its
// first user.
func (e *Engine) launch(tenant string, k *known) *worker {
	w := &worker{
		e: e, tenant: tenant, config: e.o.config(), users: 1,
		ready: make(chan struct{}), gone: make(chan struct{}),
		writer: newPool(1), readers: newPool(e.o.MaxConns - 1),
	}
	w.config.Check = !k.checked
	previous := k.last
	k.last, k.err = w.gone, nil
	e.open[tenant] = w
	e.all.Go(func() { w.live(previous) })
	return w
}

// evict stops the process that is unused for the longest. The caller holds
// e.mu.
func (e *Engine) evict() bool {
	var oldest *worker
	for _, w := range e.open {
		if w.users == 0 && w.opened() && (oldest == nil || w.used.Before(oldest.used)) {
			oldest = w
		}
	}
	if oldest == nil {
		return false
	}
	e.retire(oldest)
	return true
}

// retire takes an unused process out and stops it. The caller holds e.mu.
func (e *Engine) retire(w *worker) {
	delete(e.open, w.tenant)
	e.known[w.tenant].checked = w.err == nil
	if w.process != nil {
		w.stop()
	}
}

func (e *Engine) release(w *worker) {
	e.mu.Lock()
	defer e.mu.Unlock()
	w.users--
	w.used = time.Now()
	if w.users == 0 {
		close(e.unused)
		e.unused = make(chan struct{})
	}
}

// stopIdle stops processes that nobody used for a while.
func (e *Engine) stopIdle() {
	tick := time.NewTicker(e.o.IdleTimeout / 4)
	defer tick.Stop()
	for {
		select {
		case <-e.life.Done():
			return
		case <-tick.C:
		}
		e.mu.Lock()
		for _, w := range e.open {
			if w.users == 0 && w.opened() && time.Since(w.used) > e.o.IdleTimeout {
				e.retire(w)
			}
		}
		e.mu.Unlock()
	}
}

// failed remembers that the tenant's database did not open.
func (e *Engine) failed(w *worker, err error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	k := e.known[w.tenant]
	k.err, k.until, k.checked = err, time.Now().Add(reopenPause), false
	e.drop(w)
}

// remove forgets a process that is gone.
func (e *Engine) remove(w *worker) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.drop(w)
}

func (e *Engine) drop(w *worker) {
	if e.open[w.tenant] == w {
		delete(e.open, w.tenant)
		close(e.unused) // there is room
		e.unused = make(chan struct{})
	}
}

// doubt has the tenant's file looked over when it is opened next.
func (e *Engine) doubt(tenant string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.known[tenant].checked = false
}

func (e *Engine) log(message, tenant string, more ...any) {
	e.o.Logger.Info(message, append([]any{"tenant", tenant}, more...)...)
}
