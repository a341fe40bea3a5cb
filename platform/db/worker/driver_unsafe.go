package worker

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"reflect"
	"time"
	"unsafe"

	"modernc.org/libc"
	lib "modernc.org/sqlite/lib"
)

// What the driver knows and does not tell is read from its own fields here;
// probe proves at start-up that they are what they were.

// statementOf returns SQLite's handle of a statement, or 0 if stmt is not
// exactly one. SQLite's own parser found that out.
func statementOf(stmt driver.Stmt) uintptr {
	return uintptr(reflect.ValueOf(stmt).Elem().FieldByName("pstmt").Uint())
}

// handleOf returns SQLite's handle of a connection.
func handleOf(dc any) uintptr {
	return uintptr(reflect.ValueOf(dc).Elem().FieldByName("db").Uint())
}

// keepText makes rows return text as it is stored. The driver would turn it
// into a time.Time, and lose its form, where a column is declared as DATE,
// DATETIME or TIMESTAMP.
func keepText(rows driver.Rows) {
	types := reflect.ValueOf(rows).Elem().FieldByName("decltypes")
	clear(unsafe.Slice((*string)(types.UnsafePointer()), types.Len()))
}

// busyHandler tells SQLite whether to look again for a lock, or to give up with
// 0, after so many tries.
type busyHandler func(tls *libc.TLS, arg uintptr, tries int32) int32

// addressOf returns a handler's address as SQLite takes it. Whoever gives it that
// keeps the handler.
func addressOf(h *busyHandler) uintptr { return *(*uintptr)(unsafe.Pointer(h)) }

// probe fails when this version of the driver is not what the functions above
// were written for. It has SQLite and Go read what they read once, from files that
// are out of reach later: seeds of random numbers, and the time zone. It has Go
// open its poller, which the timers need.
func probe() error {
	time.Sleep(time.Nanosecond)
	ctx := context.Background()
	c, err := openDriver(":memory:", 1<<20)
	if err != nil {
		return err
	}
	defer c.Close()
	const text = "2000-01-01"
	if _, err := c.ExecContext(ctx, "CREATE TABLE t (d DATE); INSERT INTO t VALUES ('"+text+"'); SELECT random(), datetime('now', 'localtime')", nil); err != nil {
		return err
	}
	two, err := c.PrepareContext(ctx, "SELECT 1; SELECT 2")
	if err != nil {
		return err
	}
	defer two.Close()
	one, err := c.PrepareContext(ctx, "SELECT d FROM t")
	if err != nil {
		return err
	}
	defer one.Close()
	rows, err := one.(driver.StmtQueryContext).QueryContext(ctx, nil)
	if err != nil {
		return err
	}
	defer rows.Close()
	keepText(rows)
	value := make([]driver.Value, 1)
	if err := rows.Next(value); err != nil {
		return err
	}
	if value[0] != text || statementOf(two) != 0 || statementOf(one) == 0 {
		return errors.New("this version of the SQLite driver is not supported")
	}
	tls := libc.NewTLS()
	defer tls.Close()
	if n := lib.Xsqlite3_column_count(tls, statementOf(one)); n != 1 {
		return fmt.Errorf("this version of the SQLite driver is not supported: %d columns", n)
	}
	return nil
}
