package worker

import (
	"database/sql/driver"

	lib "modernc.org/sqlite/lib"

	"github.com/bulkhead-run/bulkhead/platform/db/wire"
)

const (
	maxKept     = 32       // statements of a connection
	maxKeptSize = 32 << 10 // bytes that one takes
)

// compiled is a statement, and what it would do by the schema that it was
// compiled for. By a newer one SQLite compiles it again when it is run, and the
// authorizer holds it to what was allowed.
type compiled struct {
	driver.Stmt
	handle uintptr
	facts  *wire.Facts
}

// statements are those that a connection keeps compiled for their next run.
type statements map[string]*compiled

// retain keeps a statement that has been run and may be again, if it is not too
// large. It may take the place of another. It closes the one that is not kept.
func (c *connection) retain(sql string, s *compiled) {
	changed := lib.Xsqlite3_stmt_status(c.tls, s.handle, lib.SQLITE_STMTSTATUS_REPREPARE, 1) > 0
	if c.kept[sql] == s {
		if changed { // it may do other things now, and have another size
			c.forget(sql)
		}
		return
	}
	keep := !isDefinition(s.facts.Kinds[0]) && s.facts.Kinds[0] != "pragma" &&
		// What EXPLAIN shows is of the schema that it was compiled for.
		lib.Xsqlite3_stmt_isexplain(c.tls, s.handle) == 0
	if !keep || len(sql)+int(lib.Xsqlite3_stmt_status(c.tls, s.handle, lib.SQLITE_STMTSTATUS_MEMUSED, 0)) > maxKeptSize {
		s.Close()
		return
	}
	if len(c.kept) >= maxKept {
		for other := range c.kept {
			c.forget(other)
			break
		}
	}
	c.kept[sql] = s
}

// forget closes a statement, if it is kept.
func (c *connection) forget(sql string) {
	if s := c.kept[sql]; s != nil {
		delete(c.kept, sql)
		s.Close()
	}
}
