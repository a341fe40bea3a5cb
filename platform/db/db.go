package db

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"sync"
	"time"

	"github.com/bulkhead-run/bulkhead/platform"
)

var tenantName = regexp.MustCompile(`^[a-z0-9][a-z0-9-]{0,62}$`)

// DB is the platform API db_query. It is safe for concurrent use.
type DB struct {
	o    Options
	ctx  context.Context // ends with Close
	stop context.CancelFunc
	runs sync.WaitGroup

	mu     sync.Mutex
	closed bool
	open   map[string]*database
	// unused is closed, and made anew, whenever a database becomes unused.
	unused chan struct{}
	// checked are the tenants whose file was found sound since New; faulted
	// those on whose behalf SQLite failed inside.
	checked, faulted map[string]bool
}

// New prepares o.Dir. No database is opened yet. The caller closes the DB.
func New(o Options) (*DB, error) {
	if o.Dir == "" {
		return nil, errors.New("db: Options.Dir is not set")
	}
	o.setDefaults()
	dir, err := filepath.Abs(o.Dir)
	if err != nil {
		return nil, fmt.Errorf("db: %w", err)
	}
	o.Dir = dir
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("db: the directory for databases: %w", err)
	}
	if err := probe(); err != nil {
		return nil, fmt.Errorf("db: %w", err)
	}
	db := &DB{
		o: o, open: map[string]*database{}, unused: make(chan struct{}),
		checked: map[string]bool{}, faulted: map[string]bool{},
	}
	db.ctx, db.stop = context.WithCancel(context.Background())
	return db, nil
}

// Close interrupts the statements that are running, waits for them, and closes
// every database. Calls made later fail.
func (db *DB) Close() error {
	db.mu.Lock()
	db.closed = true
	db.mu.Unlock()
	db.stop()
	db.runs.Wait()
	db.mu.Lock()
	defer db.mu.Unlock()
	for _, d := range db.open {
		d.close()
	}
	clear(db.open)
	return nil
}

// Exec runs a script of any number of statements on a tenant's database, in
// one transaction and without the bounds that tenants' statements have, but
// for the size of the file. It is for operators: the script is trusted.
func (db *DB) Exec(ctx context.Context, tenant, script string) error {
	err := db.run(ctx, tenant, true, func(ctx context.Context, c *conn) error {
		tx, err := c.sql.BeginTx(ctx, nil)
		if err != nil {
			return err
		}
		if _, err := tx.ExecContext(ctx, script); err != nil {
			return errors.Join(err, tx.Rollback())
		}
		return tx.Commit()
	})
	if err != nil {
		return fmt.Errorf("db: tenant %s: %w", tenant, err)
	}
	return nil
}

// run calls f with one of the tenant's connections on a goroutine of its own,
// and returns when f does or when ctx ends, whichever is first. What f set is
// the caller's only when run returns f's own error.
func (db *DB) run(ctx context.Context, tenant string, trusted bool, f func(context.Context, *conn) error) error {
	if !tenantName.MatchString(tenant) {
		return fmt.Errorf("%q is not a tenant's name", tenant)
	}
	d, err := db.acquire(ctx, tenant)
	if err != nil {
		return err
	}
	if err := d.enter(ctx); err != nil {
		db.release(d)
		db.runs.Done()
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	unhook := context.AfterFunc(db.ctx, cancel)
	done := make(chan error, 1)
	r := &running{}
	go func() {
		defer db.runs.Done()
		defer cancel()
		defer unhook()
		err := db.with(ctx, d, trusted, f)
		d.leave(r)
		db.release(d)
		done <- err
	}()
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
		err := ctx.Err()
		if !d.abandon(r) {
			return <-done
		}
		return err
	}
}

// with lends f a connection, and keeps it for the next when nothing speaks
// against it.
func (db *DB) with(ctx context.Context, d *database, trusted bool, f func(context.Context, *conn) error) error {
	c, err := db.connect(ctx, d, trusted)
	if err == nil {
		err = guarded(func() error { return f(ctx, c) })
	}
	if errors.Is(err, errFault) {
		db.mu.Lock()
		db.faulted[d.tenant] = true
		db.mu.Unlock()
	}
	switch {
	case c == nil:
	case trusted, ctx.Err() != nil, errors.Is(err, errFault):
		// An interrupted connection may hold an open transaction; a new one
		// is cheap.
		guarded(func() error { c.close(); return nil })
	default:
		d.keep(c)
	}
	return err
}

func (db *DB) connect(ctx context.Context, d *database, trusted bool) (*conn, error) {
	if !trusted {
		if c := d.take(); c != nil {
			return c, nil
		}
	}
	if err := os.MkdirAll(filepath.Dir(d.file), 0o700); err != nil {
		return nil, err
	}
	return openConn(ctx, d.file, db.o.MaxSize, trusted, func(c *conn) error {
		return db.check(ctx, d.tenant, c)
	})
}

// check looks the tenant's file over once.
func (db *DB) check(ctx context.Context, tenant string, c *conn) error {
	db.mu.Lock()
	checked := db.checked[tenant]
	db.mu.Unlock()
	if checked {
		return nil
	}
	if err := c.check(ctx); err != nil {
		return err
	}
	db.mu.Lock()
	db.checked[tenant] = true
	db.mu.Unlock()
	return nil
}

// acquire returns the tenant's database, for release and one db.runs.Done.
func (db *DB) acquire(ctx context.Context, tenant string) (*database, error) {
	for {
		db.mu.Lock()
		switch {
		case db.closed:
			db.mu.Unlock()
			return nil, databaseError("SQLITE_INTERRUPT", "the supervisor is closing")
		case db.faulted[tenant]:
			db.mu.Unlock()
			return nil, databaseError("SQLITE_INTERNAL", "the database is out of service since a fault inside SQLite; ask the operator")
		}
		d := db.open[tenant]
		var evicted *database
		if d == nil {
			if len(db.open) >= db.o.MaxOpen {
				evicted = db.leastRecent()
			}
			if len(db.open) < db.o.MaxOpen || evicted != nil {
				if evicted != nil {
					delete(db.open, evicted.tenant)
				}
				d = &database{
					tenant: tenant,
					file:   filepath.Join(db.o.Dir, tenant, "main.db"),
					slots:  make(chan struct{}, db.o.MaxConns),
				}
				db.open[tenant] = d
			}
		}
		if d != nil {
			d.users++
			db.runs.Add(1)
			db.mu.Unlock()
			if evicted != nil {
				evicted.close()
			}
			return d, nil
		}
		unused := db.unused
		db.mu.Unlock()
		select {
		case <-unused:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

func (db *DB) leastRecent() *database {
	var oldest *database
	for _, d := range db.open {
		if d.users == 0 && (oldest == nil || d.used.Before(oldest.used)) {
			oldest = d
		}
	}
	return oldest
}

func (db *DB) release(d *database) {
	db.mu.Lock()
	defer db.mu.Unlock()
	d.users--
	d.used = time.Now()
	if d.users == 0 {
		close(db.unused)
		db.unused = make(chan struct{})
	}
}

// databaseError is a failure as JavaScript sees it.
func databaseError(code, format string, args ...any) *platform.Error {
	e := platform.Errorf("DatabaseError", format, args...)
	e.Properties = map[string]any{"code": code}
	return e
}
