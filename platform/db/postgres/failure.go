package postgres

import (
	"context"
	"errors"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/bulkhead-run/bulkhead/platform"
	"github.com/bulkhead-run/bulkhead/platform/db"
)

// states are the SQLSTATEs that have a code of their own; classes, by their
// first two characters, the others (postgresql.org/docs/current/errcodes-appendix.html).
var states = map[string]string{
	"23505": db.CodeUnique, "23502": db.CodeNotNull, "23514": db.CodeCheck, "23503": db.CodeForeignKey,
	"42501": db.CodeRefused, "25001": db.CodeRefused, "0A000": db.CodeRefused,
	"53100": db.CodeFull, "53200": db.CodeMemory, "53400": db.CodeMemory, "55P03": db.CodeLocked,
	"25P03": db.CodeRolledBack, "58030": db.CodeIO, "XX001": db.CodeCorrupt, "XX002": db.CodeCorrupt,
}

var classes = map[string]string{
	"22": db.CodeInvalid, "42": db.CodeInvalid, "54": db.CodeInvalid, "23": db.CodeConstraint, "40": db.CodeRolledBack,
	"08": db.CodeUnavailable, "53": db.CodeUnavailable, "57": db.CodeUnavailable, "28": db.CodeUnavailable, "25": db.CodeTransaction, "55": db.CodeRefused,
}

// failure logs what concerns the operator, and makes what the tenant sees.
func (p *pool) failure(ctx context.Context, err error) error {
	err = failure(ctx, err)
	var e *platform.Error
	if errors.As(err, &e) {
		switch code := e.Properties["code"]; code {
		case db.CodeFull, db.CodeCorrupt, db.CodeIO, db.CodeUnavailable:
			p.e.o.Logger.Info("a tenant's database has a fault", "schema", p.schema, "code", code, "error", e.Err)
		}
	}
	return err
}

func failure(ctx context.Context, err error) error {
	var known *platform.Error
	var of *pgconn.PgError
	switch {
	case errors.As(err, &known):
		return known
	case ctx.Err() != nil:
		return db.ContextError(ctx)
	case errors.As(err, &of):
		return stateError(of)
	}
	e := db.Errorf(db.CodeUnavailable, "the database server cannot be reached; try again")
	e.Err = err
	return e
}

func stateError(of *pgconn.PgError) error {
	code, ok := states[of.Code]
	if !ok && len(of.Code) == 5 {
		code = classes[of.Code[:2]]
	}
	message := of.Message
	switch {
	case of.Code == "57014":
		return &platform.Error{Name: "TimeoutError", Message: "the statement took too long", Err: of}
	case of.Code == "42601" && strings.Contains(message, "multiple commands"):
		code, message = db.CodeMultipleStatements, "a call runs exactly one statement, with nothing after it"
	case code == db.CodeUnavailable, code == db.CodeFull, code == db.CodeIO:
		message = "the database server failed; ask the operator" // its words may name what is not the tenant's
	case code == "":
		code, message = db.CodeInternal, "the database server failed inside"
	}
	e := db.Errorf(code, "%s", message)
	e.Properties["engineCode"] = of.Code
	e.Err = of
	return e
}
