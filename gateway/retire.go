package gateway

import (
	"context"
	"net"
	"net/http"
	"sync"
	"time"
)

// silence is how long a new connection may be without a request before it is
// taken for one that nobody uses.
const silence = 5 * time.Second

// tracker knows which connections are open.
type tracker struct {
	mu      sync.Mutex
	open    map[net.Conn]tracked
	changed chan struct{} // closed when one is used or closed; nil while nobody waits for that
}

type tracked struct {
	opened time.Time
	state  http.ConnState
}

func newTracker() *tracker {
	return &tracker{open: make(map[net.Conn]tracked)}
}

// follow is the http.Server's ConnState.
func (c *tracker) follow(conn net.Conn, state http.ConnState) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch state {
	case http.StateNew:
		c.open[conn] = tracked{time.Now(), state}
		return
	case http.StateClosed, http.StateHijacked:
		delete(c.open, conn)
	default:
		c.open[conn] = tracked{c.open[conn].opened, state}
	}
	if c.changed != nil {
		close(c.changed)
		c.changed = nil
	}
}

// until returns when wait is false for every open connection, or ctx ends.
func (c *tracker) until(ctx context.Context, wait func(tracked) bool) {
	for {
		c.mu.Lock()
		some := false
		for _, open := range c.open {
			some = some || wait(open)
		}
		if c.changed == nil {
			c.changed = make(chan struct{})
		}
		changed := c.changed
		c.mu.Unlock()
		if !some {
			return
		}
		select {
		case <-changed:
		case <-time.After(silence / 50): // one may be silent by now
		case <-ctx.Done():
			return
		}
	}
}

// Retire prepares an end that no client notices, before the context of Serve
// ends. Requests are answered as before, on new connections too, but each
// answer makes its client use another connection for the next request. Retire
// returns when every connection is closed that was open when it was called, or
// when ctx ends.
//
// A connection that is closed while it waits for a request loses the one that
// its client is just sending; one that is closed with an answer does not.
func (s *Server) Retire(ctx context.Context) {
	s.retiring.Store(true)
	began := time.Now()
	s.conns.until(ctx, func(c tracked) bool { return c.opened.Before(began) })
}

// finish waits for the requests of the connections that are open, once none is
// accepted any more. http.Server.Shutdown alone would drop a request that it
// has not read yet.
func (s *Server) finish(ctx context.Context) {
	s.retiring.Store(true)
	s.conns.until(ctx, func(c tracked) bool {
		return c.state == http.StateActive || c.state == http.StateNew && time.Since(c.opened) < silence
	})
}

// leaving tells clients of a retiring server to use another connection.
func (s *Server) leaving(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if s.retiring.Load() {
			w.Header().Set("Connection", "close")
		}
		next.ServeHTTP(w, r)
	})
}
