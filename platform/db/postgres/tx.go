package postgres

import (
	"context"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/bulkhead-run/bulkhead/platform"
	"github.com/bulkhead-run/bulkhead/platform/db"
)

// tx is a transaction on a connection of the tenant's role.
type tx struct {
	pool *pool
	conn *pgxpool.Conn
	pg   *pgconn.PgConn
	turn *db.Turn
}

// Run implements db.Engine.
func (e *Engine) Run(ctx context.Context, tenant string, s db.Statement, approve db.Approve) (*db.Result, error) {
	t, err := e.begin(ctx, tenant)
	if err != nil {
		return nil, err
	}
	defer t.Rollback()
	r, err := t.Run(ctx, s, approve)
	if err != nil {
		return nil, err
	}
	return r, t.Commit(ctx)
}

// Begin implements db.Engine.
func (e *Engine) Begin(ctx context.Context, tenant string) (db.Tx, error) {
	t, err := e.begin(ctx, tenant)
	if err != nil {
		return nil, err
	}
	return t, nil
}

func (e *Engine) begin(ctx context.Context, tenant string) (*tx, error) {
	p, err := e.acquire(ctx, tenant)
	if err != nil {
		return nil, err
	}
	defer e.release(p)
	for tries := 0; ; tries++ {
		conn, err := p.conns.Acquire(ctx)
		if err != nil {
			return nil, p.failure(ctx, err)
		}
		t := &tx{pool: p, conn: conn, pg: conn.Conn().PgConn(), turn: db.NewTurn()}
		if err = t.control(ctx, "BEGIN"); err == nil {
			e.hold(p)
			return t, nil
		}
		// A connection that broke while it was unused says nothing about the
		// server: there is one more try than there are connections.
		closed := t.pg.IsClosed()
		conn.Release()
		if !closed || ctx.Err() != nil || tries > e.o.MaxConns {
			return nil, p.failure(ctx, err)
		}
	}
}

// control runs a constant of ours.
func (t *tx) control(ctx context.Context, sql string) error { return t.pg.Exec(ctx, sql).Close() }

// Run implements db.Tx. A statement that fails is undone by itself.
func (t *tx) Run(ctx context.Context, s db.Statement, approve db.Approve) (*db.Result, error) {
	if err := t.turn.Enter(ctx); err != nil {
		return nil, err
	}
	defer t.turn.Leave()
	sql, params, err := arguments(ctx, s)
	if err != nil {
		return nil, err
	}
	if err := t.control(ctx, "SAVEPOINT bulkhead"); err != nil {
		t.turn.Lost = true
		return nil, t.pool.failure(ctx, err)
	}
	r, err := t.statement(ctx, sql, params, approve)
	if err == nil && t.pg.TxStatus() != 'T' {
		err = refused()
	}
	end := "RELEASE SAVEPOINT bulkhead"
	if err != nil {
		end = "ROLLBACK TO SAVEPOINT bulkhead; RELEASE SAVEPOINT bulkhead"
	}
	// A statement that ran out of time is undone all the same.
	undo, cancel := context.WithTimeout(context.WithoutCancel(ctx), cancelGrace)
	defer cancel()
	if ended := t.control(undo, end); ended != nil {
		t.turn.Lost = true
		if err == nil {
			err = ended
		}
	}
	if err != nil {
		return nil, t.pool.failure(ctx, err)
	}
	return r, nil
}

// Commit implements db.Tx.
func (t *tx) Commit(ctx context.Context) error {
	if err := t.turn.Enter(ctx); err != nil {
		return err
	}
	defer t.turn.Leave()
	if err := t.control(ctx, "COMMIT"); err != nil {
		t.turn.Lost = true
		return t.pool.failure(ctx, err)
	}
	t.giveBack()
	return nil
}

// Rollback implements db.Tx.
func (t *tx) Rollback() {
	t.turn.EnterLast()
	defer t.turn.Leave()
	if t.turn.Ended {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), cancelGrace)
	defer cancel()
	if t.pg.TxStatus() != 'I' && !t.pg.IsClosed() {
		_ = t.control(ctx, "ROLLBACK") // a connection that is not idle is closed
	}
	t.giveBack()
}

func (t *tx) giveBack() {
	t.turn.Ended = true
	t.conn.Release()
	t.pool.e.release(t.pool)
}

// arguments brings a statement into PostgreSQL's form: parameters by number,
// as texts whose types the server finds.
func arguments(ctx context.Context, s db.Statement) (string, [][]byte, error) {
	sql := s.SQL
	values := make([]any, len(s.Params))
	for i, p := range s.Params {
		values[i] = p.Value
	}
	if len(s.Params) > 0 && s.Params[0].Name != "" {
		named := make(pgx.StrictNamedArgs, len(s.Params))
		for _, p := range s.Params {
			named[p.Name] = p.Value
		}
		var err error
		if sql, values, err = named.RewriteQuery(ctx, nil, sql, nil); err != nil {
			return "", nil, platform.TypeErrorf("params: %w", err)
		}
	}
	params := make([][]byte, len(values))
	for i, v := range values {
		switch v := v.(type) {
		case nil:
		case bool:
			params[i] = strconv.AppendBool(nil, v)
		case int64:
			params[i] = strconv.AppendInt(nil, v, 10)
		case float64:
			params[i] = []byte(strings.Replace(strconv.FormatFloat(v, 'g', -1, 64), "Inf", "Infinity", 1))
		case string:
			if strings.ContainsRune(v, 0) {
				return "", nil, platform.TypeErrorf("param %d holds a NUL character, which PostgreSQL cannot store in text", i+1)
			}
			params[i] = []byte(v)
		case []byte:
			params[i] = appendBytea(nil, v)
		}
	}
	return sql, params, nil
}

// sizeInterval is how often a tenant's size is measured.
const sizeInterval = 5 * time.Second

// room refuses what adds to a database that is over its size.
func (t *tx) room(ctx context.Context, f *db.Facts) error {
	adds := false
	for _, kind := range f.Kinds {
		adds = adds || kind == "insert" || kind == "update" || kind == "create"
	}
	if !adds {
		return nil
	}
	p := t.pool
	p.mu.Lock()
	stale := time.Since(p.measured) > sizeInterval
	if stale {
		p.measured = time.Now()
	}
	p.mu.Unlock()
	if stale {
		r, err := t.read(ctx, "SELECT coalesce(sum(pg_total_relation_size(oid)), 0)::bigint FROM pg_class WHERE relkind IN ('r', 'm') AND relnamespace = $1::regnamespace", []byte(quote(p.schema)))
		if err != nil {
			return err
		}
		p.mu.Lock()
		p.size, _ = r.Rows[0][0].(int64)
		p.mu.Unlock()
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.size > p.e.o.MaxSize {
		return db.QuotaError(p.e.o.MaxSize)
	}
	return nil
}
