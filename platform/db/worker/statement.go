package worker

import (
	"context"
	"database/sql/driver"
	"errors"
	"io"
	"strings"

	lib "modernc.org/sqlite/lib"

	"github.com/bulkhead-run/bulkhead/platform/db/wire"
)

// maxCompiled is how often a statement is compiled again for what its
// full-text indexes turn out to need.
const maxCompiled = 16

// describe compiles a statement and tells what it would do.
func (c *connection) describe(sql string) (*wire.Facts, error) {
	s, err := c.compile(sql)
	if err != nil {
		return nil, err
	}
	return s.facts, s.Close()
}

func (c *connection) compile(sql string) (*compiled, error) {
	sql = strings.TrimRight(sql, "; \t\r\n\f")
	stmt, err := c.prepare(sql)
	if err != nil && c.auth.denied == "" {
		// It may be wrong only by the schema that this connection last saw:
		// SQLite looks for a newer one when a statement runs.
		if c.exec("SELECT 1 FROM sqlite_schema LIMIT 1") == nil {
			stmt, err = c.prepare(sql)
		}
	}
	if err != nil {
		return nil, err
	}
	s := &compiled{Stmt: stmt, handle: statementOf(stmt)}
	if s.handle == 0 {
		return nil, errors.Join(&failure{wire.Failure{Code: "multiple_statements", Message: "a call runs exactly one statement, with nothing after it"}}, s.Close())
	}
	s.facts, err = c.auth.facts(c.typeOf)
	if err == nil && len(s.facts.Tables) > wire.MaxTables {
		err = refusal("a statement may use at most %d tables", wire.MaxTables)
	}
	if err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

func (c *connection) prepare(sql string) (driver.Stmt, error) {
	c.auth.compile()
	if err := c.interrupts.allow(); err != nil {
		return nil, err
	}
	defer c.interrupts.forbid()
	return c.driver.PrepareContext(context.Background(), sql)
}

// run runs a statement within what is allowed. If it would do more it has no
// effect, and what it would do is returned instead of a result.
func (c *connection) run(q *wire.Request) (*wire.Result, *wire.Facts, error) {
	for range maxCompiled {
		s := c.kept[q.SQL]
		kept := s != nil
		if !kept {
			var err error
			if s, err = c.compile(q.SQL); err != nil {
				return nil, nil, err
			}
		}
		if !s.facts.Within(q.Facts) {
			if kept {
				c.forget(q.SQL) // it may be the older schema's
				continue
			}
			return nil, s.facts, s.Close()
		}
		c.auth.hold(q.Facts)
		result, err := c.atomically(s, q)
		if err == nil {
			c.retain(q.SQL, s)
			return result, nil, nil
		}
		beyond := c.auth.beyond
		c.forget(q.SQL)
		s.Close()
		switch {
		case len(beyond) == 0 || c.auth.denied != "":
			return nil, nil, err
		case kept:
			continue // the schema is another
		}
		// Full-text indexes say what they need only when they run.
		more, err := c.learn(beyond, s.facts)
		if more != nil || err != nil {
			return nil, more, err
		}
	}
	return nil, nil, refusal("this statement needs more tables than it can be told in advance")
}

// learn notes which tables are parts of full-text indexes. If all are, the
// statement may be tried again; else what it needs in all is returned.
func (c *connection) learn(beyond []string, facts *wire.Facts) (*wire.Facts, error) {
	needed := c.auth.noted
	for _, t := range facts.Tables {
		needed.note(facts.Kinds[0], t)
	}
	for _, kind := range facts.Kinds {
		needed.note(kind, "")
	}
	progress := true
	for _, t := range beyond {
		_, part := shadowOf(t)
		if part {
			is, err := c.typeOf(t)
			if err != nil {
				return nil, err
			}
			part = is == "shadow" && !c.auth.shadows[t]
		}
		if !part {
			progress = false
			continue
		}
		if c.auth.shadows == nil {
			c.auth.shadows = make(map[string]bool)
		}
		c.auth.shadows[t] = true
	}
	if progress {
		return nil, nil
	}
	return needed.facts(c.typeOf)
}

// atomically runs a statement that returns rows, and changes some, so that it
// changes nothing if it fails on the way: SQLite itself would keep what was
// changed when a result goes over its bounds.
func (c *connection) atomically(s *compiled, q *wire.Request) (*wire.Result, error) {
	if !q.Facts.Writes || lib.Xsqlite3_column_count(c.tls, s.handle) == 0 {
		return c.step(s, q)
	}
	if err := c.exec("SAVEPOINT bulkhead"); err != nil {
		return nil, err
	}
	result, err := c.step(s, q)
	if err == nil {
		if err = c.exec("RELEASE bulkhead"); err == nil {
			return result, nil
		}
	}
	if c.inTransaction() { // SQLite may have rolled back by itself
		if undo := c.exec("ROLLBACK TO bulkhead"); undo != nil {
			return nil, errors.Join(err, undo)
		}
		if undo := c.exec("RELEASE bulkhead"); undo != nil {
			return nil, errors.Join(err, undo)
		}
	}
	return nil, err
}

func (c *connection) step(s *compiled, q *wire.Request) (*wire.Result, error) {
	params, err := c.params(s, q.Params)
	if err != nil {
		return nil, err
	}
	if err := c.interrupts.allow(); err != nil {
		return nil, err
	}
	defer c.interrupts.forbid()
	rows, err := s.Stmt.(driver.StmtQueryContext).QueryContext(context.Background(), params)
	if err != nil {
		return nil, err
	}
	keepText(rows)
	r := &wire.Result{Columns: rows.Columns()}
	size := 0
	values := make([]driver.Value, len(r.Columns))
	for err == nil {
		if err = rows.Next(values); err == nil {
			err = c.keep(r, values, &size)
		}
	}
	if closed := rows.Close(); errors.Is(err, io.EOF) {
		err = closed
	}
	if err != nil {
		return nil, err
	}
	c.count(r, q.Facts)
	return r, nil
}

func (c *connection) keep(r *wire.Result, values []driver.Value, size *int) error {
	if len(r.Rows) == c.config.MaxRows {
		return failed("too_many_rows", "the result has more than %d rows; add a LIMIT", c.config.MaxRows)
	}
	row := make([]any, len(values))
	for i, v := range values {
		switch v := v.(type) {
		case string:
			row[i] = strings.ToValidUTF8(v, "\uFFFD")
		case []byte:
			row[i] = append([]byte{}, v...) // empty is not NULL
		default:
			row[i] = v
		}
	}
	if *size += wire.Size(r.Columns, row); *size > c.config.MaxResult {
		return failed("result_too_large", "the result is over %d bytes; select less", c.config.MaxResult)
	}
	r.Rows = append(r.Rows, row)
	return nil
}

// count adds what a statement changed. For others SQLite tells the numbers of
// the last one that did.
func (c *connection) count(r *wire.Result, facts *wire.Facts) {
	if !facts.Writes || isDefinition(facts.Kinds[0]) {
		return
	}
	r.Changes = lib.Xsqlite3_changes64(c.tls, c.handle)
	if r.Changes > 0 && facts.Inserts() {
		id := lib.Xsqlite3_last_insert_rowid(c.tls, c.handle)
		r.LastInsertRowID = &id
	}
}

// params brings the parameters into the driver's form.
func (c *connection) params(s *compiled, given []wire.Param) ([]driver.NamedValue, error) {
	params := make([]driver.NamedValue, len(given))
	for i, p := range given {
		params[i] = driver.NamedValue{Ordinal: i + 1, Name: p.Name, Value: p.Value}
		if p.Name != "" {
			// Beyond every number a statement may use, so that ?1 finds none.
			params[i].Ordinal += wire.MaxParams
		}
	}
	if n := lib.Xsqlite3_bind_parameter_count(c.tls, s.handle); len(given) > int(n) && given[0].Name == "" {
		return nil, failed(wire.CodeParams, "%d params are given; the statement has %d", len(given), n)
	}
	return params, nil
}
