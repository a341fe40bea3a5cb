package supervisor

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/bulkhead-run/bulkhead/internal/activity"
	"github.com/bulkhead-run/bulkhead/internal/assets"
	"github.com/bulkhead-run/bulkhead/internal/audit"
	"github.com/bulkhead-run/bulkhead/internal/child"
	"github.com/bulkhead-run/bulkhead/internal/journal"
	"github.com/bulkhead-run/bulkhead/internal/ledger"
	"github.com/bulkhead-run/bulkhead/internal/outcome"
	"github.com/bulkhead-run/bulkhead/internal/sourcemap"
	"github.com/bulkhead-run/bulkhead/internal/store"
	"github.com/bulkhead-run/bulkhead/ipc/sandboxpb"
	"github.com/bulkhead-run/bulkhead/platform"
)

// Supervisor keeps tenants, functions and the processes they run in. Its
// methods may be called from many goroutines. The caller closes it.
type Supervisor struct {
	o         Options
	log       *slog.Logger
	apis      map[string]*platform.API
	apiList   []*sandboxpb.API
	rules     atomic.Pointer[rulebook]
	tierMap   atomic.Pointer[map[string]Tier]
	audit     *audit.Log
	meter     *meter
	store     *store.Store
	temporary string // the data directory, when it is ours to remove
	runtime   *runtimeDir
	starter   *child.Starter
	layers    layerState
	pool      *pool
	gates     *gates
	fair      *fair
	shedder   *shedder
	deploys   *keyedLock
	maps      *partCache[*sourcemap.Map]
	vars      *partCache[variables]
	assets    *partCache[*assets.Set]
	canaries  *canaries
	shelf     *shelf
	checks    chan struct{} // bounds the deploys that are being checked
	registry  sync.Mutex    // held for a check of the registry with the write that depends on it
	stats     *stats
	usages    *usages
	ledger    *ledger.Ledger
	recorder  *recorder
	quotas    atomic.Bool // tenants are held to their tier's CPU time here
	timings   timings
	activity  *activity.Tracker
	journal   *journal.Journal

	coroutines coroutines      // in which functions answer requests
	life       context.Context // ends with halt
	end        context.CancelFunc
	background sync.WaitGroup // what outlives the request that began it

	mu       sync.Mutex
	draining bool
	inflight int
	quiet    chan struct{} // closed when draining and nothing is in flight

	closing  sync.Once
	closeErr error
}

// New starts a supervisor. It returns when a first sandbox process has proved
// that they can be started. The error's outcome is Invalid when an option is
// wrong, the sandbox binary is missing or of another version, a required layer of
// the lock-down is not to be had, or the data directory cannot be used.
func New(ctx context.Context, o Options) (_ *Supervisor, err error) {
	if o, err = o.resolve(); err != nil {
		return nil, err
	}
	s := &Supervisor{
		o: o, log: o.Logger,
		apis:    make(map[string]*platform.API, len(o.APIs)),
		gates:   newGates(),
		fair:    newFair(o.MaxRunning),
		deploys: newKeyedLock(),
		maps:    newPartCache(maxMaps, maxTenantMaps, sourcemap.Parse),
		vars:    newPartCache(maxEnvironments, maxTenantEnvironments, parseVariables),
		assets:  newPartCache(maxAssetMemory, maxTenantAssetMemory, assets.Open),
		meter:   newMeter(),
		checks:  make(chan struct{}, maxChecks),
		stats:   newStats(),
		usages:  newUsages(),
		timings: newTimings(), activity: activity.New(activity.Options{Labels: o.TenantLabels}), journal: journal.New(),
		quiet: make(chan struct{}),
	}
	s.shedder = &shedder{read: o.ReadMemory, low: o.LowMemory, critical: o.CriticalMemory, log: o.Logger, shed: s.stats.shed, again: s.refill}
	for i := range o.APIs {
		api := &s.o.APIs[i]
		s.apis[api.Name] = api
		s.apiList = append(s.apiList, &sandboxpb.API{Name: api.Name, Sync: api.Sync})
	}
	s.canaries = newCanaries(s)
	s.rules.Store(newRulebook(o.Policies, s.apiList))
	s.setTiers(s.o.Tiers)
	if err := s.checkTierPolicies(s.tiers()); err != nil {
		return nil, err
	}
	if err := s.openDirs(ctx); err != nil {
		return nil, err
	}
	s.starter = child.NewStarter()
	s.life, s.end = context.WithCancel(context.Background())
	s.pool = newPool(s)
	if err := s.startFirst(ctx); err != nil {
		var known *outcome.Error
		if !errors.As(err, &known) {
			err = &outcome.Error{Outcome: outcome.Invalid, Detail: err.Error(), Err: err,
				Remedy: "it has to be the sandbox program of this build, where it can be run; if the machine is only busy, try again"}
		}
		return nil, errors.Join(err, s.Close())
	}
	s.background.Go(s.evictIdle)
	if !s.o.kernelHas("memory") {
		s.background.Go(s.watchProcesses)
	}
	s.background.Go(func() { s.shedder.watch(s.life) })
	return s, nil
}

// openDirs opens the registry and makes the directories.
func (s *Supervisor) openDirs(ctx context.Context) (err error) {
	dir := s.o.DataDir
	if dir == "" {
		if dir, err = os.MkdirTemp("", "bulkhead-"); err != nil {
			return internal("", "", "no temporary data directory", err)
		}
		s.temporary = dir
	}
	defer func() {
		if err != nil && s.temporary != "" {
			_ = os.RemoveAll(s.temporary)
		}
	}()
	if s.store, err = store.Open(ctx, store.Options{Dir: filepath.Join(dir, "registry"), Logger: s.log}); err != nil {
		o := outcome.Internal
		if errors.Is(err, store.ErrInUse) || errors.Is(err, store.ErrNewerFormat) || errors.Is(err, fs.ErrPermission) {
			o = outcome.Invalid
		}
		return &outcome.Error{Outcome: o, Detail: err.Error(), Err: err}
	}
	defer func() {
		if err != nil {
			_ = s.store.Close()
		}
	}()
	if s.o.CacheDir, err = filepath.Abs(s.o.cacheDir(dir, s.temporary != "")); err == nil {
		err = os.MkdirAll(s.o.CacheDir, 0o700)
	}
	if err != nil {
		return &outcome.Error{Outcome: outcome.Invalid, Detail: fmt.Sprintf("cache directory: %v", err), Remedy: "name another one (Options.CacheDir)", Err: err}
	}
	files := audit.Options{MaxSize: s.o.AuditSize, Keep: s.o.AuditKeep, Logger: s.log}
	if s.temporary == "" {
		files.Dir = filepath.Join(dir, "audit")
	}
	if s.audit, err = audit.Open(files); err != nil {
		return &outcome.Error{Outcome: outcome.Invalid, Detail: err.Error(), Remedy: "make the data directory one that this user may write to", Err: err}
	}
	if err := s.openLedger(dir); err != nil {
		return errors.Join(err, s.audit.Close())
	}
	if err := s.openRecorder(dir); err != nil {
		return errors.Join(err, s.audit.Close(), s.ledger.Close())
	}
	if s.runtime, err = newRuntimeDir(); err != nil {
		return errors.Join(internal("", "", err.Error(), err), s.audit.Close(), s.ledger.Close())
	}
	s.shelf = newShelf(s, filepath.Join(dir, "snapshots"))
	return nil
}

// startFirst starts one process, which may have to fill the cache, and then
// the spares.
func (s *Supervisor) startFirst(ctx context.Context) error {
	if err := s.starter.Hold(s.o.SandboxBinary); err != nil {
		return err
	}
	s.pool.mu.Lock()
	s.pool.total++
	s.pool.mu.Unlock()
	proc, err := s.pool.start(ctx, max(s.o.StartTimeout, firstStartTimeout))
	if err != nil {
		return err
	}
	s.pool.mu.Lock()
	defer s.pool.mu.Unlock()
	if s.o.Spares == 0 {
		proc.kill(causeSpent, nil)
	} else {
		s.pool.addSpare(proc)
		s.pool.refill()
	}
	return nil
}

// evictIdle takes processes from tenants that do not use them.
func (s *Supervisor) evictIdle() {
	tick := time.NewTicker(min(max(s.o.IdleTTL/4, 10*time.Millisecond), 30*time.Second))
	defer tick.Stop()
	for {
		select {
		case now := <-tick.C:
			s.pool.evictIdle(now.Add(-s.o.IdleTTL))
		case <-s.life.Done():
			return
		}
	}
}

// Ready reports whether invocations can be served: nil, or why not.
func (s *Supervisor) Ready() error {
	s.mu.Lock()
	draining := s.draining
	s.mu.Unlock()
	if draining {
		return overloaded("", "", "the supervisor is shutting down", retryAfter)
	}
	if err := s.pool.ready(); err != nil {
		return internal("", "", "no sandbox process can be started", err)
	}
	return nil
}

// violation kills a process that sent what no sandbox of ours would send.
func (s *Supervisor) violation(p *process, inv *invocation, err error) {
	if p.kill(causeViolation, inv) {
		attrs := []slog.Attr{slog.Int("pid", p.PID()), slog.Any("error", err)}
		if inv != nil {
			attrs = append(attrs, inv.where()...)
		}
		s.log.LogAttrs(context.Background(), slog.LevelInfo, "a sandbox process broke the protocol and is killed", attrs...)
	}
}
