package db

import (
	"context"
	"database/sql/driver"
	"encoding/json"
	"errors"
	"io"
	"strconv"
	"strings"

	"github.com/bulkhead-run/bulkhead/platform"
)

const (
	maxSQL    = 100_000 // bytes of one statement
	maxParams = 10_000
)

// API returns the API db_query(sql, params).
//
// It runs one statement on the tenant's database. The params are an array, for
// ? and ?1, or an object, for :name, @name and $name; each is null, a boolean
// (stored as 0 or 1), a number, a string, or {base64: "..."} for a BLOB.
//
// A statement that returns rows gives an array of objects with the columns in
// order. NULL is null, and a BLOB {base64: "..."}; text that is not UTF-8 has
// U+FFFD where it is wrong. An integer beyond ±(2^53-1), which a JavaScript
// number cannot hold exactly, is an error that says to CAST it AS TEXT. Any
// other statement gives {changes, lastInsertId}: lastInsertId is null when
// nothing was inserted, and a string beyond 2^53-1.
//
// Failures are a DatabaseError whose property code is SQLite's name of the
// error ("SQLITE_CONSTRAINT_UNIQUE") or one of ERR_ONE_STATEMENT,
// ERR_TOO_MANY_ROWS, ERR_RESULT_TOO_LARGE and ERR_OUT_OF_RANGE; a TypeError
// for wrong arguments; a TimeoutError when the invocation's deadline passed.
// A statement that fails changes nothing.
func (db *DB) API() platform.API {
	return platform.API{
		Name: "db_query",
		Doc:  "db_query(sql, params): run one SQL statement on the tenant's database",
		Func: db.call,
	}
}

func (db *DB) call(ctx context.Context, call *platform.Call) (any, error) {
	var text string
	if ok, err := call.Arg(0, "sql", &text); err != nil {
		return nil, err
	} else if !ok {
		return nil, platform.TypeErrorf("db_query needs an SQL statement")
	}
	switch {
	case len(text) > maxSQL:
		return nil, platform.TypeErrorf("the statement has %d bytes; at most %d are allowed", len(text), maxSQL)
	case strings.ContainsRune(text, 0):
		return nil, platform.TypeErrorf("the statement holds a NUL character")
	}
	var params []driver.NamedValue
	if len(call.Args) > 1 {
		var err error
		if params, err = parseParams(call.Args[1]); err != nil {
			return nil, err
		}
	}
	q := &query{db: db, text: strings.TrimRight(text, "; \t\r\n\f"), params: params}
	if err := db.run(ctx, call.Tenant, false, q.run); err != nil {
		return nil, db.failure(ctx, err)
	}
	return q.result, nil
}

// query is one statement, and its result once it has run.
type query struct {
	db     *DB
	text   string
	params []driver.NamedValue
	result json.RawMessage
}

func (q *query) run(ctx context.Context, c *conn) error {
	c.auth.reset()
	err := c.sql.Raw(func(dc any) error {
		return guarded(func() error { return q.runOn(ctx, c, dc.(raw)) })
	})
	if err != nil && c.auth.denied != "" {
		return databaseError("SQLITE_AUTH", "%s", c.auth.denied)
	}
	return err
}

func (q *query) runOn(ctx context.Context, c *conn, r raw) error {
	stmt, err := r.PrepareContext(ctx, q.text)
	if err != nil {
		return err
	}
	defer stmt.Close()
	if !single(stmt) {
		return databaseError("ERR_ONE_STATEMENT", "db_query runs exactly one statement, with nothing after it")
	}
	c.auth.slow = 0 // it is compiled a second time now, to learn its columns
	columns, err := r.ColumnInfo(q.text)
	if err != nil {
		return err
	}
	c.auth.slow = 0 // and once more when another connection changed the schema
	switch {
	case len(columns) == 0:
		return q.exec(ctx, c, stmt)
	case c.auth.changes:
		// A result over its limits must undo what the statement changed.
		return c.transact(ctx, r, func() error { return q.rows(ctx, r, stmt) })
	}
	return q.rows(ctx, r, stmt)
}

// transact runs f in a transaction.
func (c *conn) transact(ctx context.Context, r raw, f func() error) error {
	control := func(ctx context.Context, word string) error {
		c.auth.own = true
		defer func() { c.auth.own = false }()
		_, err := r.ExecContext(ctx, word, nil)
		return err
	}
	if err := control(ctx, "BEGIN IMMEDIATE"); err != nil {
		return err
	}
	err := f()
	if err == nil {
		if err = control(ctx, "COMMIT"); err == nil {
			return nil
		}
	}
	// SQLite may have rolled back by itself; then this fails and means nothing.
	control(context.Background(), "ROLLBACK")
	return err
}

func (q *query) exec(ctx context.Context, c *conn, stmt driver.Stmt) error {
	result, err := stmt.(driver.StmtExecContext).ExecContext(ctx, q.params)
	if err != nil {
		return err
	}
	var out struct {
		Changes      int64 `json:"changes"`
		LastInsertID any   `json:"lastInsertId"`
	}
	// For other statements SQLite reports the numbers of the last one that
	// changed rows.
	if c.auth.changes && !c.auth.defines {
		if out.Changes, err = result.RowsAffected(); err != nil {
			return err
		}
		if c.auth.inserts && out.Changes > 0 {
			id, err := result.LastInsertId()
			if err != nil {
				return err
			}
			if out.LastInsertID = id; !safeInteger(id) {
				out.LastInsertID = strconv.FormatInt(id, 10)
			}
		}
	}
	q.result, err = json.Marshal(out)
	return err
}

func (q *query) rows(ctx context.Context, r raw, stmt driver.Stmt) error {
	rows, err := stmt.(driver.StmtQueryContext).QueryContext(ctx, q.params)
	if err != nil {
		return err
	}
	defer interruptOn(ctx, r)()
	keepText(rows)
	w := newResultWriter(rows.Columns(), q.db.o)
	values := make([]driver.Value, len(rows.Columns()))
	for err == nil {
		if err = rows.Next(values); err == nil {
			err = w.row(values)
		}
	}
	if closed := rows.Close(); errors.Is(err, io.EOF) {
		err = closed
	}
	if err != nil {
		return err
	}
	q.result = w.end()
	return nil
}
