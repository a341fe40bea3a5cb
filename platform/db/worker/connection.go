package worker

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"net/url"
	"time"

	"modernc.org/libc"
	"modernc.org/sqlite"
	lib "modernc.org/sqlite/lib"

	"github.com/bulkhead-run/bulkhead/platform/db/wire"
)

// file is the database, in the working directory.
const file = "main.db"

// tenantDriver opens the connections. It is our own, so that it has our
// functions.
var tenantDriver = func() *sqlite.Driver {
	d := &sqlite.Driver{}
	registerTrims(d)
	return d
}()

// driverConn is what we use of the driver's connection.
type driverConn interface {
	driver.Conn
	driver.ConnPrepareContext
	driver.ExecerContext
	sqlite.AuthorizerRegisterer
}

func openDriver(name string, maxSize int64) (driverConn, error) {
	// Nothing but the page limit is persistent here; the order is the
	// driver's, by name.
	q := url.Values{
		"_defensive":    {"1"},
		"_dqs":          {"0"},
		"_error_rc":     {"1"},
		"_busy_timeout": {busyMilliseconds},
		"_journal_mode": {"WAL"},
		"_synchronous":  {"FULL"},
		"_foreign_keys": {"1"},
		"_pragma": {
			"trusted_schema(0)", "cell_size_check(1)", "mmap_size(0)", "cache_size(-1024)", "temp_store(2)",
			fmt.Sprintf("page_size(%d)", pageSize), fmt.Sprintf("max_page_count(%d)", maxSize/pageSize),
			"journal_size_limit(1048576)",
		},
	}
	c, err := tenantDriver.Open("file:" + name + "?" + q.Encode())
	if err != nil {
		return nil, err
	}
	dc, ok := c.(driverConn)
	if !ok {
		return nil, errors.Join(fmt.Errorf("the SQLite driver lacks what is needed: %T", c), c.Close())
	}
	return dc, nil
}

// connection is one SQLite connection, used by one goroutine.
type connection struct {
	config *wire.Config
	driver driverConn
	handle uintptr
	tls    *libc.TLS
	auth   authorizer
	types  driver.Stmt // tells what a table is
	kept   statements

	interrupts interrupts
	busy       busyHandler
}

// open opens a connection for a tenant's statements. Only the one that writes
// may change anything.
func open(config *wire.Config, writes, check bool) (_ *connection, err error) {
	c := &connection{config: config, tls: libc.NewTLS(), kept: make(statements)}
	defer func() {
		if err != nil {
			c.close()
		}
	}()
	if c.driver, err = openDriver(file, config.MaxSize); err != nil {
		return nil, err
	}
	c.handle = handleOf(c.driver)
	c.interrupts.handle = c.handle
	if check {
		if err := c.check(); err != nil {
			return nil, err
		}
	}
	if !writes {
		if err := c.exec("PRAGMA query_only = 1"); err != nil {
			return nil, err
		}
	}
	c.busy = c.wait
	lib.Xsqlite3_busy_handler(c.tls, c.handle, addressOf(&c.busy), 0)
	for id, value := range limits {
		lib.Xsqlite3_limit(c.tls, c.handle, int32(id), int32(value))
	}
	if err := c.driver.RegisterAuthorizer(c.auth.decide); err != nil {
		return nil, err
	}
	c.auth.own = true
	defer func() { c.auth.own = false }()
	c.types, err = c.driver.PrepareContext(context.Background(), "SELECT type FROM pragma_table_list WHERE schema = 'main' AND name = ?1 COLLATE NOCASE")
	return c, err
}

func (c *connection) close() {
	for sql := range c.kept {
		c.forget(sql)
	}
	if c.types != nil {
		c.types.Close()
	}
	if c.driver != nil {
		c.driver.Close()
	}
	c.tls.Close()
}

// wait waits for a lock that another program holds, for a while or until the
// request is to end: SQLite's own handler would not notice that.
func (c *connection) wait(_ *libc.TLS, _ uintptr, tries int32) int32 {
	if time.Duration(tries)*busyPause >= busyTimeout || c.interrupts.over() {
		return 0
	}
	time.Sleep(busyPause)
	return 1
}

// exec runs a statement of our own.
func (c *connection) exec(sql string) error {
	c.auth.own = true
	defer func() { c.auth.own = false }()
	_, err := c.driver.ExecContext(context.Background(), sql, nil)
	return err
}

// check looks the file over.
func (c *connection) check() error {
	stmt, err := c.driver.PrepareContext(context.Background(), "PRAGMA quick_check(1)")
	if err != nil {
		return err
	}
	defer stmt.Close()
	found, err := first(stmt)
	if err != nil {
		return err
	}
	if found != "ok" {
		return &failure{wire.Failure{Code: "corrupt", Message: "the database file is damaged; ask the operator to restore it", Engine: "SQLITE_CORRUPT", Detail: found}}
	}
	return nil
}

// typeOf tells what a table is: "table", "view", "virtual", "shadow", or "".
func (c *connection) typeOf(table string) (string, error) {
	c.auth.own = true
	defer func() { c.auth.own = false }()
	is, err := first(c.types, driver.NamedValue{Ordinal: 1, Value: table})
	if errors.Is(err, io.EOF) {
		return "", nil
	}
	return is, err
}

// first returns the first value of the first row, a text.
func first(stmt driver.Stmt, params ...driver.NamedValue) (string, error) {
	rows, err := stmt.(driver.StmtQueryContext).QueryContext(context.Background(), params)
	if err != nil {
		return "", err
	}
	defer rows.Close()
	value := make([]driver.Value, len(rows.Columns()))
	if err := rows.Next(value); err != nil {
		return "", err
	}
	text, _ := value[0].(string)
	return text, nil
}

// inTransaction reports whether a transaction is open.
func (c *connection) inTransaction() bool {
	return lib.Xsqlite3_get_autocommit(c.tls, c.handle) == 0
}
