package worker

import (
	"errors"
	"fmt"
	"regexp"
	"strings"
	"syscall"

	"modernc.org/sqlite"
	lib "modernc.org/sqlite/lib"

	"github.com/bulkhead-run/bulkhead/platform/db/wire"
)

// failure is an error that the tenant sees.
type failure struct{ wire.Failure }

func (f *failure) Error() string { return f.Message }

func failed(code, format string, args ...any) *failure {
	return &failure{wire.Failure{Code: code, Message: fmt.Sprintf(format, args...)}}
}

func refusal(format string, args ...any) *failure { return failed("refused", format, args...) }

// codes says for SQLite's result codes what they are called here: those of a
// constraint with their extended part.
var codes = map[int][2]string{
	lib.SQLITE_ERROR:                 {"invalid", "SQLITE_ERROR"},
	lib.SQLITE_INTERNAL:              {"internal", "SQLITE_INTERNAL"},
	lib.SQLITE_PERM:                  {"io", "SQLITE_PERM"},
	lib.SQLITE_ABORT:                 {"rolled_back", "SQLITE_ABORT"},
	lib.SQLITE_BUSY:                  {"locked", "SQLITE_BUSY"},
	lib.SQLITE_LOCKED:                {"locked", "SQLITE_LOCKED"},
	lib.SQLITE_NOMEM:                 {"memory", "SQLITE_NOMEM"},
	lib.SQLITE_READONLY:              {"io", "SQLITE_READONLY"},
	lib.SQLITE_INTERRUPT:             {wire.CodeTimeout, "SQLITE_INTERRUPT"},
	lib.SQLITE_IOERR:                 {"io", "SQLITE_IOERR"},
	lib.SQLITE_CORRUPT:               {"corrupt", "SQLITE_CORRUPT"},
	lib.SQLITE_FULL:                  {"full", "SQLITE_FULL"},
	lib.SQLITE_CANTOPEN:              {"io", "SQLITE_CANTOPEN"},
	lib.SQLITE_PROTOCOL:              {"locked", "SQLITE_PROTOCOL"},
	lib.SQLITE_SCHEMA:                {"invalid", "SQLITE_SCHEMA"},
	lib.SQLITE_TOOBIG:                {"value_too_large", "SQLITE_TOOBIG"},
	lib.SQLITE_CONSTRAINT:            {"constraint", "SQLITE_CONSTRAINT"},
	lib.SQLITE_MISMATCH:              {"invalid", "SQLITE_MISMATCH"},
	lib.SQLITE_MISUSE:                {"internal", "SQLITE_MISUSE"},
	lib.SQLITE_AUTH:                  {"refused", "SQLITE_AUTH"},
	lib.SQLITE_RANGE:                 {"invalid", "SQLITE_RANGE"},
	lib.SQLITE_NOTADB:                {"corrupt", "SQLITE_NOTADB"},
	lib.SQLITE_IOERR_NOMEM:           {"memory", "SQLITE_IOERR_NOMEM"},
	lib.SQLITE_CONSTRAINT_CHECK:      {"check", "SQLITE_CONSTRAINT_CHECK"},
	lib.SQLITE_CONSTRAINT_FOREIGNKEY: {"foreign_key", "SQLITE_CONSTRAINT_FOREIGNKEY"},
	lib.SQLITE_CONSTRAINT_NOTNULL:    {"not_null", "SQLITE_CONSTRAINT_NOTNULL"},
	lib.SQLITE_CONSTRAINT_PRIMARYKEY: {"unique", "SQLITE_CONSTRAINT_PRIMARYKEY"},
	lib.SQLITE_CONSTRAINT_ROWID:      {"unique", "SQLITE_CONSTRAINT_ROWID"},
	lib.SQLITE_CONSTRAINT_UNIQUE:     {"unique", "SQLITE_CONSTRAINT_UNIQUE"},
	lib.SQLITE_CONSTRAINT_TRIGGER:    {"constraint", "SQLITE_CONSTRAINT_TRIGGER"},
	lib.SQLITE_CONSTRAINT_DATATYPE:   {"constraint", "SQLITE_CONSTRAINT_DATATYPE"},
}

func codeOf(code int) [2]string {
	for _, c := range []int{code, code & 0xff} {
		if name, ok := codes[c]; ok {
			return name
		}
	}
	return [2]string{"internal", ""}
}

// driverSuffix is what the driver adds to SQLite's message.
var driverSuffix = regexp.MustCompile(` \(\d+\)( \(SQLITE_BUSY\))?$`)

// describeError makes the failure that an error is told as.
func describeError(config *wire.Config, denied string, err error) *wire.Failure {
	var known *failure
	var of *sqlite.Error
	f := &wire.Failure{Code: "internal", Message: "SQLite failed inside", Detail: err.Error()}
	switch {
	case denied != "":
		f = &wire.Failure{Code: "refused", Message: denied, Engine: "SQLITE_AUTH"}
	case errors.As(err, &known):
		f = &known.Failure
	case errors.As(err, &of):
		names := codeOf(of.Code())
		f.Code, f.Engine = names[0], names[1]
		f.Message = message(of)
		if f.Code == "full" && !diskFull() {
			f.Code, f.Message = wire.CodeQuota, fmt.Sprintf("the database would be larger than its %d bytes; delete something", config.MaxSize)
		}
	case strings.HasPrefix(err.Error(), "missing "):
		f.Code, f.Message = wire.CodeParams, err.Error()
	}
	f.Message, f.Detail = clip(f.Message), clip(f.Detail)
	return f
}

func message(err *sqlite.Error) string {
	m := driverSuffix.ReplaceAllString(err.Error(), "")
	if _, own, ok := strings.Cut(m, ": "); ok {
		m = own
	}
	switch err.Code() & 0xff {
	case lib.SQLITE_TOOBIG:
		m += fmt.Sprintf(" (a value has at most %d bytes)", maxValue)
	case lib.SQLITE_CORRUPT, lib.SQLITE_NOTADB:
		m += "; ask the operator to restore it"
	case lib.SQLITE_BUSY:
		m += ": another program uses the file; try again"
	case lib.SQLITE_FULL:
		m = "the disk is full; ask the operator"
	}
	return m
}

// leastFree is the free space below which a disk counts as full.
const leastFree = 1 << 20

// diskFull tells a disk that is full from a database that may not grow.
func diskFull() bool {
	var s syscall.Statfs_t
	return syscall.Statfs(".", &s) == nil && s.Bavail*uint64(s.Bsize) < leastFree
}

func clip(s string) string {
	s = strings.ToValidUTF8(s, "\uFFFD")
	if len(s) > wire.MaxMessage {
		s = strings.ToValidUTF8(s[:wire.MaxMessage-3], "") + "…"
	}
	return s
}
