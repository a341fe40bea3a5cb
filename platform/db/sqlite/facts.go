package sqlite

import (
	"sync"

	"github.com/bulkhead-run/bulkhead/platform/db/wire"
)

const (
	maxFacts     = 256     // statements
	maxFactsText = 1 << 20 // bytes of them
)

// facts remembers what statements do, to save asking again. It need not be
// right: a process runs a statement only within what it is told, and else says
// what the statement does now.
type facts struct {
	mu   sync.Mutex
	m    map[string]*wire.Facts
	size int
}

func (c *facts) get(sql string) *wire.Facts {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.m[sql]
}

func (c *facts) put(sql string, f *wire.Facts) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.m[sql] == nil {
		c.size += len(sql)
	}
	if c.m == nil || len(c.m) >= maxFacts || c.size > maxFactsText {
		c.m, c.size = make(map[string]*wire.Facts), len(sql)
	}
	c.m[sql] = f
}
