package db

import (
	"context"
	"sync"
	"time"
)

// database is one tenant's open database.
type database struct {
	tenant, file string
	slots        chan struct{} // one for each statement on its way

	users int // guarded by DB.mu, as used is
	used  time.Time

	mu    sync.Mutex
	idle  []*conn
	stuck int // statements that nobody waits for any more
}

// running is one statement on its way. Its fields are guarded by database.mu.
type running struct{ ended, abandoned bool }

// stuckGrace is how long a call waits for a connection when all are held by
// statements that nobody waits for: most of those end at once.
const stuckGrace = 500 * time.Millisecond

// enter waits for a slot.
func (d *database) enter(ctx context.Context) error {
	select {
	case d.slots <- struct{}{}:
		return nil
	default:
	}
	tick := time.NewTicker(stuckGrace)
	defer tick.Stop()
	for {
		select {
		case d.slots <- struct{}{}:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
			d.mu.Lock()
			stuck := d.stuck
			d.mu.Unlock()
			if stuck == cap(d.slots) {
				return databaseError("SQLITE_BUSY", "%d statements still run though their deadlines passed; try again when they have ended", stuck)
			}
		}
	}
}

// leave gives the slot back.
func (d *database) leave(r *running) {
	d.mu.Lock()
	defer d.mu.Unlock()
	r.ended = true
	if r.abandoned {
		d.stuck--
	}
	<-d.slots
}

// abandon says that nobody waits for r any more; false if it has ended.
func (d *database) abandon(r *running) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if r.ended {
		return false
	}
	r.abandoned = true
	d.stuck++
	return true
}

func (d *database) take() *conn {
	d.mu.Lock()
	defer d.mu.Unlock()
	n := len(d.idle)
	if n == 0 {
		return nil
	}
	c := d.idle[n-1]
	d.idle = d.idle[:n-1]
	return c
}

func (d *database) keep(c *conn) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.idle = append(d.idle, c)
}

// close closes the connections of a database that nobody uses.
func (d *database) close() {
	for c := d.take(); c != nil; c = d.take() {
		guarded(func() error { c.close(); return nil })
	}
}
