package remote

import (
	"context"
	"sync"
)

// Gate bounds the calls that are on their way, of one tenant and of all, so
// that one tenant cannot take every place. Further calls wait.
type Gate struct {
	perTenant int
	all       chan struct{}

	mu      sync.Mutex
	tenants map[string]*share
}

// share is one tenant's part; it exists while the tenant has calls.
type share struct {
	places chan struct{}
	users  int
}

// NewGate makes a gate for at most all calls, and perTenant of one tenant.
func NewGate(all, perTenant int) *Gate {
	return &Gate{perTenant: perTenant, all: make(chan struct{}, all), tenants: map[string]*share{}}
}

// Enter waits for a place until ctx ends. The caller calls leave when the call
// has ended.
func (g *Gate) Enter(ctx context.Context, tenant string) (leave func(), err error) {
	g.mu.Lock()
	s := g.tenants[tenant]
	if s == nil {
		s = &share{places: make(chan struct{}, g.perTenant)}
		g.tenants[tenant] = s
	}
	s.users++
	g.mu.Unlock()

	done := func() {
		g.mu.Lock()
		defer g.mu.Unlock()
		if s.users--; s.users == 0 {
			delete(g.tenants, tenant)
		}
	}
	select {
	case s.places <- struct{}{}:
	case <-ctx.Done():
		done()
		return nil, ctx.Err()
	}
	select {
	case g.all <- struct{}{}:
	case <-ctx.Done():
		<-s.places
		done()
		return nil, ctx.Err()
	}
	return func() { <-g.all; <-s.places; done() }, nil
}
