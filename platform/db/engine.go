package db

import "context"

// Engine keeps the tenants' databases and runs their statements. Its errors
// are *platform.Error where the tenant is to see them.
type Engine interface {
	// Run runs one statement on the tenant's database, in a transaction of
	// its own: it has its whole effect or none.
	Run(ctx context.Context, tenant string, s Statement, approve Approve) (*Result, error)
	// Begin opens a transaction. The caller ends it with Commit or Rollback;
	// ctx bounds the opening alone.
	Begin(ctx context.Context, tenant string) (Tx, error)
	// DeleteTenant deletes the tenant's database, if there is one. Nothing may
	// use it meanwhile.
	DeleteTenant(ctx context.Context, tenant string) error
	// Close rolls back what is open, and closes every database.
	Close() error
}

// Tx is an open transaction. Its methods may be called at once; statements run
// one after another.
type Tx interface {
	// Run runs one statement. When it fails, and the database itself does not
	// end the transaction for it, the transaction goes on without it.
	Run(ctx context.Context, s Statement, approve Approve) (*Result, error)
	// Commit makes the transaction's effects last, all or none.
	Commit(ctx context.Context) error
	// Rollback undoes them. After Commit it does nothing.
	Rollback()
}

// Statement is one SQL statement with its parameters.
type Statement struct {
	SQL    string
	Params []Param
}

// Param is a parameter: nil, bool, int64, float64, string or []byte. Those of
// one statement all have a name, or none has.
type Param struct {
	Name  string
	Value any
}

// Facts are what the database says that a statement does.
type Facts struct {
	// Kinds are one or more of those that policies.Attributes names: most
	// statements are of one kind, but an upsert both inserts and updates.
	Kinds []string
	// Tables are the tables and views that it touches, lower case, each once.
	Tables []string
	// Writes says that it changes something.
	Writes bool
}

// Approve is asked before a statement has any effect that lasts. Its error
// ends the statement.
type Approve func(Facts) error

// Result is what a statement gave. Values are nil, bool, int64, float64,
// string or []byte.
type Result struct {
	Columns []string
	Rows    [][]any
	// Changes is how many rows were inserted, updated or deleted.
	Changes int64
	// LastInsertRowID is SQLite's id of the last row inserted, or nil.
	LastInsertRowID *int64
}
