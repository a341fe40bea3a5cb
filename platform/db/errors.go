package db

import (
	"context"
	"errors"
	"slices"

	"github.com/bulkhead-run/bulkhead/platform"
)

// The codes of a DatabaseError.
const (
	// The statement.
	CodeInvalid            = "invalid"             // it is wrong, or does not fit the schema
	CodeRefused            = "refused"             // it is of a kind that is not offered
	CodeMultipleStatements = "multiple_statements" // it is not exactly one
	CodeUnique             = "unique"
	CodeNotNull            = "not_null"
	CodeCheck              = "check"
	CodeForeignKey         = "foreign_key"
	CodeConstraint         = "constraint" // another one
	CodeTooManyRows        = "too_many_rows"
	CodeResultTooLarge     = "result_too_large"
	CodeValueTooLarge      = "value_too_large"
	// The transaction.
	CodeTransaction = "transaction" // there is none, or there is one already
	CodeRolledBack  = "rolled_back" // the database ended it
	// The database.
	CodeLocked      = "locked"      // another program or transaction holds it
	CodeFull        = "full"        // the disk is
	CodeCorrupt     = "corrupt"     // the file is damaged
	CodeIO          = "io"          // reading or writing failed
	CodeMemory      = "memory"      // the statement needs too much
	CodeUnavailable = "unavailable" // its process ended, or the server is gone
	CodeInternal    = "internal"
)

// retryable are the codes of failures that may be over when tried again, with
// nothing done in between.
var retryable = []string{CodeLocked, CodeUnavailable, CodeRolledBack}

// Errorf makes a DatabaseError: its properties are the code, and whether to
// try again. A %w verb sets its cause.
func Errorf(code, format string, args ...any) *platform.Error {
	e := platform.Errorf("DatabaseError", format, args...)
	e.Properties = map[string]any{"code": code, "retryable": slices.Contains(retryable, code)}
	return e
}

// QuotaError makes the QuotaExceededError of a database that may not grow
// beyond limit bytes.
func QuotaError(limit int64) *platform.Error {
	e := platform.Errorf("QuotaExceededError", "the database would be larger than its %d bytes; delete something", limit)
	e.Properties = map[string]any{"limit": limit}
	return e
}

// ContextError says in the tenant's terms why ctx ended.
func ContextError(ctx context.Context) *platform.Error {
	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		return &platform.Error{Name: "TimeoutError", Message: "the invocation's deadline passed", Err: ctx.Err()}
	}
	return &platform.Error{Name: "AbortError", Message: "the call was canceled", Err: ctx.Err()}
}
