package db

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

// single reports whether stmt is exactly one statement. SQLite's own parser
// found that out; the driver keeps it in a field of its own.
func single(stmt driver.Stmt) bool {
	return reflect.ValueOf(stmt).Elem().FieldByName("pstmt").Uint() != 0
}

// keepText makes rows return text as it is stored. The driver would turn it
// into a time.Time, and lose its form, where a column is declared as DATE,
// DATETIME or TIMESTAMP.
func keepText(rows driver.Rows) {
	types := reflect.ValueOf(rows).Elem().FieldByName("decltypes")
	clear(unsafe.Slice((*string)(types.UnsafePointer()), types.Len()))
}

// interruptOn interrupts what dc runs from ctx's end until stop is called. The
// driver does that itself, but not while it steps from row to row.
func interruptOn(ctx context.Context, dc any) (stop func()) {
	handle := uintptr(reflect.ValueOf(dc).Elem().FieldByName("db").Uint())
	stopped, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		select {
		case <-stopped:
			return
		case <-ctx.Done():
		}
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
	}()
	return func() {
		close(stopped)
		<-ended
	}
}

// probe fails when this version of the driver is not what single, keepText,
// interruptOn and the limits were written for.
func probe() error {
	ctx := context.Background()
	c, err := openConn(ctx, ":memory:", 1<<20, true, nil)
	if err != nil {
		return err
	}
	defer c.close()
	return c.sql.Raw(func(dc any) error {
		r, ok := dc.(raw)
		if !ok {
			return fmt.Errorf("the SQLite driver lacks what is needed: %T", dc)
		}
		return guarded(func() error {
			const text = "2000-01-01"
			if _, err := r.ExecContext(ctx, "CREATE TABLE t (d DATE); INSERT INTO t VALUES ('"+text+"')", nil); err != nil {
				return err
			}
			two, err := r.PrepareContext(ctx, "SELECT 1; SELECT 2")
			if err != nil {
				return err
			}
			defer two.Close()
			one, err := r.PrepareContext(ctx, "SELECT d FROM t")
			if err != nil {
				return err
			}
			defer one.Close()
			rows, err := one.(driver.StmtQueryContext).QueryContext(ctx, nil)
			if err != nil {
				return err
			}
			defer rows.Close()
			defer interruptOn(ctx, dc)()
			keepText(rows)
			value := make([]driver.Value, 1)
			if err := rows.Next(value); err != nil {
				return err
			}
			if value[0] != text || single(two) || !single(one) {
				return errors.New("this version of the SQLite driver is not supported")
			}
			return nil
		})
	})
}
