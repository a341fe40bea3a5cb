package postgres

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

const (
	prefix   = "bulkhead_"
	maxIdent = 63 // bytes of a name in PostgreSQL
	sumSize  = 16
)

// schemaName names a tenant's schema and role, differently for each tenant.
func schemaName(tenant string) string {
	if len(prefix)+len(tenant) <= maxIdent-sumSize-1 {
		return prefix + tenant
	}
	sum := sha256.Sum256([]byte(tenant))
	// No tenant's name has an underscore.
	return prefix + tenant[:maxIdent-len(prefix)-sumSize-1] + "_" + hex.EncodeToString(sum[:])[:sumSize]
}

// password derives a role's password. It holds no character that would need
// quoting.
func (e *Engine) password(role string) string {
	mac := hmac.New(sha256.New, e.o.Key)
	mac.Write([]byte("bulkhead postgres role " + role))
	return hex.EncodeToString(mac.Sum(nil))
}

// shared are functions through which tenants could reach each other, or leave
// something behind.
const shared = `SELECT oid::regprocedure::text FROM pg_proc WHERE pronamespace = 'pg_catalog'::regnamespace AND
	(proname = 'pg_notify' OR proname LIKE 'pg_advisory%' OR proname LIKE 'pg_try_advisory%' OR proname LIKE 'lo\_%' OR proname IN ('lowrite', 'loread'))`

// prepare takes from everybody what tenants must not have.
func (e *Engine) prepare(ctx context.Context) error {
	var name string
	if err := e.admin.QueryRow(ctx, "SELECT current_database()").Scan(&name); err != nil {
		return err
	}
	for _, sql := range []string{
		"REVOKE ALL ON DATABASE " + quote(name) + " FROM PUBLIC",
		"REVOKE ALL ON SCHEMA public FROM PUBLIC",
		"REVOKE USAGE ON LANGUAGE plpgsql FROM PUBLIC",
		"REVOKE USAGE ON LANGUAGE sql FROM PUBLIC",
	} {
		if _, err := e.admin.Exec(ctx, sql); err != nil {
			return fmt.Errorf("%s: %w", sql, err)
		}
	}
	for _, language := range []string{"plpgsql", "sql"} {
		var allowed bool
		if err := e.admin.QueryRow(ctx, "SELECT has_language_privilege('public', $1, 'USAGE')", language).Scan(&allowed); err != nil {
			return err
		}
		if allowed {
			return fmt.Errorf("the administrator's role cannot revoke the language %s: it has to be a superuser, or own the language", language)
		}
	}
	rows, err := e.admin.Query(ctx, shared)
	if err != nil {
		return err
	}
	functions, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		return err
	}
	for _, f := range functions {
		if _, err := e.admin.Exec(ctx, "REVOKE EXECUTE ON FUNCTION "+f+" FROM PUBLIC"); err != nil {
			return fmt.Errorf("%s: %w", f, err)
		}
	}
	return nil
}

// provision makes a tenant's role and schema what they should be.
func (e *Engine) provision(ctx context.Context, schema, password string) error {
	role, milliseconds := quote(schema), e.o.StatementTimeout.Milliseconds()
	attributes := fmt.Sprintf("LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS NOINHERIT CONNECTION LIMIT %d PASSWORD '%s'",
		e.o.MaxConns+1, password)
	_, err := e.admin.Exec(ctx, "CREATE ROLE "+role+" "+attributes)
	if is(err, "42710") { // it exists
		_, err = e.admin.Exec(ctx, "ALTER ROLE "+role+" "+attributes)
	}
	if err != nil {
		return err
	}
	for _, sql := range []string{
		"CREATE SCHEMA IF NOT EXISTS " + role,
		"REVOKE ALL ON SCHEMA " + role + " FROM PUBLIC",
		"GRANT USAGE, CREATE ON SCHEMA " + role + " TO " + role,
		"DO $$ BEGIN EXECUTE format('GRANT CONNECT ON DATABASE %I TO " + role + "', current_database()); END $$",
		"ALTER ROLE " + role + " SET search_path = " + role,
		fmt.Sprintf("ALTER ROLE %s SET statement_timeout = %d", role, milliseconds),
		fmt.Sprintf("ALTER ROLE %s SET idle_in_transaction_session_timeout = %d", role, milliseconds),
		fmt.Sprintf("ALTER ROLE %s SET lock_timeout = %d", role, milliseconds),
	} {
		if _, err := e.admin.Exec(ctx, sql); err != nil {
			return err
		}
	}
	_, err = e.admin.Exec(ctx, fmt.Sprintf("ALTER ROLE %s SET temp_file_limit = %d", role, e.o.MaxSize>>10))
	if is(err, "42501") { // only for a superuser
		err = nil
	}
	return err
}

func is(err error, state string) bool {
	var e *pgconn.PgError
	return errors.As(err, &e) && e.Code == state
}

func quote(name string) string { return `"` + strings.ReplaceAll(name, `"`, `""`) + `"` }
