package dbtest

import (
	"context"
	"fmt"
	"math/big"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/bulkhead-run/bulkhead/platform/db"
	"github.com/bulkhead-run/bulkhead/value"
)

// Dialect is where engines differ.
type Dialect struct {
	Blob string // the type of a column of bytes
	True string // what true comes back as
	// Numbers is a FROM item whose column i counts from 1 to %d.
	Numbers string
	// Endless is a query that computes without end.
	Endless string
	// InsertID says that db.exec tells the id of the row inserted.
	InsertID bool
}

// Limits are what the engines of a suite are opened with.
const (
	MaxRows   = 100
	MaxResult = 10_000
	MaxConns  = 4
)

// Suite runs the tests that every engine has to pass. open returns an engine
// with the limits above, whose tenants "a" to "d" have empty databases.
func Suite(t *testing.T, d Dialect, open func(t *testing.T) db.Engine) {
	for name, test := range map[string]func(*testing.T, Dialect, *Fixture){
		"Values": values, "Results": results, "WrongStatements": wrongStatements, "WrongArguments": wrongArguments,
		"Batch": batch, "Transaction": transaction, "TransactionEnds": transactionEnds, "OneTransaction": oneTransaction,
		"Limits": limits, "Tenants": tenants, "Concurrency": concurrency, "Deadline": deadline,
		"Policy": policy, "ReadersBesideWriter": readersBesideWriter, "DeleteTenant": deleteTenant,
	} {
		t.Run(name, func(t *testing.T) { test(t, d, Open(t, db.New(open(t)))) })
	}
}

// deleteTenant deletes a database that has connections open, one that has never
// been used, and one that comes back empty.
func deleteTenant(t *testing.T, _ Dialect, f *Fixture) {
	remove := f.API("db.exec").DeleteTenant
	b := f.In("b", "i")
	for _, g := range []*Fixture{f, b} {
		g.Must(t, "db.exec", "CREATE TABLE kept (x BIGINT)")
		g.Must(t, "db.exec", "INSERT INTO kept VALUES (7)")
	}
	for _, tenant := range []string{f.Tenant, f.Tenant, "never"} {
		if err := remove(t.Context(), tenant); err != nil {
			t.Errorf("deleting the database of %s: %v", tenant, err)
		}
	}
	if got, err := f.Do(t.Context(), t, "db.query", "SELECT x FROM kept"); err == nil {
		t.Errorf("a deleted table has %s", got)
	}
	f.Must(t, "db.exec", "CREATE TABLE kept (x BIGINT)")
	if got := f.Must(t, "db.query", "SELECT x FROM kept"); got != "[]" {
		t.Errorf("a new database has %s", got)
	}
	if got := b.Must(t, "db.query", "SELECT x FROM kept"); got != "[{x:7}]" {
		t.Errorf("another tenant's has %s", got)
	}
	if err := remove(t.Context(), "../b"); err == nil {
		t.Error("a name that is none was taken")
	}
}

func values(t *testing.T, d Dialect, f *Fixture) {
	f.Must(t, "db.exec", "CREATE TABLE v (id BIGINT, i BIGINT, r DOUBLE PRECISION, t TEXT, b "+d.Blob+")")
	huge := new(big.Int).Lsh(big.NewInt(1), 62)
	for i, c := range []struct {
		column string
		v      any
		want   string
	}{
		{"i", nil, "null"}, {"t", nil, "null"}, {"b", nil, "null"},
		{"i", 0.0, "0"}, {"i", -1.0, "-1"}, {"i", 9007199254740991.0, "9007199254740991"},
		{"i", big.NewInt(9007199254740993), "9007199254740993n"}, {"i", huge, "4611686018427387904n"},
		{"i", new(big.Int).Neg(huge), "-4611686018427387904n"}, {"i", big.NewInt(7), "7"},
		{"r", 1.5, "1.5"}, {"r", 1e300, "1e+300"}, {"r", 5e-324, "5e-324"}, {"r", 0.1, "0.1"},
		{"t", "", `""`}, {"t", "é😀'\"; --", `"é😀'\"; --"`}, {"t", "2024-01-02 03:04:05", `"2024-01-02 03:04:05"`}, {"t", "1", `"1"`},
		{"t", "a\xed\xa0\x80b", `"a�b"`}, // a lone surrogate
		{"b", []byte{}, "x''"}, {"b", []byte{0, 255}, "x'00ff'"}, {"b", value.ArrayBuffer{1}, "x'01'"},
		{"b", &value.TypedArray{Kind: "Int16Array", Bytes: []byte{1, 2}}, "x'0102'"},
	} {
		f.Must(t, "db.exec", "INSERT INTO v (id, "+c.column+") VALUES ($1, $2)", []any{float64(i), c.v})
		if got := f.Must(t, "db.query", "SELECT "+c.column+" AS v FROM v WHERE id = @id", value.NewObject("id", float64(i))); got != "[{v:"+c.want+"}]" {
			t.Errorf("%s %v came back as %s", c.column, c.v, got)
		}
	}
}

func results(t *testing.T, d Dialect, f *Fixture) {
	id := "null"
	if d.InsertID {
		id = "3"
	}
	for _, c := range []struct {
		api, sql string
		params   any
		want     string
	}{
		{"db.exec", "CREATE TABLE users (id INTEGER PRIMARY KEY, name TEXT, score DOUBLE PRECISION)", nil, "{changes:0,lastInsertRowid:null}"},
		{"db.exec", "INSERT INTO users VALUES (1, $1, $2), (2, 'Bob', NULL), (3, 'C', 0.5);", []any{"Alice", 1.5}, "{changes:3,lastInsertRowid:" + id + "}"},
		{"db.query", "SELECT * FROM users WHERE id = 1", nil, `[{id:1,name:"Alice",score:1.5}]`},
		{"db_query", "SELECT name, id FROM users WHERE name = $2 AND id > $1", []any{1.0, "Bob"}, `[{name:"Bob",id:2}]`},
		{"db.query", "SELECT id FROM users WHERE name = @name OR name = @other ORDER BY id", value.NewObject("name", "Bob", ":other", "C"), "[{id:2},{id:3}]"},
		{"db.query", "SELECT name FROM users WHERE 1 = 0 -- none;", nil, "[]"},
		{"db.query", "INSERT INTO users (id, name) VALUES (4, 'D') RETURNING id, name", nil, `[{id:4,name:"D"}]`},
		{"db.query", "UPDATE users SET score = 1 WHERE id = 4", nil, "[]"},
		{"db.exec", "UPDATE users SET name = upper(name) WHERE id > 2", nil, "{changes:2,lastInsertRowid:null}"},
		{"db.exec", "UPDATE users SET name = 'x' WHERE 1 = 0", []any{}, "{changes:0,lastInsertRowid:null}"},
		{"db.exec", "SELECT * FROM users", nil, "{changes:0,lastInsertRowid:null}"},
		{"db.exec", "DELETE FROM users WHERE id > 3", nil, "{changes:1,lastInsertRowid:null}"},
		{"db.exec", "CREATE INDEX by_name ON users (name)", nil, "{changes:0,lastInsertRowid:null}"},
		{"db.exec", "CREATE VIEW names AS SELECT name FROM users", nil, "{changes:0,lastInsertRowid:null}"},
		{"db.query", "SELECT count(*) AS n FROM names", nil, "[{n:3}]"},
		{"db.query", "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n WHERE i < 3) SELECT i FROM n", nil, "[{i:1},{i:2},{i:3}]"},
		{"db.exec", "ALTER TABLE users ADD COLUMN more TEXT", nil, "{changes:0,lastInsertRowid:null}"},
		{"db.query", "SELECT more FROM users WHERE id = 1", nil, "[{more:null}]"},
		{"db.exec", "DROP VIEW names", nil, "{changes:0,lastInsertRowid:null}"},
		{"db.exec", "CREATE TABLE names (n TEXT)", nil, "{changes:0,lastInsertRowid:null}"},
		{"db.exec", "DROP TABLE names", nil, "{changes:0,lastInsertRowid:null}"},
		{"db.exec", "CREATE TABLE names (n INTEGER)", nil, "{changes:0,lastInsertRowid:null}"},
	} {
		got, err := f.Do(t.Context(), t, c.api, c.sql, c.params)
		if err != nil || got != c.want {
			t.Errorf("%s %s: got %s, %v; want %s", c.api, c.sql, got, err, c.want)
		}
	}
}

func wrongStatements(t *testing.T, _ Dialect, f *Fixture) {
	f.Must(t, "db.exec", "CREATE TABLE p (id INTEGER PRIMARY KEY)")
	f.Must(t, "db.exec", "CREATE TABLE t (a INTEGER PRIMARY KEY, b TEXT UNIQUE NOT NULL CHECK (b <> 'no'), p INTEGER REFERENCES p (id))")
	f.Must(t, "db.exec", "INSERT INTO t VALUES (1, 'x', NULL)")
	for _, c := range []struct{ sql, code, part string }{
		{"SELECT * FROM nope", db.CodeInvalid, "nope"},
		{"SELEC 1", db.CodeInvalid, "SELEC"},
		{`SELECT "text"`, db.CodeInvalid, "text"},
		{"INSERT INTO t VALUES (2, 'x', NULL)", db.CodeUnique, ""},
		{"INSERT INTO t VALUES (1, 'y', NULL)", db.CodeUnique, ""},
		{"INSERT INTO t VALUES (2, NULL, NULL)", db.CodeNotNull, ""},
		{"INSERT INTO t VALUES (2, 'no', NULL)", db.CodeCheck, ""},
		{"INSERT INTO t VALUES (2, 'z', 5)", db.CodeForeignKey, ""},
		{"", db.CodeMultipleStatements, "exactly one"},
		{" ;; -- nothing", db.CodeMultipleStatements, "exactly one"},
		{"SELECT 1; SELECT 2", db.CodeMultipleStatements, "exactly one"},
		{"SELECT 1; DROP TABLE t", db.CodeMultipleStatements, "exactly one"},
		{"BEGIN", db.CodeRefused, "db.transaction"},
		{"COMMIT", db.CodeRefused, "db.transaction"},
		{"ROLLBACK", db.CodeRefused, "db.transaction"},
		{"SAVEPOINT x", db.CodeRefused, "db.transaction"},
		{"CREATE TEMPORARY TABLE x (a INTEGER)", db.CodeRefused, "temporary"},
		{"VACUUM", db.CodeRefused, ""},
	} {
		for _, api := range []string{"db.query", "db.exec"} {
			_, err := f.Do(t.Context(), t, api, c.sql)
			if err == nil {
				t.Errorf("%s %q: no error", api, c.sql)
				continue
			}
			WantError(t, err, "DatabaseError", c.code, c.part)
		}
	}
	if got := f.Must(t, "db.query", "SELECT a, b FROM t"); got != `[{a:1,b:"x"}]` {
		t.Errorf("the table is now %s", got)
	}
}

func wrongArguments(t *testing.T, _ Dialect, f *Fixture) {
	for _, c := range []struct {
		api  string
		args []any
		part string
	}{
		{"db.query", nil, "db.query needs an SQL statement"},
		{"db.exec", []any{1.0}, "db.exec needs an SQL statement"},
		{"db.query", []any{"SELECT 1\x00; DROP TABLE t"}, "NUL"},
		{"db.query", []any{"SELECT '" + strings.Repeat("x", 100_000) + "'"}, "at most 100000"},
		{"db.query", []any{"SELECT $1", "x"}, "must be an array or an object"},
		{"db.query", []any{"SELECT $1", []any{[]any{}}}, "param 1 must be null"},
		{"db.query", []any{"SELECT $1", []any{value.Undefined}}, "param 1 must be null"},
		{"db.query", []any{"SELECT $1", []any{time.UnixMilli(0)}}, "param 1 is a Date"},
		{"db.query", []any{"SELECT $1", []any{new(big.Int).Lsh(big.NewInt(1), 64)}}, "param 1 is a BigInt"},
		{"db.query", []any{"SELECT @a", value.NewObject("a", value.NewObject())}, `param "a" must be`},
		{"db.query", []any{"SELECT @a", value.NewObject("", 1.0)}, "is not the name"},
		{"db.query", []any{"SELECT 1", []any{1.0}}, "params"},
		{"db.query", []any{"SELECT @a AS a", value.NewObject("b", 1.0)}, "params"},
		{"db.batch", nil, "needs an array"},
		{"db.batch", []any{[]any{"SELECT 1", value.NewObject("sql", 1.0)}}, "statement 2: db.batch needs an SQL statement"},
		{"db.batch", []any{make([]any, db.MaxBatch+1)}, "at most 1000"},
		{"db.transaction", []any{1.0}, "needs a function"},
	} {
		_, err := f.Do(t.Context(), t, c.api, c.args...)
		WantError(t, err, "TypeError", "", c.part)
	}
}

func batch(t *testing.T, d Dialect, f *Fixture) {
	got := f.Must(t, "db.batch", []any{
		"CREATE TABLE t (id INTEGER PRIMARY KEY, a TEXT)",
		value.NewObject("sql", "INSERT INTO t VALUES ($1, @x)", "params", []any{1.0}),
	}[:1])
	if got != "[{changes:0,lastInsertRowid:null}]" {
		t.Errorf("got %s", got)
	}
	id := "null"
	if d.InsertID {
		id = "1"
	}
	got = f.Must(t, "db.batch", []any{
		value.NewObject("sql", "INSERT INTO t VALUES (@id, @a)", "params", value.NewObject("id", 1.0, "a", "one")),
		value.NewObject("sql", "SELECT a FROM t WHERE id = $1", "params", []any{1.0}),
		value.NewObject("sql", "SELECT a FROM t WHERE 1 = 0"),
	})
	if got != `[{changes:1,lastInsertRowid:`+id+`},[{a:"one"}],[]]` {
		t.Errorf("got %s", got)
	}
	_, err := f.Do(t.Context(), t, "db.batch", []any{"INSERT INTO t VALUES (2, 'two')", "CREATE TABLE u (a TEXT)", "INSERT INTO t VALUES (1, 'again')"})
	WantError(t, err, "DatabaseError", db.CodeUnique, "statement 3: ")
	if got := f.Must(t, "db.query", "SELECT count(*) AS n FROM t"); got != "[{n:1}]" {
		t.Errorf("a failed batch left %s", got)
	}
	if got := f.Must(t, "db.batch", []any{}); got != "[]" {
		t.Errorf("an empty batch gave %s", got)
	}
}

func transaction(t *testing.T, _ Dialect, f *Fixture) {
	f.Must(t, "db.exec", "CREATE TABLE t (id INTEGER PRIMARY KEY, a TEXT)")
	tx := f.Begin(t.Context(), t)
	f.Must(t, "db.exec", "INSERT INTO t VALUES ($1, 'a')", []any{1.0}, tx)
	if got := f.Must(t, "db.query", "SELECT a FROM t", nil, tx); got != `[{a:"a"}]` {
		t.Errorf("inside: %s", got)
	}
	if got := f.Must(t, "db.query", "SELECT a FROM t"); got != "[]" {
		t.Errorf("outside, before the commit: %s", got)
	}
	f.Must(t, "db.transaction", "commit", tx)
	if got := f.Must(t, "db.query", "SELECT a FROM t"); got != `[{a:"a"}]` {
		t.Errorf("after the commit: %s", got)
	}
	for _, name := range []string{"db.exec", "db.query"} {
		_, err := f.Do(t.Context(), t, name, "DELETE FROM t", nil, tx)
		WantError(t, err, "DatabaseError", db.CodeTransaction, "has ended")
	}
	_, err := f.Do(t.Context(), t, "db.transaction", "commit", tx)
	WantError(t, err, "DatabaseError", db.CodeTransaction, "has ended")

	tx = f.Begin(t.Context(), t)
	f.Must(t, "db.exec", "DELETE FROM t", nil, tx)
	for _, number := range []any{0.0, -1.0, "1", true, tx.(float64) + 1} {
		_, err := f.Do(t.Context(), t, "db.query", "SELECT 1 AS n", nil, number)
		WantError(t, err, "DatabaseError", db.CodeTransaction, "has ended")
	}
	_, err = f.In("a", "other").Do(t.Context(), t, "db.exec", "INSERT INTO t VALUES (9, 'x')", nil, tx)
	WantError(t, err, "DatabaseError", db.CodeTransaction, "has ended")
	_, err = f.In("b", f.Invocation).Do(t.Context(), t, "db.transaction", "commit", tx)
	WantError(t, err, "DatabaseError", db.CodeTransaction, "has ended")
	f.Must(t, "db.transaction", "rollback", tx)
	if got := f.Must(t, "db.query", "SELECT a FROM t"); got != `[{a:"a"}]` {
		t.Errorf("after the rollback: %s", got)
	}
}

// What an invocation leaves open is rolled back when it ends, also while a
// statement runs.
func transactionEnds(t *testing.T, d Dialect, f *Fixture) {
	f.Must(t, "db.exec", "CREATE TABLE t (id INTEGER PRIMARY KEY)")
	for name, run := range map[string]func(ctx context.Context, tx any){
		"idle": func(context.Context, any) {},
		"busy": func(ctx context.Context, tx any) { _, _ = f.Do(ctx, t, "db.query", d.Endless, nil, tx) },
	} {
		ctx, cancel := context.WithCancel(t.Context())
		tx := f.Begin(ctx, t)
		if _, err := f.Do(ctx, t, "db.exec", "INSERT INTO t VALUES (1)", nil, tx); err != nil {
			t.Fatal(err)
		}
		var busy sync.WaitGroup
		busy.Go(func() { run(ctx, tx) })
		cancel()
		busy.Wait()
		// The next one begins when the rollback is done.
		later := f.In("a", "later "+name)
		next := later.Begin(t.Context(), t)
		if got := later.Must(t, "db.query", "SELECT id FROM t", nil, next); got != "[]" {
			t.Errorf("%s: the transaction left %s", name, got)
		}
		later.Must(t, "db.transaction", "rollback", next)
		_, err := f.Do(t.Context(), t, "db.transaction", "commit", tx)
		WantError(t, err, "DatabaseError", db.CodeTransaction, "has ended")
	}
}

// A second transaction of an invocation, and a write beside its transaction,
// would wait for each other for ever.
func oneTransaction(t *testing.T, _ Dialect, f *Fixture) {
	f.Must(t, "db.exec", "CREATE TABLE t (id INTEGER PRIMARY KEY)")
	tx := f.Begin(t.Context(), t)
	_, err := f.Do(t.Context(), t, "db.transaction", "begin")
	WantError(t, err, "DatabaseError", db.CodeTransaction, "one after another")
	_, err = f.Do(t.Context(), t, "db.exec", "INSERT INTO t VALUES (1)")
	WantError(t, err, "DatabaseError", db.CodeTransaction, "use tx.query or tx.exec")
	_, err = f.Do(t.Context(), t, "db.batch", []any{"INSERT INTO t VALUES (1)"})
	WantError(t, err, "DatabaseError", db.CodeTransaction, "use tx.query or tx.exec")
	f.Must(t, "db.query", "SELECT id FROM t")
	f.Must(t, "db.exec", "INSERT INTO t VALUES (1)", nil, tx)
	// A statement that fails leaves the others.
	_, err = f.Do(t.Context(), t, "db.exec", "INSERT INTO t VALUES (1)", nil, tx)
	WantError(t, err, "DatabaseError", db.CodeUnique, "")
	f.Must(t, "db.exec", "INSERT INTO t VALUES (2)", nil, tx)
	f.Must(t, "db.transaction", "commit", tx)
	if got := f.Must(t, "db.query", "SELECT count(*) AS n FROM t"); got != "[{n:2}]" {
		t.Errorf("got %s", got)
	}
}

func limits(t *testing.T, d Dialect, f *Fixture) {
	f.Must(t, "db.exec", "CREATE TABLE t (a BIGINT)")
	numbers := func(n int) string { return fmt.Sprintf(d.Numbers, n) }
	f.Must(t, "db.query", "SELECT i FROM "+numbers(MaxRows))
	_, err := f.Do(t.Context(), t, "db.query", "SELECT i FROM "+numbers(MaxRows+1))
	WantError(t, err, "DatabaseError", db.CodeTooManyRows, "more than 100 rows")
	_, err = f.Do(t.Context(), t, "db.query", "SELECT i, CAST($1 AS TEXT) AS t FROM "+numbers(3), []any{strings.Repeat("x", MaxResult/2)})
	WantError(t, err, "DatabaseError", db.CodeResultTooLarge, "over 10000 bytes")
	// The columns' names count, in every row.
	_, err = f.Do(t.Context(), t, "db.query", "SELECT i AS "+strings.Repeat("x", 60)+", i AS "+strings.Repeat("y", 60)+" FROM "+numbers(100))
	WantError(t, err, "DatabaseError", db.CodeResultTooLarge, "")

	// A result over its limits undoes what the statement changed.
	_, err = f.Do(t.Context(), t, "db.query", "INSERT INTO t SELECT i FROM "+numbers(MaxRows+1)+" RETURNING a")
	WantError(t, err, "DatabaseError", db.CodeTooManyRows, "")
	if got := f.Must(t, "db.query", "SELECT count(*) AS n FROM t"); got != "[{n:0}]" {
		t.Errorf("after the failed insert: %s", got)
	}
	f.Must(t, "db.query", "INSERT INTO t SELECT i FROM "+numbers(3)+" RETURNING a")
	tx := f.Begin(t.Context(), t)
	f.Must(t, "db.exec", "INSERT INTO t VALUES (4)", nil, tx)
	_, err = f.Do(t.Context(), t, "db.query", "INSERT INTO t SELECT i FROM "+numbers(MaxRows+1)+" RETURNING a", nil, tx)
	WantError(t, err, "DatabaseError", db.CodeTooManyRows, "")
	f.Must(t, "db.transaction", "commit", tx)
	if got := f.Must(t, "db.query", "SELECT count(*) AS n FROM t"); got != "[{n:4}]" {
		t.Errorf("after the transaction: %s", got)
	}
}

func tenants(t *testing.T, _ Dialect, f *Fixture) {
	for i, tenant := range []string{"a", "b", "c"} {
		f := f.In(tenant, "i")
		f.Must(t, "db.exec", "CREATE TABLE t (a INTEGER)")
		f.Must(t, "db.exec", "INSERT INTO t VALUES ($1)", []any{float64(i)})
	}
	var all sync.WaitGroup
	for i, tenant := range []string{"a", "b", "c"} {
		for n := range 4 {
			all.Go(func() {
				got, err := f.In(tenant, fmt.Sprint(n)).Do(context.Background(), t, "db.query", "SELECT a FROM t")
				if want := fmt.Sprintf("[{a:%d}]", i); err != nil || got != want {
					t.Errorf("tenant %s got %s, %v", tenant, got, err)
				}
			})
		}
	}
	all.Wait()
	_, err := f.In("d", "i").Do(t.Context(), t, "db.query", "SELECT a FROM t")
	WantError(t, err, "DatabaseError", db.CodeInvalid, "")
	for _, tenant := range []string{"", "..", "a/b", "A", "-a", ".", "a\x00", strings.Repeat("a", 64), `a"; DROP TABLE t; --`} {
		if _, err := f.In(tenant, "i").Do(t.Context(), t, "db.query", "SELECT 1 AS n"); err == nil {
			t.Errorf("tenant %q was taken", tenant)
		}
	}
}

// Invocations that count at once, each in a transaction that reads and then
// writes, lose nothing.
func concurrency(t *testing.T, _ Dialect, f *Fixture) {
	f.Must(t, "db.exec", "CREATE TABLE t (n INTEGER)")
	f.Must(t, "db.exec", "INSERT INTO t VALUES (0)")
	var all sync.WaitGroup
	for i := range 12 {
		all.Go(func() {
			f := f.In("a", fmt.Sprint("c", i))
			begin := f.API("db.transaction").Func
			tx, err := begin(t.Context(), f.Call(t, "begin"))
			if err != nil {
				t.Error(err)
				return
			}
			_, err = f.Do(t.Context(), t, "db.exec", "UPDATE t SET n = n + 1", nil, tx)
			if err == nil {
				_, err = f.Do(t.Context(), t, "db.transaction", "commit", tx)
			}
			if err != nil {
				t.Error(err)
			}
		})
		all.Go(func() {
			if _, err := f.In("a", fmt.Sprint("r", i)).Do(t.Context(), t, "db.query", "SELECT n FROM t"); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	if got := f.Must(t, "db.query", "SELECT n FROM t"); got != "[{n:12}]" {
		t.Errorf("got %s", got)
	}
}

func deadline(t *testing.T, d Dialect, f *Fixture) {
	f.Must(t, "db.exec", "CREATE TABLE t (a BIGINT)")
	for _, sql := range []string{d.Endless, "INSERT INTO t SELECT * FROM (" + d.Endless + ") AS e", "INSERT INTO t SELECT * FROM (" + d.Endless + ") AS e RETURNING a"} {
		ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		_, err := f.Do(ctx, t, "db.exec", sql)
		cancel()
		WantError(t, err, "TimeoutError", "", "deadline")
		if got := f.Must(t, "db.query", "SELECT count(*) AS n FROM t"); got != "[{n:0}]" {
			t.Errorf("after %.30s: %s", sql, got)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(20*time.Millisecond, cancel)
	_, err := f.Do(ctx, t, "db.query", d.Endless)
	WantError(t, err, "AbortError", "", "canceled")
	_, err = f.Do(ctx, t, "db.query", "SELECT 1 AS n")
	WantError(t, err, "AbortError", "", "canceled")
}

// While a transaction has written and not committed, others read what was
// there before; and a long reader keeps nobody from writing.
func readersBesideWriter(t *testing.T, d Dialect, f *Fixture) {
	f.Must(t, "db.exec", "CREATE TABLE t (a INTEGER)")
	f.Must(t, "db.exec", "INSERT INTO t VALUES (1)")
	tx := f.Begin(t.Context(), t)
	f.Must(t, "db.exec", "UPDATE t SET a = 2", nil, tx)
	if got := f.In("a", "reader").Must(t, "db.query", "SELECT a FROM t"); got != "[{a:1}]" {
		t.Errorf("the reader got %s", got)
	}
	f.Must(t, "db.transaction", "commit", tx)

	ctx, cancel := context.WithCancel(t.Context())
	var long sync.WaitGroup
	for range MaxConns - 1 {
		long.Go(func() { _, _ = f.In("a", "long").Do(ctx, t, "db.query", d.Endless) })
	}
	f.Must(t, "db.exec", "UPDATE t SET a = 3") // when the statement is known it needs no reader
	cancel()
	long.Wait()
	if got := f.Must(t, "db.query", "SELECT a FROM t"); got != "[{a:3}]" {
		t.Errorf("got %s", got)
	}
}
