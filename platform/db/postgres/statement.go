package postgres

import (
	"context"
	"encoding/hex"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgtype"

	"github.com/bulkhead-run/bulkhead/platform"
	"github.com/bulkhead-run/bulkhead/platform/db"
	"github.com/bulkhead-run/bulkhead/platform/db/wire"
)

// statement learns what a statement does, has it approved and runs it, all
// within the open transaction. The caller undoes what a failure leaves.
func (t *tx) statement(ctx context.Context, sql string, params [][]byte, approve db.Approve) (*db.Result, error) {
	before, err := t.locked(ctx)
	if err != nil {
		return nil, err
	}
	described, err := t.pg.Prepare(ctx, "", sql, nil)
	if err != nil {
		return nil, err
	}
	if len(described.ParamOIDs) != len(params) {
		return nil, platform.TypeErrorf("params: %d are given; the statement has %d", len(params), len(described.ParamOIDs))
	}
	facts, err := t.plan(ctx, sql, params, before, len(described.Fields) > 0)
	if err != nil {
		return nil, err
	}
	if facts == nil {
		return t.define(ctx, sql, params, before, approve)
	}
	if err := t.approve(ctx, facts, approve); err != nil {
		return nil, err
	}
	r, tag, err := t.execute(ctx, sql, params)
	if err == nil && facts.Writes {
		r.Changes = tag.RowsAffected()
	}
	return r, err
}

func (t *tx) approve(ctx context.Context, f *db.Facts, approve db.Approve) error {
	if approve != nil {
		if err := approve(*f); err != nil {
			return err
		}
	}
	return t.room(ctx, f)
}

// define runs what has no plan, and has it approved afterwards: only then does
// the server tell what it was.
func (t *tx) define(ctx context.Context, sql string, params [][]byte, before relations, approve db.Approve) (*db.Result, error) {
	existing, err := t.relations(ctx, "c.relkind IN ('r', 'p', 'v', 'm', 'f')")
	if err != nil {
		return nil, err
	}
	_, tag, err := t.execute(ctx, sql, params)
	if err != nil {
		return nil, err
	}
	if t.pg.TxStatus() != 'T' {
		return nil, refused()
	}
	kind, err := kindOf(tag.String())
	if err != nil {
		return nil, err
	}
	oids, err := t.lockedIDs(ctx)
	if err != nil {
		return nil, err
	}
	after, err := t.locked(ctx)
	if err != nil {
		return nil, err
	}
	for _, id := range oids {
		if name, ok := existing[id]; ok {
			after[id+" before"] = name // it may have another name now, or none
		}
	}
	for id := range before {
		delete(after, id)
		delete(after, id+" before")
	}
	f := &db.Facts{Kinds: []string{kind}, Tables: after.names(), Writes: true}
	if err := t.approve(ctx, f, approve); err != nil {
		return nil, err
	}
	return &db.Result{}, nil
}

// read runs a query of ours.
func (t *tx) read(ctx context.Context, sql string, params ...[]byte) (*db.Result, error) {
	return t.rows(t.pg.ExecParams(ctx, sql, params, nil, nil, nil), 1<<20, 64<<20)
}

func (t *tx) execute(ctx context.Context, sql string, params [][]byte) (*db.Result, pgconn.CommandTag, error) {
	reader := t.pg.ExecParams(ctx, sql, params, nil, nil, nil)
	r, err := t.rows(reader, t.pool.e.o.MaxRows, t.pool.e.o.MaxResult)
	tag, closed := reader.Close()
	if err == nil {
		err = closed
	}
	if err == nil && tag.String() == "" {
		err = db.Errorf(db.CodeMultipleStatements, "a call runs exactly one statement, with nothing after it")
	}
	return r, tag, err
}

// rows reads a result within bounds. What is over them is read and dropped.
func (t *tx) rows(reader *pgconn.ResultReader, maxRows, maxResult int) (*db.Result, error) {
	r := &db.Result{}
	fields := reader.FieldDescriptions()
	size := 0
	var over error
	for reader.NextRow() {
		if len(r.Columns) == 0 {
			fields = reader.FieldDescriptions()
			for _, f := range fields {
				r.Columns = append(r.Columns, f.Name)
			}
		}
		if over != nil {
			continue
		}
		if len(r.Rows) == maxRows {
			over = db.Errorf(db.CodeTooManyRows, "the result has more than %d rows; add a LIMIT", maxRows)
			continue
		}
		row := make([]any, len(fields))
		for i, text := range reader.Values() {
			v, err := parse(fields[i].DataTypeOID, text)
			if err != nil {
				over = err
			}
			row[i] = v
		}
		if size += wire.Size(r.Columns, row); size > maxResult {
			over = db.Errorf(db.CodeResultTooLarge, "the result is over %d bytes; select less", maxResult)
			continue
		}
		r.Rows = append(r.Rows, row)
	}
	for _, f := range reader.FieldDescriptions() {
		if len(r.Rows) == 0 {
			r.Columns = append(r.Columns, f.Name)
		}
	}
	_, err := reader.Close()
	if err == nil {
		err = over
	}
	return r, err
}

// parse reads a value in text form: numbers, booleans and bytes as what they
// are, everything else as text.
func parse(oid uint32, text []byte) (any, error) {
	if text == nil {
		return nil, nil
	}
	s := string(text)
	switch oid {
	case pgtype.Int2OID, pgtype.Int4OID, pgtype.Int8OID, pgtype.OIDOID:
		return strconv.ParseInt(s, 10, 64)
	case pgtype.Float4OID, pgtype.Float8OID:
		return strconv.ParseFloat(s, 64)
	case pgtype.BoolOID:
		return s == "t", nil
	case pgtype.ByteaOID:
		return hex.DecodeString(strings.TrimPrefix(s, `\x`))
	}
	return s, nil
}

func appendBytea(out, data []byte) []byte {
	return append(append(out, `\x`...), hex.EncodeToString(data)...)
}
