package supervisor

import (
	"context"
	"fmt"
	"sync"
	"time"
)

// gates hold each version to its concurrency. One without invocations has no
// gate.
type gates struct {
	mu    sync.Mutex
	gates map[gated]*gate
}

// gated is what has a gate.
type gated struct{ tenant, function, version string }

// gate is one version's: so many run, the others wait in line.
type gate struct {
	running int
	limit   int
	queue   []chan struct{} // closed when its owner's turn has come
	gone    chan struct{}   // closed when nobody runs or waits any more
}

func newGates() *gates { return &gates{gates: make(map[gated]*gate)} }

// enter waits for a turn, at most for patience, in a line of at most maxQueue.
// The caller calls leave when done.
func (g *gates) enter(ctx context.Context, tenant, function, version string, limit, maxQueue int, patience time.Duration) (leave func(), err error) {
	key := gated{tenant, function, version}
	g.mu.Lock()
	t := g.gates[key]
	if t == nil {
		t = &gate{gone: make(chan struct{})}
		g.gates[key] = t
	}
	t.limit = limit
	leave = func() { g.leave(key, t) }
	if t.running < t.limit && len(t.queue) == 0 {
		t.running++
		g.mu.Unlock()
		return leave, nil
	}
	if len(t.queue) >= maxQueue {
		g.mu.Unlock()
		e := overloaded(tenant, function, fmt.Sprintf("%d invocations run and %d wait, which is the most", limit, maxQueue), retryAfter)
		e.Remedy = "raise the function's concurrency, or send less at once"
		return nil, e
	}
	turn := make(chan struct{})
	t.queue = append(t.queue, turn)
	t.admit()
	g.mu.Unlock()

	timer := time.NewTimer(patience)
	defer timer.Stop()
	select {
	case <-turn:
		return leave, nil
	case <-timer.C:
		e := overloaded(tenant, function, fmt.Sprintf("it waited %v for one of %d running invocations to end", patience, limit), retryAfter)
		e.Remedy = "raise the function's concurrency, or send less at once"
		err = e
	case <-ctx.Done():
		err = ctx.Err()
	}
	g.mu.Lock()
	for i, other := range t.queue {
		if other == turn {
			t.queue = append(t.queue[:i], t.queue[i+1:]...)
			g.mu.Unlock()
			return nil, err
		}
	}
	g.mu.Unlock()
	// The turn came at the same moment: take it, unless the caller has gone.
	if ctx.Err() == nil {
		return leave, nil
	}
	leave()
	return nil, err
}

func (g *gates) leave(key gated, t *gate) {
	g.mu.Lock()
	defer g.mu.Unlock()
	t.running--
	t.admit()
	if t.running == 0 && len(t.queue) == 0 {
		delete(g.gates, key)
		close(t.gone)
	}
}

// quiet waits until no invocation of a tenant runs or waits.
func (g *gates) quiet(ctx context.Context, tenant string) error {
	for {
		g.mu.Lock()
		var busy *gate
		for key, t := range g.gates {
			if key.tenant == tenant {
				busy = t
			}
		}
		g.mu.Unlock()
		if busy == nil {
			return nil
		}
		select {
		case <-busy.gone:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// admit lets the next in line go. The lock is held.
func (t *gate) admit() {
	for t.running < t.limit && len(t.queue) > 0 {
		close(t.queue[0])
		t.queue = t.queue[1:]
		t.running++
	}
}
