package db

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strings"

	"modernc.org/sqlite"
	lib "modernc.org/sqlite/lib"

	"github.com/bulkhead-run/bulkhead/platform"
)

// codeNames are the names of the result codes that a caller may meet.
var codeNames = map[int]string{
	lib.SQLITE_ERROR: "SQLITE_ERROR", lib.SQLITE_INTERNAL: "SQLITE_INTERNAL", lib.SQLITE_PERM: "SQLITE_PERM",
	lib.SQLITE_ABORT: "SQLITE_ABORT", lib.SQLITE_BUSY: "SQLITE_BUSY", lib.SQLITE_LOCKED: "SQLITE_LOCKED",
	lib.SQLITE_NOMEM: "SQLITE_NOMEM", lib.SQLITE_READONLY: "SQLITE_READONLY", lib.SQLITE_INTERRUPT: "SQLITE_INTERRUPT",
	lib.SQLITE_IOERR: "SQLITE_IOERR", lib.SQLITE_CORRUPT: "SQLITE_CORRUPT", lib.SQLITE_FULL: "SQLITE_FULL",
	lib.SQLITE_CANTOPEN: "SQLITE_CANTOPEN", lib.SQLITE_PROTOCOL: "SQLITE_PROTOCOL", lib.SQLITE_SCHEMA: "SQLITE_SCHEMA",
	lib.SQLITE_TOOBIG: "SQLITE_TOOBIG", lib.SQLITE_CONSTRAINT: "SQLITE_CONSTRAINT", lib.SQLITE_MISMATCH: "SQLITE_MISMATCH",
	lib.SQLITE_MISUSE: "SQLITE_MISUSE", lib.SQLITE_AUTH: "SQLITE_AUTH", lib.SQLITE_RANGE: "SQLITE_RANGE",
	lib.SQLITE_NOTADB:                "SQLITE_NOTADB",
	lib.SQLITE_CONSTRAINT_CHECK:      "SQLITE_CONSTRAINT_CHECK",
	lib.SQLITE_CONSTRAINT_DATATYPE:   "SQLITE_CONSTRAINT_DATATYPE",
	lib.SQLITE_CONSTRAINT_FOREIGNKEY: "SQLITE_CONSTRAINT_FOREIGNKEY",
	lib.SQLITE_CONSTRAINT_NOTNULL:    "SQLITE_CONSTRAINT_NOTNULL",
	lib.SQLITE_CONSTRAINT_PRIMARYKEY: "SQLITE_CONSTRAINT_PRIMARYKEY",
	lib.SQLITE_CONSTRAINT_ROWID:      "SQLITE_CONSTRAINT_ROWID",
	lib.SQLITE_CONSTRAINT_TRIGGER:    "SQLITE_CONSTRAINT_TRIGGER",
	lib.SQLITE_CONSTRAINT_UNIQUE:     "SQLITE_CONSTRAINT_UNIQUE",
}

func codeName(code int) string {
	for _, c := range []int{code, code & 0xff} {
		if name, ok := codeNames[c]; ok {
			return name
		}
	}
	return "SQLITE_ERROR"
}

// driverSuffix is what the driver adds to SQLite's message.
var driverSuffix = regexp.MustCompile(` \(\d+\)( \(SQLITE_BUSY\))?$`)

// failure turns an error of run into what the tenant sees.
func (db *DB) failure(ctx context.Context, err error) error {
	var known *platform.Error
	var failed *sqlite.Error
	switch {
	case ctx.Err() == context.DeadlineExceeded:
		return &platform.Error{Name: "TimeoutError", Message: "db_query: the invocation's deadline passed", Err: err}
	case ctx.Err() != nil, db.ctx.Err() != nil:
		return &platform.Error{Name: "AbortError", Message: "db_query: the call was canceled", Err: err}
	case errors.As(err, &known):
		return known
	case errors.Is(err, errFault):
		e := databaseError("SQLITE_INTERNAL", "SQLite failed inside")
		e.Err = err
		return e
	case errors.As(err, &failed):
		e := databaseError(codeName(failed.Code()), "%s", db.message(failed))
		e.Err = err
		return e
	case strings.HasPrefix(err.Error(), "missing "):
		return platform.TypeErrorf("params: %w", err)
	}
	return fmt.Errorf("db_query: %w", err)
}

// message returns SQLite's own message, with the limit where there is one.
func (db *DB) message(err *sqlite.Error) string {
	m := driverSuffix.ReplaceAllString(err.Error(), "")
	if _, own, ok := strings.Cut(m, ": "); ok {
		m = own
	}
	switch err.Code() & 0xff {
	case lib.SQLITE_FULL:
		m += fmt.Sprintf(" (a tenant's database has at most %d bytes)", db.o.MaxSize)
	case lib.SQLITE_TOOBIG:
		m += fmt.Sprintf(" (a value has at most %d bytes)", limits[lib.SQLITE_LIMIT_LENGTH])
	case lib.SQLITE_CORRUPT, lib.SQLITE_NOTADB:
		m += "; ask the operator to restore it"
	}
	return m
}
