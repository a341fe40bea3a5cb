package postgres

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgconn/ctxwatch"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/bulkhead-run/bulkhead/platform/db"
)

var tenantName = regexp.MustCompile(`^[a-z0-9][a-z0-9-]{0,62}$`)

const (
	// setupTimeout bounds what the administrator's connection does.
	setupTimeout = 20 * time.Second
	// cancelGrace is how long the server may take to cancel a statement
	// before its connection is closed.
	cancelGrace = time.Second
)

// Engine is a db.Engine on a PostgreSQL server. It is safe for concurrent use.
type Engine struct {
	o     Options
	admin *pgxpool.Pool
	// config is the administrator's, for the address and TLS.
	config *pgxpool.Config

	mu     sync.Mutex
	closed bool
	pools  map[string]*pool
}

// pool is a tenant's connections.
type pool struct {
	e      *Engine
	schema string // and the role's name
	ready  chan struct{}
	err    error
	conns  *pgxpool.Pool

	users int // guarded by Engine.mu, as used is
	used  time.Time

	mu       sync.Mutex
	size     int64
	measured time.Time
}

var _ db.Engine = (*Engine)(nil)

// New connects to the server and prepares the database. The caller closes the
// Engine.
func New(ctx context.Context, o Options) (*Engine, error) {
	if len(o.Key) < 16 {
		return nil, errors.New("postgres: Options.Key is missing, or shorter than 16 bytes")
	}
	o.setDefaults()
	config, err := pgxpool.ParseConfig(o.URL)
	if err != nil {
		return nil, fmt.Errorf("postgres: the connection URL: %w", err)
	}
	config.MaxConns = 2
	ctx, cancel := context.WithTimeout(ctx, setupTimeout)
	defer cancel()
	e := &Engine{o: o, config: config, pools: make(map[string]*pool)}
	if e.admin, err = pgxpool.NewWithConfig(ctx, config); err != nil {
		return nil, fmt.Errorf("postgres: %w", err)
	}
	if err := e.prepare(ctx); err != nil {
		e.admin.Close()
		return nil, fmt.Errorf("postgres: %w", err)
	}
	return e, nil
}

// Close ends every connection, when what runs on them has ended.
func (e *Engine) Close() error {
	e.mu.Lock()
	e.closed = true
	pools := make([]*pool, 0, len(e.pools))
	for name, p := range e.pools {
		pools = append(pools, p)
		delete(e.pools, name)
	}
	e.mu.Unlock()
	for _, p := range pools {
		p.close()
	}
	e.admin.Close()
	return nil
}

func (p *pool) close() {
	<-p.ready
	if p.conns != nil {
		p.conns.Close()
	}
}

// acquire returns the tenant's pool, for release.
func (e *Engine) acquire(ctx context.Context, tenant string) (*pool, error) {
	if !tenantName.MatchString(tenant) {
		return nil, fmt.Errorf("%q is not a tenant's name", tenant)
	}
	e.mu.Lock()
	if e.closed {
		e.mu.Unlock()
		return nil, db.Errorf(db.CodeUnavailable, "the supervisor is closing")
	}
	p := e.pools[tenant]
	var old *pool
	if p == nil {
		old = e.evict()
		p = &pool{e: e, schema: schemaName(tenant), ready: make(chan struct{})}
		e.pools[tenant] = p
		go p.open(tenant)
	}
	p.users++
	e.mu.Unlock()
	if old != nil {
		go old.close()
	}
	var err error
	select {
	case <-p.ready:
		if err = p.err; err == nil {
			return p, nil
		}
	case <-ctx.Done():
		err = db.ContextError(ctx)
	}
	e.release(p)
	return nil, err
}

// evict takes out the pool that is unused for the longest, when there are too
// many. The caller holds e.mu.
func (e *Engine) evict() *pool {
	if len(e.pools) < e.o.MaxPools {
		return nil
	}
	var oldest *pool
	var name string
	for tenant, p := range e.pools {
		if p.users == 0 && (oldest == nil || p.used.Before(oldest.used)) {
			oldest, name = p, tenant
		}
	}
	delete(e.pools, name)
	return oldest
}

// hold counts one more user, beside the caller who is one.
func (e *Engine) hold(p *pool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	p.users++
}

func (e *Engine) release(p *pool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	p.users--
	p.used = time.Now()
}

// open makes the tenant's role and schema, and the pool of its connections.
func (p *pool) open(tenant string) {
	defer close(p.ready)
	ctx, cancel := context.WithTimeout(context.Background(), setupTimeout)
	defer cancel()
	password := p.e.password(p.schema)
	if p.err = p.e.provision(ctx, p.schema, password); p.err == nil {
		p.conns, p.err = pgxpool.NewWithConfig(context.Background(), p.config(password))
	}
	if p.err != nil {
		p.e.o.Logger.Info("a tenant's database did not open", "tenant", tenant, "error", p.err)
		p.err = failure(ctx, p.err)
		p.e.mu.Lock()
		delete(p.e.pools, tenant) // the next call tries again
		p.e.mu.Unlock()
	}
}

func (p *pool) config(password string) *pgxpool.Config {
	c := p.e.config.Copy()
	c.MaxConns, c.MinConns, c.MinIdleConns = int32(p.e.o.MaxConns), 0, 0
	c.MaxConnIdleTime = p.e.o.IdleTimeout
	c.ConnConfig.User, c.ConnConfig.Password = p.schema, password
	c.ConnConfig.RuntimeParams = map[string]string{"application_name": "bulkhead"}
	c.ConnConfig.BuildContextWatcherHandler = func(conn *pgconn.PgConn) ctxwatch.Handler {
		return &pgconn.CancelRequestContextWatcherHandler{Conn: conn, DeadlineDelay: cancelGrace}
	}
	c.AfterRelease = func(conn *pgx.Conn) bool {
		ctx, cancel := context.WithTimeout(context.Background(), cancelGrace)
		defer cancel()
		return conn.PgConn().Exec(ctx, "DISCARD ALL").Close() == nil
	}
	return c
}
