package db

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"net/url"
	"runtime/debug"
	"strconv"
	"unicode/utf8"

	"modernc.org/sqlite"
	lib "modernc.org/sqlite/lib"
)

const pageSize = 4096

// Limits of a tenant's connection (sqlite.org/c3ref/c_limit_attached.html).
var limits = map[int]int{
	lib.SQLITE_LIMIT_LENGTH:              256 << 10,
	lib.SQLITE_LIMIT_SQL_LENGTH:          maxSQL,
	lib.SQLITE_LIMIT_COLUMN:              500,
	lib.SQLITE_LIMIT_EXPR_DEPTH:          100,
	lib.SQLITE_LIMIT_COMPOUND_SELECT:     50,
	lib.SQLITE_LIMIT_VDBE_OP:             25_000,
	lib.SQLITE_LIMIT_FUNCTION_ARG:        32,
	lib.SQLITE_LIMIT_ATTACHED:            0,
	lib.SQLITE_LIMIT_LIKE_PATTERN_LENGTH: 50,
	lib.SQLITE_LIMIT_VARIABLE_NUMBER:     maxParams,
	lib.SQLITE_LIMIT_TRIGGER_DEPTH:       10,
	lib.SQLITE_LIMIT_WORKER_THREADS:      0,
}

// tenantDriver opens tenants' connections. It is our own, so that what it
// registers reaches no other user of the library in this process.
var tenantDriver = func() *sqlite.Driver {
	d := &sqlite.Driver{}
	registerTrims(d)
	return d
}()

// conn is one SQLite connection, used by one goroutine at a time.
type conn struct {
	db   *sql.DB
	sql  *sql.Conn
	auth *authorizer // nil on the supervisor's own connections
}

// connector hands one driver's connections to database/sql.
type connector struct {
	driver driver.Driver
	dsn    string
}

func (c connector) Connect(context.Context) (driver.Conn, error) { return c.driver.Open(c.dsn) }
func (c connector) Driver() driver.Driver                        { return c.driver }

// openConn opens file for a tenant's statements or, trusted, for our own. It
// calls ready, if not nil, before the connection is restricted.
func openConn(ctx context.Context, file string, maxSize int64, trusted bool, ready func(*conn) error) (*conn, error) {
	// Nothing but the page limit is persistent here; the order is the
	// driver's, by name.
	q := url.Values{
		"_defensive":    {"1"},
		"_dqs":          {"0"},
		"_error_rc":     {"1"},
		"_busy_timeout": {"10000"}, // a context's end ends it earlier
		"_journal_mode": {"WAL"},
		"_synchronous":  {"FULL"},
		"_foreign_keys": {"1"},
		"_pragma": {
			"trusted_schema(0)", "cell_size_check(1)", "mmap_size(0)", "cache_size(-1024)",
			fmt.Sprintf("page_size(%d)", pageSize), fmt.Sprintf("max_page_count(%d)", maxSize/pageSize),
			"journal_size_limit(1048576)",
		},
	}
	dsn := "file:" + (&url.URL{Path: file}).EscapedPath() + "?" + q.Encode()
	c := &conn{db: sql.OpenDB(connector{tenantDriver, dsn})}
	err := guarded(func() (err error) {
		if c.sql, err = c.db.Conn(ctx); err != nil {
			return err
		}
		if ready != nil {
			if err := ready(c); err != nil {
				return err
			}
		}
		if trusted {
			return nil
		}
		for id, value := range limits {
			if _, err := sqlite.Limit(c.sql, id, value); err != nil {
				return err
			}
		}
		c.auth = &authorizer{}
		return c.sql.Raw(func(dc any) error {
			r, ok := dc.(sqlite.AuthorizerRegisterer)
			if !ok {
				return errors.New("the SQLite driver has no authorizer")
			}
			return r.RegisterAuthorizer(c.auth.decide)
		})
	})
	if err != nil {
		guarded(func() error { c.close(); return nil })
		return nil, err
	}
	return c, nil
}

// check reports whether the file is sound.
func (c *conn) check(ctx context.Context) error {
	var found string
	if err := c.sql.QueryRowContext(ctx, "PRAGMA quick_check(1)").Scan(&found); err != nil {
		return err
	}
	if found != "ok" {
		e := databaseError("SQLITE_CORRUPT", "the database file is damaged; ask the operator to restore it")
		e.Err = errors.New(found)
		return e
	}
	return nil
}

func (c *conn) close() {
	if c.sql != nil {
		c.sql.Close()
	}
	c.db.Close()
}

// raw is what we use of the driver's connection.
type raw interface {
	driver.ConnPrepareContext
	driver.ExecerContext
	ColumnInfo(query string) ([]sqlite.ColumnInfo, error)
}

// errFault wraps a fault inside SQLite; the connection is lost.
var errFault = errors.New("SQLite failed inside")

// guarded runs f, and turns a memory fault or panic in the translated C code
// into errFault.
func guarded(f func() error) (err error) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("%w: %v", errFault, p)
		}
	}()
	return f()
}

// registerTrims replaces trim, ltrim and rtrim with two arguments, whose time
// is the product of both lengths in SQLite.
func registerTrims(d *sqlite.Driver) {
	for name, sides := range map[string][2]bool{"trim": {true, true}, "ltrim": {true, false}, "rtrim": {false, true}} {
		err := d.RegisterDeterministicScalarFunction(name, 2, func(_ *sqlite.FunctionContext, args []driver.Value) (driver.Value, error) {
			if args[0] == nil || args[1] == nil {
				return nil, nil
			}
			return trim(asText(args[0]), asText(args[1]), sides[0], sides[1]), nil
		})
		if err != nil {
			panic("BUG: " + err.Error())
		}
	}
}

func trim(s, cutset string, left, right bool) string {
	cut := make(map[rune]bool)
	for _, r := range cutset {
		cut[r] = true
	}
	for left && s != "" {
		r, n := utf8.DecodeRuneInString(s)
		if !cut[r] {
			break
		}
		s = s[n:]
	}
	for right && s != "" {
		r, n := utf8.DecodeLastRuneInString(s)
		if !cut[r] {
			break
		}
		s = s[:len(s)-n]
	}
	return s
}

func asText(v driver.Value) string {
	switch v := v.(type) {
	case string:
		return v
	case []byte:
		return string(v)
	case int64:
		return strconv.FormatInt(v, 10)
	}
	return fmt.Sprint(v)
}
