package supervisor

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/bulkhead-run/bulkhead/internal/outcome"
	"github.com/bulkhead-run/bulkhead/internal/store"
	"github.com/bulkhead-run/bulkhead/ipc"
	"github.com/bulkhead-run/bulkhead/ipc/sandboxpb"
)

// resident is a process that belongs to a tenant, with what is loaded in it.
type resident struct {
	*process
	s        *Supervisor
	tenant   string
	assigned time.Time
	// fingerprint names the snapshots that the process can use; "" for none.
	fingerprint string
	// serves tells whether a version of a function has a name, or a part in what
	// is live: it stays loaded when nobody uses it.
	serves func(function, version string) bool

	users int       // guarded by the pool's lock
	used  time.Time // guarded by the pool's lock

	runners runners

	turns sync.WaitGroup // invocations, with all that they have begun

	mu     sync.Mutex
	loads  uint64
	loaded map[loadedName]*loadedVersion
	idle   []*slot
}

type loadedName struct{ function, version string }

// loadedVersion is a version in one process. Its fields are set before done is
// closed, but for users, which the resident's lock guards.
type loadedVersion struct {
	function, version string
	key               string // the name under which the process knows it
	done              chan struct{}
	shape             sandboxpb.Shape
	logs              []Log
	err               error
	users             int
}

func newResident(s *Supervisor, p *process, tenant, fingerprint string) *resident {
	now := time.Now()
	r := &resident{
		process: p, s: s, tenant: tenant, fingerprint: fingerprint, assigned: now, used: now, loaded: make(map[loadedName]*loadedVersion),
		serves: func(function, version string) bool {
			f, err := s.store.Function(tenant, function)
			return err == nil && f.Named(version)
		},
	}
	r.idle = []*slot{{r: r, conn: p.first}}
	return r
}

// settings is a version as a process has to know it.
type settings struct {
	Function, Version string
	digest            string // of the code
	Memory            int64
	Timeout           time.Duration
	CPU               time.Duration // 0 is no limit
	Concurrency       int
	Isolation         Isolation
	// stored says that the version is deployed: its snapshot is on disk, or
	// should be.
	stored bool
}

// load returns a version for one more user, loading it when it is not there.
// The caller gives it back with unuse. waited says that it had to be loaded.
func (r *resident) load(ctx context.Context, f settings, code func(context.Context) (string, error)) (v *loadedVersion, waited bool, err error) {
	id := loadedName{f.Function, f.Version}
	r.mu.Lock()
	v = r.loaded[id]
	if v == nil {
		r.loads++
		loading := &loadedVersion{function: f.Function, version: f.Version, key: fmt.Sprintf("%s@%s#%d", f.Function, f.Version, r.loads), done: make(chan struct{})}
		r.loaded[id], v = loading, loading
		// It goes on when its first caller has left, and v is nil.
		r.s.background.Go(func() {
			loading.shape, loading.logs, loading.err = r.bringIn(f, loading.key, code)
			if loading.err != nil {
				r.mu.Lock()
				if r.loaded[id] == loading {
					delete(r.loaded, id)
				}
				r.mu.Unlock()
			}
			close(loading.done)
		})
	}
	v.users++
	r.mu.Unlock()
	select {
	case <-v.done:
	default:
		waited = true
		select {
		case <-v.done:
		case <-ctx.Done():
			r.unuse(v)
			return nil, waited, ctx.Err()
		}
	}
	if v.err != nil {
		r.unuse(v)
		return nil, waited, v.err
	}
	return v, waited, nil
}

// bringIn has the process load a version: from its snapshot if there is one.
func (r *resident) bringIn(f settings, key string, code func(context.Context) (string, error)) (sandboxpb.Shape, []Log, error) {
	if f.stored {
		shape, err := r.loadSnapshot(f, key)
		if !errors.Is(err, errRefused) {
			if err == nil {
				r.s.stats.count(func(n *Stats) { n.SnapshotsUsed++ })
			}
			return shape, nil, err
		}
	}
	shape, logs, err := r.loadSource(f, key, code)
	if f.stored && err == nil {
		r.s.shelf.make(r, f, code)
	}
	return shape, logs, err
}

// callLoad finishes a LoadRequest and sends it. It kills the process when it
// does not answer in time.
func (r *resident) callLoad(f settings, request *sandboxpb.LoadRequest) (*sandboxpb.LoadResponse, error) {
	timeout := r.s.o.LoadTimeout
	ctx, cancel := context.WithTimeout(r.s.life, timeout+r.s.o.Grace)
	defer cancel()
	request.Function, request.Memory, request.TimeoutNs = f.Function, uint64(f.Memory), int64(timeout)
	request.Concurrency, request.Warm = uint32(f.Concurrency), f.Isolation == Warm
	rn := r.begin(nil, 0)
	response, err := r.client.Load(ctx, request)
	rn.end()
	if err != nil {
		if status.Code(err) == codes.DeadlineExceeded {
			<-ctx.Done() // the process's clock may be a little ahead of ours
		}
		if r.s.life.Err() != nil {
			r.kill(causeClosed, nil)
		} else if ctx.Err() != nil {
			r.kill(causeDeadline, nil)
		}
		if why := r.awaitEnd(nil); why == causeDeadline {
			return nil, &outcome.Error{Outcome: outcome.Deadline, Tenant: r.tenant, Function: f.Function,
				Detail: fmt.Sprintf("its top level ran past %v, and had to be killed", timeout), Remedy: "do less at the top level"}
		}
		return nil, errLost
	}
	return response, nil
}

// loadSource has the process evaluate a version.
func (r *resident) loadSource(f settings, key string, code func(context.Context) (string, error)) (sandboxpb.Shape, []Log, error) {
	source, err := code(r.s.life)
	if err != nil {
		return 0, nil, err
	}
	response, err := r.callLoad(f, &sandboxpb.LoadRequest{Version: key, Source: source})
	if err != nil {
		return 0, nil, err
	}
	o, err := ipc.CheckLoad(response)
	if err != nil {
		r.s.violation(r.process, nil, err)
		return 0, nil, errLost
	}
	var logs logbook
	for _, l := range response.GetLogs() {
		if level, message, err := ipc.CheckLog(l); err == nil {
			logs.add(parseLevel(level), message)
		}
	}
	if o == outcome.OK {
		return response.GetShape(), logs.lines, nil
	}
	e := &outcome.Error{Outcome: o, Tenant: r.tenant, Function: f.Function, Problems: ipc.Problems(response.GetProblems())}
	switch o {
	case outcome.Deadline:
		e.Detail, e.Remedy = fmt.Sprintf("its top level ran past %v", r.s.o.LoadTimeout), "do less at the top level"
	case outcome.Memory:
		e.Detail, e.Remedy = fmt.Sprintf("its top level ran out of its %s of memory", formatBytes(f.Memory)), "raise the function's memory"
	default:
		e.Detail = "its code could not be loaded"
	}
	return 0, logs.lines, e
}

// awaitEnd waits for the end of a process whose connection has failed. One
// that is still alive after the grace has closed the connection itself, which
// no sandbox of ours does.
func (r *resident) awaitEnd(inv *invocation) cause {
	timer := time.NewTimer(r.s.o.Grace)
	defer timer.Stop()
	select {
	case <-r.gone:
	case <-timer.C:
		if !r.dead() {
			r.s.violation(r.process, inv, errHungUp)
		}
		<-r.gone
	}
	why, _ := r.why()
	return why
}

// has tells whether any version of a function is loaded.
func (r *resident) has(function string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, v := range r.loaded {
		if v.function == function {
			return true
		}
	}
	return false
}

// runs tells whether a version is in use.
func (r *resident) runs(version *store.Version) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	v := r.loaded[loadedName{version.Function, version.Version}]
	return v != nil && v.users > 0
}

// unuse gives a version back. One that is no longer served is unloaded with
// its last user.
func (r *resident) unuse(v *loadedVersion) {
	r.mu.Lock()
	v.users--
	idle := v.users == 0
	r.mu.Unlock()
	if idle {
		r.unload(v.function)
	}
}

// unload drops the versions of a function that are neither served nor in use.
func (r *resident) unload(function string) {
	var keys []string
	r.mu.Lock()
	for id, v := range r.loaded {
		if v.function != function || v.users > 0 || r.serves(function, v.version) {
			continue
		}
		select {
		case <-v.done:
			delete(r.loaded, id)
			keys = append(keys, v.key)
		default: // being loaded
		}
	}
	r.mu.Unlock()
	for _, key := range keys {
		r.s.background.Go(func() {
			ctx, cancel := context.WithTimeout(r.s.life, r.s.o.StartTimeout)
			defer cancel()
			_, err := r.client.Unload(ctx, &sandboxpb.UnloadRequest{Version: key})
			if err != nil && ctx.Err() == context.DeadlineExceeded {
				r.kill(causeStuck, nil)
			}
		})
	}
}
