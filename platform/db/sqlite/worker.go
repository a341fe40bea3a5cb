package sqlite

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/bulkhead-run/bulkhead/internal/cgroup"
	"github.com/bulkhead-run/bulkhead/internal/child"
	"github.com/bulkhead-run/bulkhead/internal/confine"
	"github.com/bulkhead-run/bulkhead/platform"
	"github.com/bulkhead-run/bulkhead/platform/db"
	"github.com/bulkhead-run/bulkhead/platform/db/wire"
)

const (
	// startTimeout is how long a process may take to open its file.
	startTimeout = 20 * time.Second
	// stopTimeout is how long it may take to close it.
	stopTimeout = 3 * time.Second
)

// errUnlocked means that a required layer of a process's lock-down is missing.
var errUnlocked = errors.New("its lock-down is not complete")

// worker is one tenant's process.
type worker struct {
	e      *Engine
	tenant string
	config wire.Config

	users int // guarded by Engine.mu, as used is
	used  time.Time

	ready    chan struct{} // closed when the process answers, or err is set
	err      error
	gone     chan struct{} // closed when the process has been reaped
	process  *child.Process
	group    *cgroup.Group // nil without Options.Cgroups
	writer   *pool
	readers  *pool
	sessions []*session
	facts    facts

	interrupts interrupts

	stopping sync.Once
	stopped  atomic.Bool // by us
}

// live starts the process, waits for its end, and is the worker's whole life.
// previous is closed when the tenant's process before it is gone.
func (w *worker) live(previous <-chan struct{}) {
	defer close(w.gone)
	defer w.removeGroup()
	if previous != nil {
		<-previous
	}
	err := w.start()
	if w.err = err; err != nil {
		w.e.log("a tenant's database did not open", w.tenant, "error", err, "cause", errors.Unwrap(err))
		w.e.failed(w, err)
	}
	close(w.ready)
	if err != nil {
		if w.process == nil {
			return
		}
		w.stop()
	}
	<-w.process.Exited()
	w.hangUp()
	switch {
	case w.stopped.Swap(true):
	case w.group != nil && w.group.OOMKilled():
		w.e.stats.outOfMemory.Add(1)
		w.e.log("a tenant's database process was killed for memory", w.tenant, "limit", w.config.MaxMemory+idleMemory)
	default:
		w.e.stats.crashed.Add(1)
		w.e.log("a tenant's database process died", w.tenant, "end", w.process.Obituary())
	}
	w.e.remove(w)
}

func (w *worker) start() error {
	dir := filepath.Join(w.e.o.Dir, w.tenant)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return unavailable(fmt.Errorf("the tenant's directory: %w", err))
	}
	config, err := json.Marshal(w.config)
	if err != nil {
		return err
	}
	if w.group, err = w.e.group(); err != nil {
		return unavailable(fmt.Errorf("the database process's control group: %w", err))
	}
	process, conns, err := w.e.spawn(dir, wire.ConfigKey+"="+string(config), w.config.Connections, w.group)
	if err != nil {
		return unavailable(fmt.Errorf("the database process: %w", err))
	}
	w.process = process
	w.e.stats.started.Add(1)
	w.interrupts.conn = wire.NewConn(conns[0], 0)
	for i, c := range conns[1:] {
		w.sessions = append(w.sessions, &session{w: w, index: i, conn: wire.NewConn(c, w.config.MaxResponse())})
	}
	late := time.AfterFunc(startTimeout, func() { w.kill(&w.e.stats.killed, "it did not open its file in time") })
	defer late.Stop()
	defer context.AfterFunc(w.e.life, process.Kill)()
	for i, s := range w.sessions {
		a, err := s.read()
		if err == nil {
			err = a.Check(&w.config, wire.Begin, 0)
		}
		if err == nil && i == 0 {
			err = w.locked(a.Lockdown)
		}
		switch {
		case errors.Is(err, wire.ErrMalformed):
			w.kill(&w.e.stats.violations, "it broke the protocol: "+err.Error())
			return unavailable(err)
		case errors.Is(err, errUnlocked):
			w.kill(&w.e.stats.killed, err.Error())
			return unavailable(err)
		case err != nil:
			<-process.Exited()
			return unavailable(fmt.Errorf("the database process ended: %s", process.Obituary()))
		case a.Failure != nil:
			return w.failure(context.Background(), a.Failure)
		case i == 0:
			w.writer.put(s)
		default:
			w.readers.put(s)
		}
	}
	return nil
}

// locked checks the process's report on its lock-down, and looks from outside
// whether it is so.
func (w *worker) locked(report []byte) error {
	layers, err := confine.ParseReport(report, w.e.o.Layers)
	if err == nil {
		err = confine.Verify(w.process.PID(), layers, confine.Config{})
	}
	if err != nil {
		return fmt.Errorf("%w: %w", wire.ErrMalformed, err)
	}
	if err := confine.Check(layers); err != nil {
		return fmt.Errorf("%w: %w", errUnlocked, err)
	}
	return nil
}

// removeGroup removes the control group, whose process is gone.
func (w *worker) removeGroup() {
	if w.group == nil {
		return
	}
	if err := w.group.Remove(); err != nil {
		w.e.log("the control group of a tenant's database process could not be removed", w.tenant, "error", err)
	}
}

// opened reports whether the process has answered, or failed to.
func (w *worker) opened() bool {
	select {
	case <-w.ready:
		return true
	default:
		return false
	}
}

// ended reports whether the process is gone.
func (w *worker) ended() bool {
	select {
	case <-w.process.Exited():
		return true
	default:
		return false
	}
}

// take waits for one of the sessions of a pool.
func (w *worker) take(ctx context.Context, from *pool) (*session, error) {
	select {
	case <-from.ready:
		return from.pop(), nil
	case <-w.process.Exited():
		return nil, w.lost()
	case <-ctx.Done():
		return nil, db.ContextError(ctx)
	}
}

// kill ends the process at once, and says why.
func (w *worker) kill(count *atomic.Uint64, why string) {
	w.stopping.Do(func() {
		w.stopped.Store(true)
		count.Add(1)
		w.e.log("a tenant's database process was killed", w.tenant, "reason", why)
		w.process.Kill()
	})
	w.process.Kill()
}

// await waits for the end of a process that hung up.
func (w *worker) await() {
	select {
	case <-w.process.Exited():
	case <-time.After(stopTimeout):
		w.kill(&w.e.stats.violations, "it closed a socket and went on")
	}
}

// stop has the process close its file and end.
func (w *worker) stop() {
	w.stopping.Do(func() {
		w.stopped.Store(true)
		w.hangUp()
		time.AfterFunc(stopTimeout, w.process.Kill)
	})
}

// hangUp closes the sockets.
func (w *worker) hangUp() {
	for _, s := range w.sessions {
		_ = s.conn.Close()
	}
	if w.interrupts.conn != nil {
		_ = w.interrupts.conn.Close()
	}
}

// lost is the error of a call whose process went away.
func (w *worker) lost() *platform.Error {
	select {
	case <-w.e.life.Done():
		return db.Errorf(db.CodeUnavailable, "the supervisor is closing")
	default:
	}
	return db.Errorf(db.CodeUnavailable, "the database's process ended; what was not committed is undone; try again")
}

// unavailable is the error of a database that did not open, for a reason that
// is the operator's to know.
func unavailable(err error) error {
	e := db.Errorf(db.CodeUnavailable, "the database cannot be opened now; ask the operator")
	e.Err = err
	return e
}

// failure makes the error of a process's failure.
func (w *worker) failure(ctx context.Context, f *wire.Failure) error {
	var e *platform.Error
	switch f.Code {
	case wire.CodeTimeout:
		if ctx.Err() != nil {
			return db.ContextError(ctx)
		}
		return w.lost()
	case wire.CodeQuota:
		e = db.QuotaError(w.config.MaxSize)
	case wire.CodeParams:
		return platform.TypeErrorf("params: %s", f.Message)
	default:
		e = db.Errorf(f.Code, "%s", f.Message)
	}
	if f.Engine != "" {
		e.Properties["engineCode"] = f.Engine
	}
	if f.Detail != "" {
		e.Err = errors.New(f.Detail)
	}
	w.e.stats.failure(f.Code)
	if f.Code == db.CodeCorrupt || f.Code == db.CodeFull || f.Code == db.CodeIO {
		w.e.log("a tenant's database has a fault", w.tenant, "code", f.Code, "message", f.Message, "detail", f.Detail)
	}
	if f.Code == db.CodeCorrupt {
		w.e.doubt(w.tenant)
	}
	return e
}
