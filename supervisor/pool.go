package supervisor

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/bulkhead-run/bulkhead/internal/outcome"
	"github.com/bulkhead-run/bulkhead/ipc"
	"github.com/bulkhead-run/bulkhead/ipc/sandboxpb"
)

const (
	// firstStartTimeout is what the first process gets at least: it may find
	// no compiled engine.
	firstStartTimeout = 100 * time.Second
	// retryAfter is the hint given when it is not known when there is room.
	retryAfter = time.Second
	// maxAcquires bounds how often one invocation is given a process that
	// dies before it can be used.
	maxAcquires = 3
	// startsPerCPU is how many processes start at once on a processor. A start
	// computes for some 40 ms: all that are wanted at once, side by side, would be
	// ready as late as the last.
	startsPerCPU = 2
	// brokenFor is how long the pool is not ready after a process did not
	// start.
	brokenFor = 10 * time.Second
)

// pool owns all processes. Its one lock guards what is in the fields below and
// in homes; nothing is waited for while it is held, and no other lock is taken
// under it but a process's own.
type pool struct {
	s *Supervisor

	mu     sync.Mutex
	closed bool
	homes  map[string]*home
	spares []*process
	// live are all processes that have not been reaped, with what their tenants
	// have of them, if any.
	live    map[*process]*resident
	filling int // spares being started, or waiting to be after a failure
	// arriving of those have not failed yet, and expecting is how many wait for
	// one of them rather than start a process beside it.
	arriving, expecting int
	leaving             int // processes evicted, not yet gone
	// refilling says that refill is going to be called soon.
	refilling bool
	total     int // processes that exist or are being started
	// room is closed, and made anew, whenever there may be room for another
	// process.
	room    chan struct{}
	waiting int
	broken  error     // why the last process did not start
	broke   time.Time // and when

	starting chan struct{} // bounds the starts that are under way

	work sync.WaitGroup // goroutines of the pool
}

// home is where a tenant's invocations run.
type home struct {
	tenant   string
	resident *resident // nil when it has no process
	ended    string    // why it has none, as in ColdCause
	moving   *move     // nil unless one is being assigned
	breaker  breaker
}

// move is a process on its way to a tenant.
type move struct {
	done chan struct{}
	// waiters is how many invocations wait for it: its first users, so that it
	// is not idle, and evicted, before they come to use it. The pool's lock
	// guards it.
	waiters int
	// Set before done is closed.
	r   *resident
	err error
}

func newPool(s *Supervisor) *pool {
	return &pool{
		s: s, homes: make(map[string]*home), live: make(map[*process]*resident), room: make(chan struct{}),
		starting: make(chan struct{}, startsPerCPU*runtime.GOMAXPROCS(0)),
	}
}

// acquire returns the tenant's process, with one more user. The caller gives
// it back with release. cold says why it had to wait for the process, if it had.
func (p *pool) acquire(ctx context.Context, tenant string) (r *resident, cold string, err error) {
	for moves := 0; moves < maxAcquires; {
		p.mu.Lock()
		if p.closed {
			p.mu.Unlock()
			return nil, cold, overloaded(tenant, "", "the supervisor is closing", retryAfter)
		}
		h := p.homes[tenant]
		if h == nil {
			h = &home{tenant: tenant, ended: ColdNoProcess}
			p.homes[tenant] = h
		}
		if r := h.resident; r != nil {
			if !r.dead() {
				r.users++
				p.mu.Unlock()
				return r, cold, nil
			}
			p.mu.Unlock() // it is being reaped
			cold = orDefault(cold, coldAfter(r.process))
			select {
			case <-r.gone:
				continue
			case <-ctx.Done():
				return nil, cold, ctx.Err()
			}
		}
		if h.moving == nil {
			if wait := h.breaker.wait(time.Now()); wait > 0 {
				p.mu.Unlock()
				p.s.stats.refused()
				return nil, cold, &outcome.Error{Outcome: outcome.Overloaded, Tenant: tenant, RetryAfter: wait,
					Detail: fmt.Sprintf("the tenant's sandbox processes died %d times in a row soon after their start; the next one is started in %v", h.breaker.deaths, wait.Round(time.Millisecond)),
					Remedy: "find the function that brings them down"}
			}
			if err := p.s.shedder.refuse(scarce, tenant, "", "another sandbox process"); err != nil {
				p.mu.Unlock()
				return nil, cold, err
			}
			h.moving = &move{done: make(chan struct{})}
			p.work.Add(1)
			go p.moveIn(h, h.moving)
		}
		m := h.moving
		m.waiters++
		cold = orDefault(cold, h.ended)
		p.mu.Unlock()

		moves++
		select {
		case <-m.done:
			if m.err != nil {
				return nil, cold, m.err
			}
			if !m.r.dead() {
				return m.r, cold, nil
			}
			p.release(m.r)
		case <-ctx.Done():
			p.leave(m)
			return nil, cold, ctx.Err()
		}
	}
	return nil, cold, &outcome.Error{Outcome: outcome.Crashed, Tenant: tenant,
		Detail: "the tenant's sandbox process died before it could be used", RetryAfter: retryAfter}
}

// forget drops what is known of a tenant that is gone.
func (p *pool) forget(tenant string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if h := p.homes[tenant]; h != nil && h.resident == nil && h.moving == nil {
		delete(p.homes, tenant)
	}
}

// release gives a process back.
func (p *pool) release(r *resident) {
	p.mu.Lock()
	defer p.mu.Unlock()
	r.users--
	r.used = time.Now()
	if r.users == 0 {
		p.wake() // it may be evicted now
	}
}

// leave gives up the place of one who waited for a move.
func (p *pool) leave(m *move) {
	p.mu.Lock()
	r := m.r
	m.waiters--
	p.mu.Unlock()
	if r != nil {
		p.release(r) // it has moved in, and this user with it
	}
}

// moveIn gives a home a process.
func (p *pool) moveIn(h *home, m *move) {
	defer p.work.Done()
	r, err := p.assign(h.tenant)
	p.mu.Lock()
	h.moving = nil
	m.r, m.err = r, err
	if err == nil {
		r.users = m.waiters
		select {
		case <-r.gone:
		default:
			h.resident = r // gone, when it comes, takes it out again
		}
	}
	p.mu.Unlock()
	close(m.done)
}

// assign takes a process and gives it to a tenant for good. The process
// belongs to the caller, who has to keep it or kill it.
func (p *pool) assign(tenant string) (*resident, error) {
	room, cancel := context.WithTimeout(p.s.life, 2*p.s.o.StartTimeout)
	defer cancel()
	proc, err := p.take(room)
	if err != nil {
		return nil, p.startError(tenant, err)
	}
	return p.give(proc, tenant)
}

// assignNew is assign for what nobody waits for: it takes neither a spare nor a
// tenant's process, and fails when there is no room for one more.
func (p *pool) assignNew(tenant string) (*resident, error) {
	p.mu.Lock()
	if p.closed || p.waiting > 0 || p.expecting > 0 || p.total >= p.s.o.MaxProcesses {
		p.mu.Unlock()
		return nil, errNoRoom
	}
	p.total++
	p.mu.Unlock()
	proc, err := p.start(p.s.life, p.s.o.StartTimeout)
	if err != nil {
		return nil, p.startError(tenant, err)
	}
	return p.give(proc, tenant)
}

func (p *pool) give(proc *process, tenant string) (*resident, error) {
	ctx, cancel := context.WithTimeout(p.s.life, p.s.o.StartTimeout)
	defer cancel()
	p.s.usages.begin(tenant, proc)
	if err := proc.limit(p.s.tierOf(tenant)); err != nil {
		proc.kill(causeStuck, nil)
		return nil, internal(tenant, "", "a sandbox process could not be given its limits", err)
	}
	response, err := proc.client.Assign(ctx, &sandboxpb.AssignRequest{Tenant: tenant, Apis: p.s.apiList})
	if err != nil {
		proc.kill(causeStuck, nil)
		return nil, internal(tenant, "", "a sandbox process could not be assigned", err)
	}
	fingerprint, err := ipc.CheckAssign(response)
	if err != nil {
		p.s.violation(proc, nil, err)
		return nil, internal(tenant, "", "a sandbox process could not be assigned", err)
	}
	r := newResident(p.s, proc, tenant, fingerprint)
	p.mu.Lock()
	if _, there := p.live[proc]; there {
		p.live[proc] = r
	}
	p.mu.Unlock()
	return r, nil
}

func (p *pool) startError(tenant string, err error) error {
	if errors.Is(err, errExhausted) || exhausted(err) {
		p.s.stats.refused()
		p.s.log.Info("no sandbox process can be started: the machine, or what this user may have of it, is used up", "error", err)
		return overloaded(tenant, "", "the machine has no room for another sandbox process at the moment", retryAfter)
	}
	if errors.Is(err, errNoRoom) {
		p.s.stats.refused()
		return overloaded(tenant, "", fmt.Sprintf("all %d sandbox processes are busy", p.s.o.MaxProcesses), retryAfter)
	}
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		p.s.stats.refused()
		return overloaded(tenant, "", "no sandbox process was ready in time", retryAfter)
	}
	return internal(tenant, "", "no sandbox process could be started", err)
}

var (
	errNoRoom    = errors.New("no room for another process")
	errExhausted = errors.New("nothing is idle that could make room for another process")
)

// exhausted reports whether a process did not start for want of descriptors,
// processes, memory or disk: of what there will be again. What fails inside gRPC
// tells so in its text alone.
func exhausted(err error) bool {
	return slices.ContainsFunc([]syscall.Errno{syscall.EMFILE, syscall.ENFILE, syscall.EAGAIN, syscall.ENOMEM, syscall.ENOSPC, syscall.EDQUOT},
		func(e syscall.Errno) bool {
			return errors.Is(err, e) || status.Code(err) == codes.ResourceExhausted && strings.Contains(err.Error(), e.Error())
		})
}

// take returns a process that nobody owns: a spare, or a new one. When there
// is no room it takes an idle tenant's, or waits until ctx ends; how long the
// start may take is another matter.
//
// A machine that has run out of something counts as having no room: an idle
// tenant's process, when it ends, gives back what the new one needs.
func (p *pool) take(ctx context.Context) (*process, error) {
	var short error // why the last process did not start
	p.mu.Lock()
	for {
		if p.closed {
			p.mu.Unlock()
			return nil, errNoRoom
		}
		for len(p.spares) > 0 {
			proc := p.spares[0]
			p.spares = p.spares[1:]
			if !proc.dead() {
				p.refillSoon()
				p.mu.Unlock()
				return proc, nil
			}
		}
		if p.expecting < p.arriving {
			// It began earlier, and a start beside it would make both late.
			p.expecting++
			err := p.await(ctx)
			p.expecting--
			if err != nil {
				p.mu.Unlock()
				return nil, err
			}
			continue
		}
		if p.total < p.s.o.MaxProcesses && short == nil {
			p.total++
			p.mu.Unlock()
			proc, err := p.start(p.s.life, p.s.o.StartTimeout)
			if err == nil || !exhausted(err) {
				return proc, err
			}
			short = err
			p.mu.Lock()
			continue
		}
		if p.leaving <= p.waiting {
			p.evictOne()
		}
		if short != nil && p.leaving <= p.waiting {
			p.mu.Unlock()
			return nil, fmt.Errorf("%w: %w", errExhausted, short)
		}
		short = nil
		if p.waiting >= p.s.o.MaxProcesses {
			p.mu.Unlock()
			return nil, errNoRoom
		}
		p.waiting++
		err := p.await(ctx)
		p.waiting--
		if err != nil {
			p.mu.Unlock()
			return nil, err
		}
	}
}

// await waits for wake. The lock is held, but not meanwhile.
func (p *pool) await(ctx context.Context) error {
	room := p.room
	p.mu.Unlock()
	defer p.mu.Lock()
	select {
	case <-room:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// start starts a process that is already counted in total.
func (p *pool) start(ctx context.Context, timeout time.Duration) (*process, error) {
	p.starting <- struct{}{}
	proc, err := p.s.startProcess(ctx, timeout)
	<-p.starting
	p.mu.Lock()
	defer p.mu.Unlock()
	p.broken, p.broke = err, time.Now()
	if err != nil {
		p.total--
		p.wake()
		return nil, err
	}
	p.s.stats.started()
	p.live[proc] = nil
	p.work.Add(1)
	go func() {
		defer p.work.Done()
		proc.watch(p.gone)
	}()
	if p.closed {
		proc.kill(causeClosed, nil)
		return nil, errNoRoom
	}
	return proc, nil
}

// wake lets those who wait for room, or for a spare, look again. The lock is
// held.
func (p *pool) wake() {
	if p.waiting > 0 || p.expecting > 0 {
		close(p.room)
		p.room = make(chan struct{})
	}
}

// gone takes note of a process that has been reaped.
func (p *pool) gone(proc *process) {
	why, _ := proc.why()
	p.s.stats.ended(why)
	p.s.usages.end(proc)
	if proc.left != nil {
		p.s.log.Warn("the control group of a sandbox process could not be removed", "error", proc.left)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if r := p.live[proc]; r != nil && why.killed() {
		p.s.activity.Killed(r.tenant, time.Now())
	}
	delete(p.live, proc)
	p.total--
	if why == causeEvicted {
		p.leaving--
	}
	if i := slices.Index(p.spares, proc); i >= 0 {
		p.spares = slices.Delete(p.spares, i, i+1)
	}
	tenant := ""
	for _, h := range p.homes {
		if r := h.resident; r != nil && r.process == proc {
			tenant, h.resident, h.ended = h.tenant, nil, coldAfter(proc)
			if why.fault() {
				h.breaker.died(r.assigned, time.Now(), proc.KilledByOthers())
			}
		}
	}
	close(proc.gone)
	p.wake()
	p.refill()
	if why == causeMemory {
		p.s.log.Info("a sandbox process was killed for memory", "tenant", tenant, "pid", proc.PID(), "limit", formatBytes(proc.mostMemory.Load()))
	}
	if why.fault() {
		p.s.log.Info("a sandbox process died", "tenant", tenant, "pid", proc.PID(), "cause", why.String(), "how", proc.Obituary())
	}
}

// residentOf returns the tenant's process if it has one, without using it.
func (p *pool) residentOf(tenant string) *resident {
	p.mu.Lock()
	defer p.mu.Unlock()
	if h := p.homes[tenant]; h != nil && h.resident != nil && !h.resident.dead() {
		return h.resident
	}
	return nil
}

// counts returns how many processes exist, are spare, and belong to tenants.
func (p *pool) counts() (total, spares, tenants int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, h := range p.homes {
		if h.resident != nil {
			tenants++
		}
	}
	return p.total, len(p.spares), tenants
}

// busy returns how many tenants' processes are at work.
func (p *pool) busy() (n int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, h := range p.homes {
		if h.resident != nil && h.resident.users > 0 {
			n++
		}
	}
	return n
}

// ready says why no process can be started, as far as that was seen lately.
func (p *pool) ready() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if time.Since(p.broke) > brokenFor {
		return nil // nobody has tried since: let them
	}
	return p.broken
}

// close kills every process and returns when all have been reaped and no
// goroutine of the pool is left. s.life has to be over.
func (p *pool) close() {
	p.mu.Lock()
	p.closed = true
	for _, proc := range p.spares {
		proc.kill(causeClosed, nil)
	}
	for _, h := range p.homes {
		if h.resident != nil {
			h.resident.kill(causeClosed, nil)
		}
	}
	close(p.room)
	p.room = make(chan struct{})
	p.mu.Unlock()
	p.work.Wait()
}
