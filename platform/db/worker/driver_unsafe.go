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

const interruptInterval = 5 * time.Millisecond

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

// interruptOn interrupts what the connection runs from ctx's end until stop is
// called. The driver does that itself, but not while it steps from row to row.
func interruptOn(ctx context.Context, handle uintptr) (stop func()) {
	stopped, ended := make(chan struct{}), make(chan struct{})
	unhook := context.AfterFunc(ctx, func() {
		defer close(ended)
		tls := libc.NewTLS() // the connection's own is in use
		defer tls.Close()
		for {
			// Again and again: SQLite forgets an interrupt that comes between
			// two steps.
			lib.Xsqlite3_interrupt(tls, handle)
			select {
			case <-stopped:
				return
			case <-time.After(interruptInterval):
			}
		}
	})
	return func() {
		close(stopped)
		if !unhook() {
			<-ended
		}
	}
}

// probe fails when this version of the driver is not what the functions above
// were written for. It has SQLite and Go read what they read once, from files that
// are out of reach later: seeds of random numbers, and the time zone.
func probe() error {
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
	defer interruptOn(ctx, handleOf(c))()
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
