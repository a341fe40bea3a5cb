package fetch

import (
	"context"
	"net/http"
	"net/url"
	"sync"
	"time"
)

const (
	maxResponseHeader = 64 << 10
	idlePerHost       = 4
	idlePerTenant     = 16
	headerTimeout     = time.Minute // from the request's end
)

// pool is one tenant's connections. Those made under a verdict that allows
// private addresses are never used under one that does not.
type pool struct {
	tenant          string
	slots           chan struct{}
	public, private *http.Transport

	users int // guarded by pools.mu
	used  time.Time
}

func (p *pool) transport(private bool) *http.Transport {
	if private {
		return p.private
	}
	return p.public
}

func (p *pool) closeIdle() {
	p.public.CloseIdleConnections()
	p.private.CloseIdleConnections()
}

// pools holds the tenants' pools, and drops the one that was used least
// recently when there are too many.
type pools struct {
	o Options
	// newDialer is replaced by tests.
	newDialer func(private bool) *dialer

	mu       sync.Mutex
	byTenant map[string]*pool
}

func newPools(o Options) *pools {
	return &pools{
		o:         o,
		newDialer: func(private bool) *dialer { return &dialer{private: private} },
		byTenant:  map[string]*pool{},
	}
}

// acquire waits for one of the tenant's slots.
func (ps *pools) acquire(ctx context.Context, tenant string) (*pool, error) {
	ps.mu.Lock()
	p := ps.byTenant[tenant]
	if p == nil {
		ps.makeRoom()
		p = &pool{
			tenant:  tenant,
			slots:   make(chan struct{}, ps.o.MaxConcurrent),
			public:  ps.newTransport(false),
			private: ps.newTransport(true),
		}
		ps.byTenant[tenant] = p
	}
	p.users++
	ps.mu.Unlock()

	select {
	case p.slots <- struct{}{}:
		return p, nil
	case <-ctx.Done():
		ps.leave(p)
		return nil, ctx.Err()
	}
}

func (ps *pools) release(p *pool) {
	<-p.slots
	ps.leave(p)
}

func (ps *pools) leave(p *pool) {
	ps.mu.Lock()
	defer ps.mu.Unlock()
	p.users--
	p.used = time.Now()
}

// makeRoom drops the pool that has been idle the longest, if there are too
// many. When all are in use their calls are bounded already, and it lets one
// more be.
func (ps *pools) makeRoom() {
	if len(ps.byTenant) < ps.o.MaxTenants {
		return
	}
	var oldest *pool
	for _, p := range ps.byTenant {
		if p.users == 0 && (oldest == nil || p.used.Before(oldest.used)) {
			oldest = p
		}
	}
	if oldest != nil {
		delete(ps.byTenant, oldest.tenant)
		oldest.closeIdle()
	}
}

func (ps *pools) close() {
	ps.mu.Lock()
	defer ps.mu.Unlock()
	for _, p := range ps.byTenant {
		p.closeIdle()
	}
	clear(ps.byTenant)
}

// checkTarget refuses a host that is, or has, an address that may not be reached.
// It is for requests that a proxy connects for; all others are checked when they
// are dialled.
func (ps *pools) checkTarget(ctx context.Context, host string) error {
	return ps.newDialer(false).check(ctx, host)
}

func (ps *pools) newTransport(private bool) *http.Transport {
	var proxy func(*http.Request) (*url.URL, error) // never the supervisor's environment
	if ps.o.Proxy != nil {
		// All that is dialled is the proxy, wherever the operator has it.
		proxy, private = http.ProxyURL(ps.o.Proxy), true
	}
	return &http.Transport{
		Proxy:                  proxy,
		DisableCompression:     true, // see body
		ResponseHeaderTimeout:  headerTimeout,
		DialContext:            ps.newDialer(private).dial,
		ForceAttemptHTTP2:      true,
		MaxIdleConns:           idlePerTenant,
		MaxIdleConnsPerHost:    idlePerHost,
		MaxConnsPerHost:        ps.o.MaxConcurrent,
		IdleConnTimeout:        ps.o.IdleTimeout,
		TLSHandshakeTimeout:    dialTimeout,
		MaxResponseHeaderBytes: maxResponseHeader,
	}
}
