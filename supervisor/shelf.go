package supervisor

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/bulkhead-run/bulkhead/internal/snapshots"
	"github.com/bulkhead-run/bulkhead/internal/store"
)

const (
	// makeDelay is how long a snapshot that is missing is not made: the
	// invocation that missed it comes before.
	makeDelay = 100 * time.Millisecond
	// maxMaking bounds the snapshots that wait to be made; others are missed
	// again.
	maxMaking = 64
	// storePause is how long none is made after one could not be stored.
	storePause = time.Minute
	// maxHopeless bounds what is remembered of functions whose snapshot is of
	// no use.
	maxHopeless = 4096
)

// shelf keeps the snapshots of deployed versions on disk. Whatever goes wrong
// with it costs time, and nothing else: functions are loaded from source.
//
// A snapshot is taken only of a process that was started for it and has run
// nothing but that version's top level. What a process that has served events
// would export, an attacker might have chosen, and it would stay.
type shelf struct {
	s     *Supervisor
	store *snapshots.Store // nil when none are kept
	turn  chan struct{}    // one is made at a time, beside deploys

	mu       sync.Mutex
	making   map[snapshots.Key]bool
	hopeless map[snapshots.Key]bool // until the next start
	failed   time.Time              // when storing one failed last, if none succeeded since
}

// newShelf opens the folder. One that cannot be used is the operator's to hear
// of, and no reason not to start.
func newShelf(s *Supervisor, dir string) *shelf {
	h := &shelf{s: s, turn: make(chan struct{}, 1), making: make(map[snapshots.Key]bool), hopeless: make(map[snapshots.Key]bool)}
	if s.o.MaxSnapshots < 0 {
		return h
	}
	store, err := snapshots.Open(dir, s.o.MaxSnapshots, func(k snapshots.Key) bool { return s.deployed(k) })
	if err != nil {
		s.log.Warn("snapshots cannot be kept; functions are loaded from source", "error", err)
		return h
	}
	h.store = store
	return h
}

// deployed tells whether a snapshot is of a version that there is.
func (s *Supervisor) deployed(k snapshots.Key) bool {
	f, err := s.store.Function(k.Tenant, k.Function)
	return err == nil && slices.ContainsFunc(f.Versions, func(v *store.Version) bool { return imageOf(v.Digest, v.Memory) == k.Image })
}

// open returns a snapshot, or nil. The caller closes its file.
func (h *shelf) open(k snapshots.Key) *snapshots.Snapshot {
	snapshot, err := h.store.Open(k)
	var damaged *snapshots.DamagedError
	switch {
	case errors.As(err, &damaged):
		h.s.log.Warn("a snapshot on disk was damaged and is removed", "path", damaged.Path, "error", damaged.Err)
	case err != nil && !errors.Is(err, snapshots.ErrNotFound):
		h.fail(err)
	}
	return snapshot
}

// refused takes note that a process could not use its own tenant's snapshot: the
// next one gets the source.
func (h *shelf) refused(k snapshots.Key, reason string) {
	h.giveUp(k)
	h.store.Remove(k)
	h.s.log.Info("a snapshot was refused and is removed", "tenant", k.Tenant, "function", k.Function, "reason", reason)
}

// giveUp has a snapshot not made again.
func (h *shelf) giveUp(k snapshots.Key) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if len(h.hopeless) >= maxHopeless {
		clear(h.hopeless)
	}
	h.hopeless[k] = true
}

// fail takes note that the disk does not do what it should. It is logged once,
// until it does again.
func (h *shelf) fail(err error) {
	h.s.stats.count(func(n *Stats) { n.SnapshotsFailed++ })
	h.mu.Lock()
	first := h.failed.IsZero()
	h.failed = time.Now()
	h.mu.Unlock()
	if first {
		h.s.log.Warn("a snapshot could not be stored; functions are loaded from source", "error", err)
	}
}

// keep stores a draft.
func (h *shelf) keep(draft *snapshots.Draft) {
	if err := draft.Keep(); err != nil {
		h.fail(err)
		return
	}
	h.mu.Lock()
	h.failed = time.Time{}
	h.mu.Unlock()
	h.s.stats.count(func(n *Stats) { n.SnapshotsStored++ })
	if k := draft.Key(); !h.s.deployed(k) { // deleted, or replaced, meanwhile
		h.store.Remove(k)
	}
}

// forget removes the snapshots of a function that are of no version any more.
func (h *shelf) forget(tenant, function string) {
	if h.store != nil {
		h.store.RemoveFunction(tenant, function, func(image string) bool {
			return h.s.deployed(snapshots.Key{Tenant: tenant, Function: function, Image: image})
		})
	}
}

// make makes the snapshot of a version that r has had to load from source.
func (h *shelf) make(r *resident, f settings, code func(context.Context) (string, error)) {
	k, ok := r.key(f)
	if !ok {
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.making[k] || h.hopeless[k] || len(h.making) >= maxMaking || time.Since(h.failed) < storePause {
		return
	}
	h.making[k] = true
	h.s.background.Go(func() {
		defer func() {
			h.mu.Lock()
			defer h.mu.Unlock()
			delete(h.making, k)
		}()
		select {
		case h.turn <- struct{}{}:
			defer func() { <-h.turn }()
		case <-h.s.life.Done():
			return
		}
		select {
		case <-time.After(makeDelay):
		case <-h.s.life.Done():
			return
		}
		h.makeNow(k, f, code)
	})
}

// makeNow evaluates a version once more, in a process of its own; when there is
// no room for one, the snapshot is missed again later.
func (h *shelf) makeNow(k snapshots.Key, f settings, code func(context.Context) (string, error)) {
	if !h.s.deployed(k) {
		return
	}
	r, err := h.s.pool.assignNew(k.Tenant)
	if err != nil {
		return
	}
	defer r.kill(causeSpent, nil)
	f.stored = false
	v, _, err := r.load(h.s.life, f, code)
	if err != nil {
		h.giveUp(k)
		return
	}
	defer r.unuse(v)
	draft := r.export(f, v)
	if draft == nil {
		return
	}
	defer draft.Discard()
	h.keep(draft)
}
